//! `GET /health` and `GET /ready`: whether the process is up, and whether it can serve. Neither takes a model lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serving::{LoadState, ModelState, ModelView, Tier};

use crate::state::App;

/// The process is up, whatever the models do. Clients of EDISON's protocol read which tiers are loaded here.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    let (states, tiers) = (app.service.states(), app.service.tiers());
    let is_ready = |id: &String| states.iter().any(|model| model.id == *id && model.state == LoadState::Ready);
    let is_loaded = |tier: Tier| tiers.iter().any(|(other, id)| *other == tier && is_ready(id));
    let is_there = |model: &ModelState| model.lanes_in_service > 0 || model.state == LoadState::Unloaded;
    let sees = |model: &ModelState| model.capabilities.is_some_and(|can| can.vision) && is_there(model);
    let vision = tiers.iter().find(|(tier, _)| *tier == Tier::Vision).map(|(_, id)| id);
    let vision_enabled = states.iter().any(|model| Some(&model.id) == vision && sees(model));
    let models_loaded = Tier::ALL.map(|tier| (format!("{}_model", tier.as_str()), is_loaded(tier))).into();
    let vision_error = match vision {
        _ if vision_enabled => None,
        Some(_) => Some(BLIND),
        None => Some(NO_VISION),
    };
    // Memory and search stay outside, so that there is never a store that is ready.
    let (qdrant_ready, repo_root) = (false, "");
    let failed = states.into_iter().filter(|model| matches!(model.state, LoadState::Failed { .. }));
    Json(Health {
        status: "ok",
        service: "edison-core",
        models_loaded,
        models_failed: failed.map(|model| model.id).collect(),
        vision_enabled,
        vision_error,
        qdrant_ready,
        repo_root,
    })
}

const BLIND: &str = "the model of the tier vision is not loaded, or was loaded without what it needs to see pictures";
const NO_VISION: &str = "no model is configured for the tier vision";

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    status: &'static str,
    service: &'static str,
    models_loaded: BTreeMap<String, bool>,
    /// The models that nobody gets now; `/ready` says whether they are tried again.
    models_failed: Vec<String>,
    /// Whether the model of the tier vision is there and has eyes.
    vision_enabled: bool,
    /// Why it is not.
    #[schema(required)]
    vision_error: Option<&'static str>,
    qdrant_ready: bool,
    /// Empty: where files lie is nobody's business.
    repo_root: &'static str,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    draining: bool,
    models: BTreeMap<String, Load>,
}

#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Load {
    Loading {
        progress: f32,
    },
    Ready,
    /// Let go; whoever asks for it waits until it is loaded again.
    Unloaded,
    /// Loaded, and every lane of it is in quarantine.
    Stopped,
    Failed {
        reason: &'static str,
        /// Seconds until it is tried again; `null` where only a restart helps.
        #[schema(required)]
        retry_after_s: Option<f64>,
    },
}

/// Why a model failed may name files, and anybody can ask.
pub(crate) const FAILED: &str = "it could not be loaded, or its engine broke for good; the server's log says why";

/// 200 when every model is loaded and has a lane in service or in repair, or was let go and comes back for whoever asks; 503
/// with what is missing otherwise.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let models: BTreeMap<String, Load> =
        app.service.states().into_iter().map(|model| (model.id.clone(), load(&app, model))).collect();
    let draining = app.shutdown.is_draining() || app.service.is_draining();
    let ready = !draining && models.values().all(|load| matches!(load, Load::Ready | Load::Unloaded));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, draining, models })).into_response()
}

fn load(app: &App, model: ModelState) -> Load {
    match model.state {
        LoadState::Loading { progress } => Load::Loading { progress },
        LoadState::Ready if model.lanes_in_service > 0 => Load::Ready,
        LoadState::Ready => without_service(app.service.models().into_iter().find(|view| view.id == model.id)),
        LoadState::Unloaded => Load::Unloaded,
        LoadState::Failed { retry_after, .. } => {
            Load::Failed { reason: FAILED, retry_after_s: retry_after.map(|pause| pause.as_secs_f64()) }
        }
    }
}

/// A repair is short, and whoever asks meanwhile waits for it as for anybody else; a quarantine can be for good.
fn without_service(view: Option<ModelView>) -> Load {
    let mut lanes = view.into_iter().flat_map(|view| view.lanes);
    if lanes.any(|lane| lane.state != "quarantined") { Load::Ready } else { Load::Stopped }
}

#[cfg(test)]
mod tests {
    use serving::{LaneView, LoadState, ModelView};

    use super::{Load, without_service};

    fn view(lanes: &[&'static str]) -> ModelView {
        let lane = |state: &&'static str| LaneView { lane: 0, state, holder: None, reason: None };
        ModelView {
            id: "m".into(),
            names: vec![],
            state: LoadState::Ready,
            lanes: lanes.iter().map(lane).collect(),
            waiting: vec![],
            queue_max: 0,
            context_len: None,
            capabilities: None,
            drafts: false,
            adapters: vec![],
            saved_states: backend::SavedStates::default(),
            granted_total: 0,
            history: vec![],
        }
    }

    /// "free" where a lane came back between the two looks.
    #[test]
    fn a_model_is_ready_while_a_lane_of_it_is_in_service_or_in_repair() {
        for (lanes, load) in [
            (&["quarantined", "in_repair"][..], Load::Ready),
            (&["free"], Load::Ready),
            (&["quarantined", "quarantined"], Load::Stopped),
            (&[], Load::Stopped),
        ] {
            assert_eq!(without_service(Some(view(lanes))), load, "{lanes:?}");
        }
        assert_eq!(without_service(None), Load::Stopped);
    }
}

//! `GET /models/list` and `GET /models/status`: what EDISON's web page shows of the models. Neither takes a model lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use serving::{LoadState, ModelState, Tier};

use crate::routes::health::FAILED;
use crate::state::App;

/// Every model by its id. Where it lies is nobody's business, so its id stands for its path.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let entry = |ModelState { id, weight_bytes, .. }| {
        let size_gb = gib(weight_bytes.unwrap_or_default());
        json!({"name": id, "filename": id, "size_gb": size_gb, "path": id, "location": "standard"})
    };
    let mut models = app.service.states();
    models.sort_by(|one, other| one.id.cmp(&other.id));
    let models: Vec<Value> = models.into_iter().map(entry).collect();
    Json(json!({"models": models, "standard_path": "", "large_path": null, "current_models": configured(&app)}))
}

/// With two decimals, as the page shows it.
fn gib(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 30) * 100.0).round() / 100.0
}

/// Which tiers can be used now, and which of them are one model.
pub(crate) async fn status(State(app): State<Arc<App>>) -> Json<Value> {
    let (states, configured) = (app.service.states(), configured(&app));
    let is = |id: &String, is: fn(&LoadState) -> bool| states.iter().any(|model| model.id == *id && is(&model.state));
    let is_loaded = |id: &String| is(id, |state| *state == LoadState::Ready);
    let has_failed = |id: &String| is(id, |state| matches!(state, LoadState::Failed { .. }));
    let mut slots = BTreeMap::new();
    let mut status = json!({"models_unloaded_for_image_gen": false});
    for (tier, id) in &configured {
        let loaded = id.as_ref().is_some_and(is_loaded);
        let shares = |other: &&&str| *other != tier && id.is_some() && configured[**other] == *id;
        let shared_with: Vec<&str> = configured.keys().filter(shares).copied().collect();
        let failure = id.as_ref().is_some_and(has_failed).then_some(FAILED);
        let slot = json!({"loaded": loaded, "configured_model": id, "shared_with": shared_with, "failure": failure});
        slots.insert(*tier, slot);
        status[*tier] = json!(loaded);
    }
    status["configured_models"] = json!(configured);
    status["slots"] = json!(slots);
    Json(status)
}

/// The model of every tier, where there is one.
fn configured(app: &App) -> BTreeMap<&'static str, Option<String>> {
    let tiers = app.service.tiers();
    let model = |tier: Tier| tiers.iter().find(|(other, _)| *other == tier).map(|(_, id)| id.clone());
    Tier::ALL.into_iter().map(|tier| (tier.as_str(), model(tier))).collect()
}

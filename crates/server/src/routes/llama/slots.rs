//! `GET /props`, `GET /slots` and `GET /lora-adapters`: a model, its lanes and its adapters, as llama-server shows them. Neither takes a model lock.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use backend::{Sampling, SavedStates};
use serde::Deserialize;
use serving::{AdapterView, HolderView, LoadState, ModelView, Refusal};

use crate::error::ApiError;
use crate::state::App;
use crate::validate::BadRequest;
use crate::wire::llama::{
    AppliedLora, DefaultParams, DefaultSettings, LoraAdapter, Modalities, NextToken, Props, SavedState, Slot,
    SlotParams,
};

/// Which model is meant; the first one where it is left out.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    model: Option<String>,
}

type Asked = Result<Query<Which>, QueryRejection>;

/// What takes effect where a request does not say.
pub(crate) async fn props(State(app): State<Arc<App>>, which: Asked) -> Result<Json<Props>, ApiError> {
    let (model, n_ctx) = model(&app, which)?;
    let sampling = Sampling::default();
    let params = DefaultParams {
        temperature: sampling.temperature,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        typical_p: sampling.typical_p,
        repeat_penalty: sampling.repeat_penalty,
        repeat_last_n: sampling.repeat_last_n,
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
    };
    Ok(Json(Props {
        default_generation_settings: DefaultSettings { n_ctx, params },
        total_slots: model.lanes.len(),
        modalities: Modalities { vision: model.capabilities.is_some_and(|can| can.vision), audio: false },
        saved_states: saved_states(model.saved_states),
        model_alias: model.id,
        model_path: "",
        build_info: concat!("edison ", env!("CARGO_PKG_VERSION")),
        is_sleeping: false,
        lora_adapters: lora_adapters(model.adapters),
    }))
}

/// The adapters that requests may choose from.
pub(crate) async fn adapters(State(app): State<Arc<App>>, which: Asked) -> Result<Json<Vec<LoraAdapter>>, ApiError> {
    Ok(Json(lora_adapters(named(&app, which)?.adapters)))
}

fn lora_adapters(adapters: Vec<AdapterView>) -> Vec<LoraAdapter> {
    let lora = |AdapterView { number, name, scale }| LoraAdapter { id: number, name, path: "", scale: scale.get() };
    adapters.into_iter().map(lora).collect()
}

fn saved_states(SavedStates { bytes, restored, evicted }: SavedStates) -> SavedState {
    SavedState { bytes, restored, evicted }
}

/// The lanes, and how far whoever holds them is.
pub(crate) async fn slots(State(app): State<Arc<App>>, which: Asked) -> Result<Json<Vec<Slot>>, ApiError> {
    let (model, n_ctx) = model(&app, which)?;
    let slot = |lane: serving::LaneView| Slot {
        id: lane.lane,
        id_task: lane.holder.as_ref().map_or(-1, |holder| i64::try_from(holder.ticket).unwrap_or(i64::MAX)),
        n_ctx,
        speculative: model.drafts,
        is_processing: lane.holder.is_some(),
        params: lane.holder.as_ref().map(slot_params),
        next_token: NextToken {
            has_next_token: lane.holder.is_some(),
            n_decoded: lane.holder.map_or(0, |holder| holder.tokens),
        },
    };
    Ok(Json(model.lanes.into_iter().map(slot).collect()))
}

/// What the holder asks for, as far as it is shown: none of its words are.
fn slot_params(holder: &HolderView) -> SlotParams {
    let lora = |adapter: &AdapterView| AppliedLora { id: adapter.number, scale: adapter.scale.get() };
    SlotParams { lora: holder.adapter.iter().map(lora).collect() }
}

/// The model that is meant, and its context.
fn model(app: &App, which: Asked) -> Result<(ModelView, u32), ApiError> {
    let model = named(app, which)?;
    match (&model.state, model.context_len) {
        (LoadState::Failed { reason, retry_after }, _) => {
            let (reason, retry_after) = (reason.clone(), *retry_after);
            Err(Refusal::ModelUnavailable { model: model.id.clone(), reason, retry_after }.into())
        }
        (_, Some(n_ctx)) => Ok((model, n_ctx)),
        (_, None) => Err(ApiError::Loading(model.id)),
    }
}

/// The model that is meant, loaded or not.
fn named(app: &App, which: Asked) -> Result<ModelView, ApiError> {
    let Query(which) = which.map_err(|rejection| {
        let message = format!("the query could not be read: {}", rejection.body_text());
        BadRequest { message, param: None }
    })?;
    let asked = which.model.unwrap_or_else(|| app.first_model());
    let models = app.service.models();
    let tier = app.service.tiers().into_iter().find(|(tier, _)| tier.as_str() == asked).map(|(_, id)| id);
    let means =
        |model: &ModelView| model.id == asked || model.names.contains(&asked) || tier.as_ref() == Some(&model.id);
    let known = models.iter().map(|model| model.id.clone()).collect();
    models.into_iter().find(means).ok_or_else(|| Refusal::UnknownModel { asked, known }.into())
}

//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serving::{LoadState, ModelState, Refusal};

use crate::error::ApiError;
use crate::state::App;
use crate::wire::models::{ModelList, ModelObject};
use crate::wire::names::state_name;

/// Every model with its adapters behind it, then every tier that is not a model's own name.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<ModelList> {
    Json(ModelList { object: "list", data: objects(&app) })
}

/// One model, by any of its names.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ModelObject>, ApiError> {
    let Path(id) = id.map_err(|rejection| ApiError::BadPath(rejection.body_text()))?;
    let listed = objects(&app);
    let by_id = listed.iter().find(|object| object.id == id);
    match by_id.or_else(|| listed.iter().find(|object| object.aliases.contains(&id))) {
        Some(object) => Ok(Json(object.clone())),
        None => {
            let known = listed.into_iter().map(|object| object.id).collect();
            Err(Refusal::UnknownModel { asked: id, known }.into())
        }
    }
}

fn objects(app: &App) -> Vec<ModelObject> {
    let models = app.service.states();
    let mut objects: Vec<_> = models.iter().flat_map(|model| with_adapters(app, model)).collect();
    for (tier, id) in app.service.tiers() {
        let model = models.iter().find(|model| model.id == id);
        // A tier that has the name of a model is listed as that model.
        let is_new = objects.iter().all(|object| object.id != tier.as_str());
        objects.extend(model.filter(|_| is_new).and_then(|model| object(app, tier.as_str(), model)));
    }
    objects
}

fn with_adapters(app: &App, model: &ModelState) -> Vec<ModelObject> {
    let Some(whole) = object(app, &model.id, model) else { return Vec::new() };
    let adapted = |adapter: &String| ModelObject {
        id: format!("{}:{adapter}", whole.id),
        aliases: whole.aliases.iter().map(|alias| format!("{alias}:{adapter}")).collect(),
        adapters: Vec::new(),
        ..whole.clone()
    };
    let adapted: Vec<_> = whole.adapters.iter().map(adapted).collect();
    std::iter::once(whole).chain(adapted).collect()
}

fn object(app: &App, name: &str, model: &ModelState) -> Option<ModelObject> {
    let entry = app.catalogue.get(&model.id)?;
    let names = std::iter::once(&entry.id).chain(&entry.names);
    let look = || app.service.models().into_iter().find(|view| view.id == entry.id)?.context_len;
    Some(ModelObject {
        id: name.to_owned(),
        object: "model",
        created: app.created,
        owned_by: "edison",
        root: entry.id.clone(),
        state: state_name(&model.state),
        adapters: entry.adapters.clone(),
        aliases: names.filter(|other| *other != name).cloned().collect(),
        capabilities: model.capabilities.map(|can| can.names().collect()),
        context_len: if matches!(model.state, LoadState::Ready | LoadState::Unloaded) {
            entry.context_len(look)
        } else {
            None
        },
    })
}

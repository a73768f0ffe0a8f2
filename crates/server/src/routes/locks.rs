//! `GET /locks`: who holds each model, who waits, and who held it before. Takes no model lock.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serving::{AdapterView, HolderView, LaneView, ModelView, Outcome, WaiterView};

use crate::state::App;
use crate::wire::names::{class_name, state_name};

/// Every model's lock as it is now.
pub(crate) async fn show(State(app): State<Arc<App>>) -> Json<Locks> {
    Json(Locks { models: app.service.models().into_iter().map(Lock::from).collect() })
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Locks {
    models: Vec<Lock>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Lock {
    id: String,
    names: Vec<String>,
    state: &'static str,
    queue_max: usize,
    granted_total: u64,
    lanes: Vec<Lane>,
    waiting: Vec<Waiter>,
    /// The latest holds, oldest first.
    history: Vec<Hold>,
}

/// Why a lane is out of service may be an engine's own words, and anybody can ask.
const OUT_OF_SERVICE: &str = "it is out of service; the server's log says why";

#[derive(Serialize, utoipa::ToSchema)]
struct Lane {
    lane: u64,
    state: &'static str,
    reason: Option<&'static str>,
    holder: Option<Holder>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Holder {
    request_id: String,
    client: Option<String>,
    ticket: u64,
    class: &'static str,
    age_ms: f64,
    phase: &'static str,
    tokens: u32,
    waited_ms: f64,
    adapter: Option<AppliedAdapter>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Waiter {
    position: usize,
    request_id: String,
    client: Option<String>,
    class: &'static str,
    age_ms: f64,
    adapter: Option<AppliedAdapter>,
}

/// The adapter that a request has.
#[derive(Serialize, utoipa::ToSchema)]
struct AppliedAdapter {
    name: String,
    scale: f32,
}

/// One hold that is over. Two holds of one lane overlap if one's `granted_ms` is before the other's `released_ms`
/// both ways; both count from the start of the service.
#[derive(Serialize, utoipa::ToSchema)]
struct Hold {
    request_id: String,
    client: Option<String>,
    ticket: Option<u64>,
    lane: Option<u64>,
    class: &'static str,
    wait_ms: f64,
    hold_ms: Option<f64>,
    granted_ms: Option<f64>,
    released_ms: Option<f64>,
    tokens: u32,
    /// Tokens of the prompt that the engine remembered; this and the next two are told of answers that came to their end.
    cached_tokens: u32,
    /// Tokens that the engine guessed and computed along.
    drafted_tokens: u32,
    /// Those of them that became part of the answer.
    accepted_tokens: u32,
    adapter: Option<AppliedAdapter>,
    outcome: &'static str,
    phase: &'static str,
}

impl From<ModelView> for Lock {
    fn from(model: ModelView) -> Self {
        Self {
            state: state_name(&model.state),
            id: model.id,
            names: model.names,
            queue_max: model.queue_max,
            granted_total: model.granted_total,
            lanes: model.lanes.into_iter().map(Lane::from).collect(),
            waiting: model.waiting.into_iter().map(Waiter::from).collect(),
            history: model.history.into_iter().map(Hold::from).collect(),
        }
    }
}

impl From<LaneView> for Lane {
    fn from(lane: LaneView) -> Self {
        Self {
            lane: lane.lane,
            state: lane.state,
            reason: lane.reason.map(|_| OUT_OF_SERVICE),
            holder: lane.holder.map(Holder::from),
        }
    }
}

impl From<HolderView> for Holder {
    fn from(holder: HolderView) -> Self {
        Self {
            request_id: holder.request_id,
            client: holder.client,
            ticket: holder.ticket,
            class: class_name(holder.class),
            age_ms: millis(holder.age),
            phase: holder.phase.as_str(),
            tokens: holder.tokens,
            waited_ms: millis(holder.waited),
            adapter: holder.adapter.map(AppliedAdapter::from),
        }
    }
}

impl From<WaiterView> for Waiter {
    fn from(waiter: WaiterView) -> Self {
        Self {
            position: waiter.position,
            request_id: waiter.request_id,
            client: waiter.client,
            class: class_name(waiter.class),
            age_ms: millis(waiter.age),
            adapter: waiter.adapter.map(AppliedAdapter::from),
        }
    }
}

impl From<AdapterView> for AppliedAdapter {
    fn from(AdapterView { name, scale, .. }: AdapterView) -> Self {
        Self { name, scale: scale.get() }
    }
}

impl From<Outcome> for Hold {
    fn from(outcome: Outcome) -> Self {
        Self {
            wait_ms: millis(outcome.waited()),
            hold_ms: outcome.held().map(millis),
            granted_ms: outcome.granted.map(millis),
            released_ms: outcome.released.map(millis),
            request_id: outcome.request_id,
            client: outcome.client,
            ticket: outcome.ticket,
            lane: outcome.lane,
            class: class_name(outcome.class),
            tokens: outcome.tokens,
            cached_tokens: outcome.cached_tokens,
            drafted_tokens: outcome.drafted_tokens,
            accepted_tokens: outcome.accepted_tokens,
            adapter: outcome.adapter.map(AppliedAdapter::from),
            outcome: outcome.ended.as_str(),
            phase: outcome.phase.as_str(),
        }
    }
}

/// Milliseconds with three decimals: a hold of a small model can be shorter than one.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use serving::LaneView;

    use super::{Lane, OUT_OF_SERVICE};

    #[test]
    fn a_lane_out_of_service_is_shown_without_the_engines_words() {
        let view = LaneView { lane: 0, state: "quarantined", holder: None, reason: Some("/secret/m.gguf".into()) };
        assert_eq!(Lane::from(view).reason, Some(OUT_OF_SERVICE));
        let view = LaneView { lane: 0, state: "free", holder: None, reason: None };
        assert_eq!(Lane::from(view).reason, None);
    }
}

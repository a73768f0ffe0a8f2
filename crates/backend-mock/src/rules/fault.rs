//! What goes wrong, as a script writes it: on schedule, or by a chance that a seed decides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Objection, Time};
use crate::chance::{hash, unit};
use crate::{Fault, Rebuild, Wire};

/// What goes wrong in one call. Several can be given together.
///
/// A call for embeddings makes no tokens: what would come after some of them comes at once, and `stop_after` does nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FaultScript {
    /// The engine fails before the first token: the client gets a 500.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fail: bool,
    /// The client gets this status, 400 to 599, instead of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When to try again, as the answer with the status says: `Retry-After` in whole seconds, rounded up, and
    /// `retry-after-ms`, which the OpenAI packages prefer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Time>,
    /// The engine fails after this many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_after: Option<u32>,
    /// The answer ends after this many tokens, with the reason "length".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<u32>,
    /// Nothing comes after this many tokens, until the client leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hang_after: Option<u32>,
    /// The engine panics after this many tokens; its lane is rebuilt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panic_after: Option<u32>,
    /// The engine fails after this many tokens and breaks its lane, which is rebuilt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_lane_after: Option<u32>,
    /// The engine generates this many more tokens after the client has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_cancel_for: Option<u32>,
    /// How long the prompt takes in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_prefill: Option<Time>,
    /// The connection is cut after this many events of the stream that have something of the answer; an answer in one piece
    /// is cut in the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect_after: Option<u32>,
    /// An event that is no JSON comes after this many events of the stream, and then the end; an answer in one piece loses
    /// its second half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malformed_after: Option<u32>,
}

impl FaultScript {
    /// Whether nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What the engine and the wire do about it.
    pub(crate) fn faults(&self) -> (Vec<Fault>, Vec<Wire>) {
        let at = |tokens: Option<u32>, fault: fn(u32) -> Fault| tokens.map(fault);
        let engine = [
            (self.fail || self.status.is_some()).then_some(Fault::FailBeforeFirstToken),
            at(self.fail_after, |tokens| Fault::FailAfter { tokens }),
            at(self.stop_after, |tokens| Fault::StopAfter { tokens }),
            at(self.hang_after, |tokens| Fault::HangAfter { tokens }),
            at(self.panic_after, |tokens| Fault::PanicAfter { tokens }),
            at(self.break_lane_after, |tokens| Fault::BreakLaneAfter { tokens, rebuild: Rebuild::AfterFailures(0) }),
            at(self.ignore_cancel_for, |tokens| Fault::IgnoreCancelFor { tokens }),
            self.slow_prefill.map(|time| Fault::SlowPrefill { time: time.0 }),
        ];
        let retry_after = self.retry_after.map(|time| time.0);
        let wire = [
            self.status.map(|status| Wire::Status { status, retry_after }),
            self.disconnect_after.map(|events| Wire::Disconnect { events }),
            self.malformed_after.map(|events| Wire::Malformed { events }),
        ];
        (engine.into_iter().flatten().collect(), wire.into_iter().flatten().collect())
    }

    pub(super) fn check(&self, path: &str) -> Vec<Objection> {
        let mut found = Vec::new();
        if self.status.is_some_and(|status| !(400..600).contains(&status)) {
            found.push(Objection {
                key: format!("{path}.status"),
                message: "must be an integer from 400 to 599".into(),
            });
        }
        found
    }
}

/// A fault of the calls that are named, counted from 1 by model and by test. Without `calls`, `every` and `chance` it is
/// every call's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Scheduled {
    /// Of this model; of every model by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// These calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<u64>,
    /// Every n-th call, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// So many calls, 0 to 1; the script's seed decides which, and the same seed decides the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// What goes wrong.
    pub fault: FaultScript,
}

impl Scheduled {
    /// Whether it is this call's; `draw` is a number from 0 to 1 that the seed gives this call and this fault.
    pub(crate) fn strikes(&self, model: &str, call: u64, draw: f64) -> bool {
        let of_model = self.model.as_deref().is_none_or(|name| name == model);
        let always = self.calls.is_empty() && self.every.is_none() && self.chance.is_none();
        let named = self.calls.contains(&call);
        let every = self.every.is_some_and(|n| n > 0 && call.is_multiple_of(n));
        of_model && (always || named || every || self.chance.is_some_and(|chance| draw < chance))
    }

    pub(super) fn check(&self, path: &str) -> Vec<Objection> {
        let object = |key: &str, message: &str| Objection { key: format!("{path}.{key}"), message: message.into() };
        let mut found = self.fault.check(&format!("{path}.fault"));
        if self.fault.is_empty() {
            found.push(object("fault", "is missing"));
        }
        if self.every == Some(0) {
            found.push(object("every", "must be at least 1"));
        }
        if self.calls.contains(&0) {
            found.push(object("calls", "are counted from 1"));
        }
        if self.chance.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            found.push(object("chance", "must be a number from 0 to 1"));
        }
        found
    }
}

/// The number from 0 to 1 that decides about the fault at this place of the list.
pub(crate) fn chance_draw(seed: u64, test_id: &str, model: &str, call: u64, index: usize) -> f64 {
    unit(hash(&[&seed.to_le_bytes(), test_id.as_bytes(), model.as_bytes(), &call.to_le_bytes(), &index.to_le_bytes()]))
}

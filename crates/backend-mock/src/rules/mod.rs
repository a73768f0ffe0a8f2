//! What is answered to what: rules, as a script writes them.
//!
//! These types are the script format as well: they are read by serde, and the published schema is made from them. Every
//! key is flat, so that a mistake has a line and a key of its own.

mod choice;
mod closest;
mod fault;
mod reply;
mod time;
mod usage;
mod vectors;
mod when;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use fault::{FaultScript, Scheduled};
pub use reply::{Call, FinishName, Piece, Replies, ReplyScript};
pub use time::Time;
pub use usage::UsageScript;
pub use when::When;

#[cfg(test)]
pub(crate) use choice::PlannedCall;
pub(crate) use choice::{Ask, Chosen, Plan, Wants, choose, own, scheduled};
pub(crate) use fault::chance_draw;
pub(crate) use vectors::{PlannedVector, Vectors, vectors};

/// What answers whom: the rules in their order, what goes wrong, and what follows when no rule matches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rules {
    /// A request that no rule matches is an error that names the closest rule. Default false: then its model answers by
    /// its own reply, see the `reply` of a model. Without a rule for embeddings, vectors are made of their texts all the
    /// same, and without one for documents so are their scores.
    pub strict: bool,
    /// The first rule that matches answers.
    pub rules: Vec<Rule>,
    /// What goes wrong, by the number of the call.
    pub faults: Vec<Scheduled>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rule {
    /// What messages and the journal call it; its number by default.
    pub name: Option<String>,
    /// Which requests it answers; all of them by default.
    pub when: When,
    /// What it answers: a text, a reply, or an array of these, which are given one after the other.
    pub reply: Replies,
    /// How often it answers; then it no longer matches. For ever by default.
    pub times: Option<u64>,
    /// What follows the last reply of an array.
    pub then: Then,
}

/// What follows the last reply of an array.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The last one again.
    #[default]
    Repeat,
    /// The first one again.
    Cycle,
    /// The rule no longer matches.
    Stop,
}

impl Rule {
    /// A rule that answers these requests with this.
    pub fn new(when: When, reply: impl Into<Replies>) -> Self {
        Self { when, reply: reply.into(), ..Self::default() }
    }

    /// Its name, or its number among the rules.
    pub(crate) fn title(&self, index: usize) -> String {
        match &self.name {
            Some(name) => format!("rule {} \"{name}\"", index + 1),
            None => format!("rule {}", index + 1),
        }
    }

    /// The most often it can answer.
    pub(crate) fn times_max(&self) -> u64 {
        let times = self.times.unwrap_or(u64::MAX);
        if self.then == Then::Stop { times.min(self.reply.0.len() as u64) } else { times }
    }

    /// The reply to its n-th match, from 0.
    pub(crate) fn reply_at(&self, n: u64) -> Option<&ReplyScript> {
        let replies = &self.reply.0;
        let last = replies.len().checked_sub(1)? as u64;
        let at = if self.then == Then::Cycle { n % (last + 1) } else { n.min(last) };
        replies.get(usize::try_from(at).ok()?)
    }
}

/// Something in the rules that cannot be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The key, as a path: `rules[2].reply[0].template`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for Objection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

impl Rules {
    /// Everything that is wrong with them: expressions and templates that cannot be read, replies that say two things.
    pub fn check(&self) -> Vec<Objection> {
        let mut found = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let path = format!("rules[{index}]");
            found.extend(rule.when.check(&format!("{path}.when")));
            let one = rule.reply.0.len() == 1;
            if rule.reply.0.is_empty() {
                found.push(Objection { key: format!("{path}.reply"), message: "is missing".into() });
            }
            for (n, reply) in rule.reply.0.iter().enumerate() {
                let place = if one { format!("{path}.reply") } else { format!("{path}.reply[{n}]") };
                found.extend(reply.check(&place, rule.when.wants()));
            }
        }
        for (index, fault) in self.faults.iter().enumerate() {
            found.extend(fault.check(&format!("faults[{index}]")));
        }
        found
    }
}

//! What must be true of every history, one function for each promise.
//!
//! An oracle looks at what happened and never at how the service did it. Each has a test below that shows it a history
//! in which its promise is broken: one that cannot object proves nothing.

mod counting;
mod ending;
mod faltering;
mod keeping;
mod locks;
mod queues;
mod replay;
mod service;
mod text;

#[cfg(test)]
mod tests;

use crate::facts::Facts;
use crate::history::History;

/// A judge of histories.
pub struct Oracle {
    /// Its name, for people and for the tables of canaries.
    pub name: &'static str,
    /// What it holds the service to.
    pub promise: &'static str,
    judge: fn(&Facts<'_>) -> Verdict,
}

/// `Err` is the first thing that must not have happened.
pub type Verdict = Result<(), Objection>;

/// Something that must not have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The place in the history.
    pub at: usize,
    /// What is wrong.
    pub says: String,
    /// Who objected.
    pub oracle: &'static str,
}

impl Objection {
    fn new(at: usize, says: impl Into<String>) -> Self {
        Self { at, says: says.into(), oracle: "" }
    }
}

fn object(at: usize, says: impl Into<String>) -> Verdict {
    Err(Objection::new(at, says))
}

/// All of them.
pub const ORACLES: &[Oracle] = &[
    Oracle { name: "calm", promise: "nothing panics but what the script says", judge: ending::calm },
    Oracle { name: "exclusion", promise: "L1", judge: locks::exclusion },
    Oracle { name: "conservation", promise: "L2: after the drain every lane is home", judge: ending::conservation },
    Oracle { name: "order", promise: "L3", judge: queues::order },
    Oracle { name: "bypass", promise: "L4", judge: queues::bypass },
    Oracle { name: "bound", promise: "L5", judge: queues::bound },
    Oracle { name: "rest", promise: "L6: no lane is free while somebody waits", judge: locks::rest },
    Oracle { name: "close", promise: "L8", judge: locks::close },
    Oracle { name: "quarantine", promise: "L9", judge: locks::quarantine },
    Oracle { name: "barging", promise: "L10", judge: queues::barging },
    Oracle { name: "patience", promise: "nobody waits longer than the policy implies", judge: queues::patience },
    Oracle { name: "one_outcome", promise: "S2", judge: service::one_outcome },
    Oracle { name: "one_story", promise: "S2: client and service tell the same", judge: service::one_story },
    Oracle {
        name: "told_last",
        promise: "S2: who hears the end finds it written and the lane home",
        judge: service::told_last,
    },
    Oracle { name: "own_text", promise: "S3", judge: text::own_text },
    Oracle { name: "leaving", promise: "S4", judge: service::leaving },
    Oracle { name: "parallel", promise: "S5: whoever has a lane is in the engine at once", judge: service::parallel },
    Oracle { name: "control_plane", promise: "S6", judge: service::control_plane },
    Oracle { name: "containment", promise: "S7", judge: service::containment },
    Oracle { name: "drain", promise: "S8", judge: ending::drain },
    Oracle { name: "bounds", promise: "S9", judge: service::bounds },
    Oracle {
        name: "keeping",
        promise: "a model is let go when it is told to or idle, under nobody, and comes back for who waits",
        judge: keeping::keeping,
    },
    Oracle {
        name: "faltering",
        promise: "who waits for a load that fails is told at once, and it is tried again, neither late nor early",
        judge: faltering::faltering,
    },
    Oracle { name: "counters", promise: "counters equal the history", judge: counting::counters },
    Oracle { name: "views", promise: "what is shown is what is", judge: counting::views },
    Oracle { name: "nothing_left", promise: "after the end no task is left", judge: ending::nothing_left },
];

/// What the oracles object to, the earliest first.
pub fn judge(history: &History) -> Vec<Objection> {
    let facts = Facts::of(history);
    let judged = ORACLES.iter().filter_map(|oracle| {
        let objection = (oracle.judge)(&facts).err()?;
        Some(Objection { oracle: oracle.name, ..objection })
    });
    let mut objections: Vec<Objection> = judged.collect();
    objections.sort_by_key(|objection| objection.at);
    objections
}

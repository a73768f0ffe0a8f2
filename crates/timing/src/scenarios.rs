//! What is played: who asks for what, and when somebody leaves. Times are in units of one answer alone.

use serving::Class;

use crate::world::{ALIAS, MODELS, SAME_FILE};

/// One request.
#[derive(Debug)]
pub(crate) struct Part {
    /// The name that is asked for.
    pub(crate) model: &'static str,
    pub(crate) class: Class,
    /// When it asks.
    pub(crate) at: f64,
    /// When its client leaves; `None` stays to the end.
    pub(crate) leaves: Option<f64>,
}

/// What is measured, divided by the time of one answer alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// From the first request to the last answer.
    Total,
    /// The wait of the last request in the list.
    WaitOfTheLast,
}

/// One scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What it shows, as a sentence.
    pub(crate) claim: &'static str,
    pub(crate) parts: &'static [Part],
    pub(crate) measure: Measure,
    /// What the ratio has to be, and why these bounds.
    pub(crate) ideal: f64,
    pub(crate) at_least: f64,
    pub(crate) at_most: f64,
    pub(crate) reason: &'static str,
    /// The requests by number, from 0, in the order in which they must get their lanes; empty: any order.
    pub(crate) order: &'static [usize],
    /// Whether the models run beside each other, each on a core of its own if there is one.
    pub(crate) is_parallel: bool,
}

const fn part(model: &'static str) -> Part {
    Part { model, class: Class::Normal, at: 0.0, leaves: None }
}

/// In the order of the picture.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "serial",
        claim: "One model: one request at a time, in order",
        parts: &[part(MODELS[0]), part(MODELS[0]), part(MODELS[0])],
        measure: Measure::Total,
        ideal: 3.0,
        at_least: 2.5,
        at_most: 3.5,
        reason: "two at a time would make it 2, a pause as long as an answer 4",
        order: &[0, 1, 2],
        is_parallel: false,
    },
    Scenario {
        name: "parallel",
        claim: "Three models: at the same time",
        parts: &[part(MODELS[0]), part(MODELS[1]), part(MODELS[2])],
        measure: Measure::Total,
        ideal: 1.0,
        at_least: 0.5,
        at_most: 1.5,
        reason: "a single pair that waits for each other would make it 2",
        order: &[],
        is_parallel: true,
    },
    Scenario {
        name: "aliases",
        claim: "One model under three names: still one at a time",
        parts: &[part(MODELS[0]), part(ALIAS), part(SAME_FILE)],
        measure: Measure::Total,
        ideal: 3.0,
        at_least: 2.5,
        at_most: 3.5,
        reason: "a name with a lock of its own would make it 2",
        order: &[0, 1, 2],
        is_parallel: false,
    },
    Scenario {
        name: "background",
        claim: "Background work lets a person pass",
        parts: &[
            Part { class: Class::Background, ..part(MODELS[0]) },
            Part { class: Class::Background, ..part(MODELS[0]) },
            Part { class: Class::Background, ..part(MODELS[0]) },
            Part { class: Class::Interactive, at: 0.5, ..part(MODELS[0]) },
        ],
        measure: Measure::WaitOfTheLast,
        ideal: 0.5,
        at_least: 0.0,
        at_most: 1.0,
        reason: "behind one more of those that waited before it would make it 1.5",
        order: &[0, 3, 1, 2],
        is_parallel: false,
    },
    Scenario {
        name: "leaving",
        claim: "Who leaves, running or waiting, frees the place at once",
        parts: &[
            Part { leaves: Some(0.5), ..part(MODELS[0]) },
            Part { leaves: Some(0.25), ..part(MODELS[0]) },
            part(MODELS[0]),
        ],
        measure: Measure::WaitOfTheLast,
        ideal: 0.5,
        at_least: 0.25,
        at_most: 0.75,
        reason: "work that goes on for the first would make it 1, for the second 1.5",
        order: &[],
        is_parallel: false,
    },
];

//! From the texts of one call and the rules to the vectors or scores that are given. Plain data, as in [`choice`](super::choice).

use std::collections::BTreeMap;
use std::time::Duration;

use super::choice::{matching, objection};
use super::{Ask, Rules};
use crate::{Fault, Wire};

/// What the rules say to the texts of one call.
#[derive(Debug)]
pub(crate) struct Vectors {
    /// The rule that matched the first of those that one matched.
    pub(crate) rule: Option<String>,
    /// One for each text, or why there can be none.
    pub(crate) planned: Result<Vec<PlannedVector>, String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) wires: Vec<Wire>,
}

/// One text's vector or score, as far as a rule decides about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PlannedVector {
    /// `None` where it is made of the text.
    pub(crate) values: Option<Vec<f32>>,
    /// How long it takes, instead of the model's time per token.
    pub(crate) time: Option<Duration>,
    /// What the text counts as, instead of its tokens.
    pub(crate) tokens: Option<u32>,
}

/// Chooses for each of these, which are the texts of one call. `matched` counts as for answers.
pub(crate) fn vectors(rules: &Rules, matched: &mut BTreeMap<usize, u64>, asks: &[Ask<'_>]) -> Vectors {
    let mut chosen = Vectors { rule: None, planned: Ok(Vec::new()), faults: Vec::new(), wires: Vec::new() };
    // Scripts that say nothing of embeddings, or of scores, are not meant to forbid them.
    let speaks_of = |wants| rules.rules.iter().any(|rule| rule.when.wants() == wants);
    let is_strict = rules.strict && asks.first().is_some_and(|ask| speaks_of(ask.wants));
    let mut planned = Vec::with_capacity(asks.len());
    for ask in asks {
        match matching(rules, matched, ask) {
            Some((index, rule, n)) => {
                let reply = rule.reply_at(n).cloned().unwrap_or_default();
                let (faults, wires) = reply.fault.faults();
                chosen.faults.extend(faults);
                chosen.wires.extend(wires);
                chosen.rule.get_or_insert_with(|| rule.name.clone().unwrap_or_else(|| rule.title(index)));
                planned.push(PlannedVector {
                    values: reply.score.map(|score| vec![score]).or(Some(reply.embedding)).filter(|v| !v.is_empty()),
                    time: reply.prefill.map(|time| time.0),
                    tokens: reply.usage.prompt_tokens,
                });
            }
            None if is_strict => {
                chosen.planned = Err(objection(rules, matched, ask));
                return chosen;
            }
            None => planned.push(PlannedVector::default()),
        }
    }
    chosen.planned = Ok(planned);
    chosen
}

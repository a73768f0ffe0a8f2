//! Was it as promised?
//!
//! Two kinds of judgement. What the service wrote down about its holds is exact, whatever the machine does meanwhile: that
//! no two holds of one model overlap, in which order they came, that holds of different models did overlap. These must
//! hold in every repetition, for both engines. Ratios of times are what a client feels; they move with the machine. Their
//! bounds lie halfway to the next wrong value, and the median of the repetitions is held to them.
//!
//! A mock waits for timers, so its ratios are clean on any machine. The demo models compute: three at the same time on two
//! cores take half as long again as one alone, and everything takes longer when others want the cores. So their ratios are
//! only judged where the answers alone took about the same time in every repetition, and that of models beside each other
//! only where there is a core for each and one to spare. What is exact is judged always.

use std::num::NonZero;

use crate::play::{Bar, Played};
use crate::scenarios::Scenario;
use crate::world::{Engine, MODELS};

/// One scenario on one engine.
pub(crate) struct Result {
    pub(crate) engine: Engine,
    pub(crate) scenario: &'static Scenario,
    pub(crate) plays: Vec<Played>,
    /// Why the ratio does not count here; `None` where it does.
    pub(crate) unjudged: Option<&'static str>,
    /// What was not as promised; empty where all was.
    pub(crate) complaints: Vec<String>,
}

/// Judges the repetitions of one scenario.
pub(crate) fn judge(engine: Engine, scenario: &'static Scenario, plays: Vec<Played>) -> Result {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let unjudged = match engine {
        Engine::Mock => None,
        Engine::Demo if scenario.is_parallel && cores <= MODELS.len() => Some("few cores"),
        Engine::Demo => (!is_steady(&plays)).then_some("busy machine"),
    };
    let mut result = Result { engine, scenario, plays, unjudged, complaints: Vec::new() };
    let ratio = result.median();
    if unjudged.is_none() && !(scenario.at_least..=scenario.at_most).contains(&ratio) {
        result.complaints.push(format!(
            "the ratio is {ratio:.2} and not between {} and {}: {}",
            scenario.at_least, scenario.at_most, scenario.reason
        ));
    }
    let exact = result.plays.iter().zip(1..).flat_map(|(played, repetition)| {
        let complaints = complaints(scenario, &played.bars).into_iter();
        complaints.map(move |complaint| format!("repetition {repetition}: {complaint}"))
    });
    let exact = exact.collect::<Vec<_>>();
    result.complaints.extend(exact);
    result
}

/// Whether the machine did the same work in about the same time whenever it was asked to.
fn is_steady(plays: &[Played]) -> bool {
    let alone = || plays.iter().map(|played| played.alone);
    alone().fold(0.0, f64::max) <= 1.5 * alone().fold(f64::INFINITY, f64::min)
}

/// What can be said without any tolerance.
fn complaints(scenario: &Scenario, bars: &[Bar]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut held = bars.iter().enumerate().filter_map(|(at, bar)| Some((at, bar, bar.held?))).collect::<Vec<_>>();
    held.sort_by(|(.., (one, _)), (.., (other, _))| one.total_cmp(other));
    for (at, (one, bar, (from, to))) in held.iter().enumerate() {
        for (other, bar_other, (from_other, to_other)) in &held[at + 1..] {
            let overlap = from < to_other && from_other < to;
            if bar.model == bar_other.model && overlap {
                complaints.push(format!("requests {} and {} were in {} together", one + 1, other + 1, bar.model));
            }
            if scenario.is_parallel && !overlap {
                complaints.push(format!("requests {} and {} did not run at the same time", one + 1, other + 1));
            }
        }
    }
    let order = held.iter().map(|(at, ..)| *at).collect::<Vec<_>>();
    if !scenario.order.is_empty() && order != scenario.order {
        complaints.push(format!("the order was {order:?} and not {:?}", scenario.order));
    }
    complaints
}

impl Result {
    /// The ratios, smallest first.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let mut ratios = self.plays.iter().map(|played| played.ratio).collect::<Vec<_>>();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    pub(crate) fn median(&self) -> f64 {
        let ratios = self.ratios();
        ratios.get(ratios.len() / 2).copied().unwrap_or(0.0)
    }

    /// The repetition that is drawn: the one whose ratio is the median.
    pub(crate) fn typical(&self) -> Option<&Played> {
        let median = self.median();
        self.plays.iter().find(|played| played.ratio == median)
    }
}

#[cfg(test)]
mod tests {
    use serving::Class;

    use super::*;
    use crate::scenarios::SCENARIOS;

    fn bar(model: &str, from: f64, to: f64) -> Bar {
        Bar { asked: "x", model: model.into(), class: Class::Normal, arrived: 0.0, held: Some((from, to)), left: None }
    }

    fn played(bars: Vec<Bar>, ratio: f64) -> Played {
        Played { bars, alone: 1.0, ratio }
    }

    fn serial(bars: Vec<Bar>, ratio: f64) -> Vec<String> {
        judge(Engine::Mock, &SCENARIOS[0], vec![played(bars, ratio)]).complaints
    }

    #[test]
    fn one_after_the_other_is_as_promised() {
        let bars = vec![bar("m", 0.0, 1.0), bar("m", 1.0, 2.0), bar("m", 2.0, 3.0)];
        assert_eq!(serial(bars, 3.0), Vec::<String>::new());
    }

    /// The judge must be able to object.
    /// Method: a play for each way in which it can go wrong.
    #[test]
    fn the_judge_objects_to_what_was_not_promised() {
        let apart = || vec![bar("m", 0.0, 1.0), bar("m", 1.0, 2.0), bar("m", 2.0, 3.0)];
        assert!(serial(apart(), 2.0)[0].starts_with("the ratio is 2.00"));
        assert!(serial(apart(), 4.0)[0].starts_with("the ratio is 4.00"));
        let together = vec![bar("m", 0.0, 1.1), bar("m", 1.0, 2.0), bar("m", 2.0, 3.0)];
        assert_eq!(serial(together, 3.0), ["repetition 1: requests 1 and 2 were in m together"]);
        let overtaken = vec![bar("m", 0.0, 1.0), bar("m", 2.0, 3.0), bar("m", 1.0, 2.0)];
        assert_eq!(serial(overtaken, 3.0), ["repetition 1: the order was [0, 2, 1] and not [0, 1, 2]"]);
        let bars = vec![bar("a", 0.0, 1.0), bar("b", 0.0, 1.0), bar("c", 1.0, 2.0)];
        let parallel = judge(Engine::Demo, &SCENARIOS[1], vec![played(bars, 1.0)]).complaints;
        assert_eq!(parallel.len(), 2, "{parallel:?}");
    }

    /// Ratios of work that is computed are worth nothing on a machine that does something else meanwhile.
    #[test]
    fn a_busy_machine_is_no_reason_to_object_to_a_ratio_and_none_not_to_object_to_an_overlap() {
        let bars = |first| vec![bar("m", 0.0, first), bar("m", 1.0, 2.0), bar("m", 2.0, 3.0)];
        let judged = |alone, first| {
            let plays = vec![played(bars(first), 9.0), Played { alone, ..played(bars(first), 9.0) }];
            judge(Engine::Demo, &SCENARIOS[0], plays)
        };
        assert_eq!(judged(2.0, 1.0).complaints, Vec::<String>::new());
        assert_eq!(judged(2.0, 1.0).unjudged, Some("busy machine"));
        assert_eq!(judged(1.4, 1.0).complaints.len(), 1);
        assert_eq!(judged(2.0, 1.1).complaints.len(), 2);
    }

    #[test]
    fn the_median_is_judged_and_drawn() {
        let plays = [9.0, 3.0, 2.9]
            .map(|ratio| played(vec![bar("m", 0.0, 1.0), bar("m", 1.0, 2.0), bar("m", 2.0, 3.0)], ratio));
        let result = judge(Engine::Mock, &SCENARIOS[0], plays.into());
        assert_eq!((result.complaints.len(), result.median()), (0, 3.0));
        assert_eq!(result.typical().map(|played| played.ratio), Some(3.0));
    }
}

//! Histories in which something is wrong with requests, or with the end.

use std::time::Duration;

use backend_mock::{Leave, What as Engine};
use serving::{Ended, Outcome};

use super::{change, outcome, place, refused_by};
use crate::history::{Head, What};

#[test]
fn a_second_outcome_and_none_at_all() {
    refused_by("one_outcome", |entries| {
        let at = place(entries, |what| matches!(what, What::Outcome(_)))?;
        entries.insert(at, entries[at].clone());
        Some(())
    });
    refused_by("one_outcome", |entries| {
        let at = place(entries, |what| matches!(what, What::Outcome(_)))?;
        entries.remove(at);
        Some(())
    });
}

#[test]
fn a_client_that_hears_no_end_and_one_that_hears_two() {
    let done = |what: &What| matches!(what, What::Done(..));
    refused_by("one_outcome", |entries| {
        let at = place(entries, done)?;
        entries.remove(at);
        Some(())
    });
    refused_by("one_outcome", |entries| {
        let at = place(entries, done)?;
        entries.insert(at, entries[at].clone());
        Some(())
    });
}

#[test]
fn a_failure_that_its_client_takes_for_a_success() {
    refused_by("one_story", |entries| {
        let finished = |outcome: &Outcome| matches!(outcome.ended, Ended::Finished(_));
        outcome(entries, finished, |outcome| outcome.ended = Ended::Failed)
    });
}

#[test]
fn a_client_that_reads_and_is_cut_off() {
    refused_by("one_story", |entries| {
        change(entries, |what| match what {
            What::Done(id, _, Some(_)) => {
                *what = What::Cut(id.clone(), "the connection was closed".to_owned());
                Some(())
            }
            _ => None,
        })
    });
}

#[test]
fn an_end_that_is_told_before_it_is_written() {
    refused_by("told_last", |entries| {
        let at = place(
            entries,
            |what| matches!(what, What::Outcome(outcome) if matches!(outcome.ended, Ended::Finished(_))),
        )?;
        let What::Outcome(outcome) = &entries[at].what else { return None };
        let id = outcome.request_id.clone();
        let done = place(entries, |what| matches!(what, What::Done(of, ..) if *of == id))?;
        let late = entries.remove(at);
        entries.insert(done, late);
        Some(())
    });
}

#[test]
fn a_letter_of_somebody_elses_answer() {
    refused_by("own_text", |entries| {
        change(entries, |what| match what {
            What::Piece(_, text) => {
                text.insert(0, 'ß');
                Some(())
            }
            _ => None,
        })
    });
}

#[test]
fn a_piece_that_is_missing() {
    refused_by("own_text", |entries| {
        let at = place(entries, |what| matches!(what, What::Piece(..)))?;
        entries.remove(at);
        Some(())
    });
}

#[test]
fn a_client_that_left_and_still_holds_its_place() {
    refused_by("leaving", |entries| {
        let at = place(entries, |what| matches!(what, What::Left(_)))?;
        let What::Left(id) = entries[at].what.clone() else { return None };
        place(entries, |what| matches!(what, What::Outcome(outcome) if outcome.request_id == id))?;
        let early = entries[at].at.checked_sub(Duration::from_secs(40));
        // As if it had left long before, when it was as good as new.
        entries[at].at = early.unwrap_or_default();
        let sent = place(entries, |what| matches!(what, What::Sent(of, _) if *of == id))?;
        let left = entries.remove(at);
        entries.insert(sent + 1, left);
        let late = place(entries, |what| matches!(what, What::Outcome(outcome) if outcome.request_id == id))?;
        (entries[late].at > entries[sent + 1].at + Duration::from_secs(10)).then_some(())
    });
}

#[test]
fn a_lane_that_waits_for_somebody_elses() {
    refused_by("parallel", |entries| {
        let held = |outcome: &Outcome| outcome.granted.is_some_and(|at| at > Duration::from_secs(1));
        outcome(entries, held, |outcome| outcome.granted = outcome.granted.map(|at| at - Duration::from_millis(5)))
    });
}

#[test]
fn a_hold_that_is_over_before_the_engine_has_stopped() {
    refused_by("parallel", |entries| {
        let at = place(entries, |what| matches!(what, What::Engine(Engine::Leave { how: Leave::Finished(_), .. })))?;
        let next = at + place(&entries[at..], |what| matches!(what, What::Outcome(_)))?;
        entries.swap(at, next);
        Some(())
    });
}

#[test]
fn a_control_plane_that_waits() {
    refused_by("control_plane", |entries| {
        change(entries, |what| match what {
            What::Look(_, _, took) => {
                *took = Duration::from_millis(1);
                Some(())
            }
            _ => None,
        })
    });
}

#[test]
fn a_failure_that_spreads() {
    refused_by("containment", |entries| {
        let finished = |outcome: &Outcome| matches!(outcome.ended, Ended::Finished(_));
        outcome(entries, finished, |outcome| outcome.ended = Ended::Failed)
    });
    refused_by("containment", |entries| {
        change(entries, |what| match what {
            What::Engine(Engine::Leave { how: how @ Leave::Finished(_), .. }) => {
                *how = Leave::Failed;
                Some(())
            }
            _ => None,
        })
    });
}

#[test]
fn a_drain_that_ends_somebody_too_early() {
    refused_by("drain", |entries| outcome(entries, |_| true, |outcome| outcome.ended = Ended::ShutDown));
}

#[test]
fn a_drain_that_lasts() {
    refused_by("drain", |entries| {
        let at = place(entries, |what| matches!(what, What::DrainOver))?;
        entries[at].at += Duration::from_secs(60);
        Some(())
    });
}

#[test]
fn a_wait_beyond_its_bound() {
    refused_by("bounds", |entries| {
        outcome(entries, |outcome| outcome.granted.is_none(), |outcome| outcome.ended_at += Duration::from_secs(60))
    });
}

#[test]
fn a_refusal_that_does_not_say_when_to_come_back() {
    refused_by("bounds", |entries| {
        change(entries, |what| match what {
            What::Head(_, Head { status: 429, retry_after, .. }) => retry_after.take(),
            _ => None,
        })
    });
}

#[test]
fn tokens_that_are_counted_twice() {
    refused_by("counters", |entries| outcome(entries, |outcome| outcome.tokens > 0, |outcome| outcome.tokens *= 2));
}

#[test]
fn a_view_that_shows_what_is_not() {
    refused_by("views", |entries| {
        change(entries, |what| match what {
            What::View(models) => models.first_mut().map(|model| model.granted_total += 1),
            _ => None,
        })
    });
}

#[test]
fn a_task_that_is_left_and_a_world_without_an_end() {
    refused_by("nothing_left", |entries| {
        change(entries, |what| match what {
            What::Over(tasks) => {
                *tasks += 1;
                Some(())
            }
            _ => None,
        })
    });
    refused_by("nothing_left", |entries| entries.pop().map(|_| ()));
}

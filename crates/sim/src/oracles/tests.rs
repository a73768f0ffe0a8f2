//! Each oracle is shown a history in which its promise is broken, and must object; and the sound one, and must not.

use std::sync::OnceLock;
use std::time::Duration;

use backend_mock::{Leave, What as Engine};
use model_locks::AcquireError;
use serving::{Ended, LockEvent, Outcome};

use super::{ORACLES, judge};
use crate::draw::draw;
use crate::history::{Entry, Head, History, What};
use crate::play::play;

/// Seeds are tried in order until one has what a doctor needs.
fn histories() -> &'static [History] {
    static HISTORIES: OnceLock<Vec<History>> = OnceLock::new();
    HISTORIES.get_or_init(|| {
        crate::history::catch_panics();
        (1..=60).map(|seed| play(&draw(seed))).collect()
    })
}

/// Doctors the first history that can be, and tells who objects.
fn objectors(doctor: impl Fn(&mut Vec<Entry>) -> Option<()>) -> Vec<&'static str> {
    for history in histories() {
        let mut doctored = history.clone();
        if doctor(&mut doctored.entries).is_some() {
            return judge(&doctored).iter().map(|objection| objection.oracle).collect();
        }
    }
    panic!("no history has what it takes");
}

#[track_caller]
fn refused_by(oracle: &str, doctor: impl Fn(&mut Vec<Entry>) -> Option<()>) {
    assert!(ORACLES.iter().any(|known| known.name == oracle), "there is no oracle {oracle}");
    let found = objectors(doctor);
    assert!(found.contains(&oracle), "{oracle} does not object, only {found:?}");
}

fn place(entries: &[Entry], is: impl Fn(&What) -> bool) -> Option<usize> {
    entries.iter().position(|entry| is(&entry.what))
}

fn change<T>(entries: &mut [Entry], mut what: impl FnMut(&mut What) -> Option<T>) -> Option<()> {
    entries.iter_mut().find_map(|entry| what(&mut entry.what)).map(|_| ())
}

fn outcome(entries: &mut [Entry], is: impl Fn(&Outcome) -> bool, edit: impl Fn(&mut Outcome)) -> Option<()> {
    change(entries, |what| match what {
        What::Outcome(outcome) if is(outcome) => {
            edit(outcome);
            Some(())
        }
        _ => None,
    })
}

#[test]
fn nobody_objects_to_what_has_happened() {
    for history in histories() {
        let objections = judge(history);
        assert!(objections.is_empty(), "{objections:#?}");
    }
}

#[test]
fn a_panic_that_no_script_has() {
    refused_by("calm", |entries| {
        entries.insert(0, Entry { at: Duration::ZERO, what: What::Panic("index out of bounds".to_owned()) });
        Some(())
    });
}

#[test]
fn an_engine_that_is_entered_twice() {
    refused_by("exclusion", |entries| {
        let at = place(entries, |what| matches!(what, What::Engine(Engine::Enter { .. })))?;
        let What::Engine(Engine::Enter { visit, .. }) = entries[at].what.clone() else { return None };
        entries[at].what = What::Engine(Engine::Overlap { inside: visit.clone(), visit });
        Some(())
    });
}

#[test]
fn a_lane_that_is_lent_twice() {
    refused_by("exclusion", |entries| {
        let released = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Released { .. })))?;
        let What::Lock(model, _) = entries[released].what.clone() else { return None };
        let is_grant = |what: &What| matches!(what, What::Lock(of, LockEvent::Granted { .. }) if *of == model);
        place(&entries[released..], is_grant)?;
        entries.remove(released);
        Some(())
    });
}

#[test]
fn a_lane_that_is_lost() {
    refused_by("conservation", |entries| {
        let begun = place(entries, |what| matches!(what, What::DrainOver))?;
        change(&mut entries[begun..], |what| match what {
            What::View(models) => models.iter_mut().find_map(|model| model.lanes.pop()),
            _ => None,
        })
    });
}

/// Method: two who wait in one class change places.
#[test]
fn a_waiter_that_is_overtaken() {
    refused_by("order", |entries| {
        for at in 0..entries.len() {
            let What::Lock(model, LockEvent::Enqueued { ask, .. }) = entries[at].what.clone() else { continue };
            let next = entries[at + 1..].iter().take_while(|entry| {
                !matches!(&entry.what, What::Lock(of, LockEvent::Granted { .. } | LockEvent::Left { .. }) if *of == model)
            });
            let mut next = next.enumerate().filter_map(|(n, entry)| match &entry.what {
                What::Lock(of, LockEvent::Enqueued { ask: other, .. }) if *of == model && other.class == ask.class => {
                    Some((at + 1 + n, *other))
                }
                _ => None,
            });
            let Some((other_at, other)) = next.next() else { continue };
            let is_granted = |tag| {
                place(
                    entries,
                    |what| matches!(what, What::Lock(_, LockEvent::Granted { grant, .. }) if grant.ask.tag == tag),
                )
            };
            if is_granted(ask.tag).is_none() || is_granted(other.tag).is_none() {
                continue;
            }
            for (place, ask) in [(at, other), (other_at, ask)] {
                if let What::Lock(_, LockEvent::Enqueued { ask: there, .. }) = &mut entries[place].what {
                    *there = ask;
                }
            }
            return Some(());
        }
        None
    });
}

/// Grants of somebody of the highest class, over and over, at this place.
fn many_grants(entries: &mut Vec<Entry>, at: usize, model: &str, times: u64) -> Option<()> {
    let grant = entries.iter().find_map(|entry| match &entry.what {
        What::Lock(_, LockEvent::Granted { grant, .. }) if grant.ask.class.index() == 0 => Some(*grant),
        _ => None,
    })?;
    for n in 0..times {
        let mut grant = grant;
        grant.ask.tag = 1_000_000 + n;
        let (time, model) = (entries[at].at, model.to_owned());
        let granted = LockEvent::Granted { grant, waiting: 1 };
        entries.insert(at + 1, Entry { at: time, what: What::Lock(model.clone(), LockEvent::Released { grant }) });
        entries.insert(at + 1, Entry { at: time, what: What::Lock(model, granted) });
    }
    Some(())
}

fn starved(entries: &mut Vec<Entry>, times: u64) -> Option<()> {
    let is_low = |what: &What| matches!(what, What::Lock(_, LockEvent::Enqueued { ask, .. }) if ask.class.index() == 1);
    let at = place(entries, is_low)?;
    let What::Lock(model, _) = entries[at].what.clone() else { return None };
    many_grants(entries, at, &model, times)
}

#[test]
fn a_class_that_is_passed_over_once_too_often() {
    refused_by("bypass", |entries| starved(entries, 5));
}

#[test]
fn a_waiter_that_sees_more_grants_than_the_policy_allows() {
    refused_by("patience", |entries| starved(entries, 1_000));
}

#[test]
fn one_too_many_who_waits() {
    refused_by("bound", |entries| {
        let at = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Enqueued { .. })))?;
        for n in 0..65 {
            let mut again = entries[at].clone();
            if let What::Lock(_, LockEvent::Enqueued { ask, waiting }) = &mut again.what {
                ask.tag = 1_000_000 + n;
                *waiting += 1 + n as usize;
            }
            entries.insert(at + 1 + n as usize, again);
        }
        Some(())
    });
}

#[test]
fn a_refusal_for_want_of_room_while_there_is_room() {
    refused_by("bound", |entries| {
        let at = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Enqueued { .. })))?;
        let What::Lock(model, LockEvent::Enqueued { ask, waiting }) = entries[at].what.clone() else { return None };
        let error = AcquireError::QueueFull { waiting: 0, limit: 0 };
        entries[at].what = What::Lock(model, LockEvent::Refused { ask, error, waiting });
        Some(())
    });
}

#[test]
fn a_free_lane_beside_somebody_who_waits() {
    refused_by("rest", |entries| {
        // A grant to somebody who waited never came.
        let waited = |what: &What| matches!(what, What::Lock(_, LockEvent::Enqueued { .. }));
        let at = place(entries, waited)?;
        let What::Lock(model, LockEvent::Enqueued { .. }) = entries[at].what.clone() else { return None };
        let is_release = |what: &What| matches!(what, What::Lock(of, LockEvent::Released { .. }) if *of == model);
        let released = at + place(&entries[at..], is_release)?;
        let is_grant = |what: &What| matches!(what, What::Lock(of, LockEvent::Granted { .. }) if *of == model);
        let granted = released + place(&entries[released..], is_grant)?;
        (entries[granted].at == entries[released].at).then_some(())?;
        entries.remove(granted);
        Some(())
    });
}

#[test]
fn a_grant_after_the_close() {
    refused_by("close", |entries| {
        let grant = place(entries, |what| matches!(what, What::Lock(_, LockEvent::Granted { .. })))?;
        let over = place(entries, |what| matches!(what, What::DrainOver))?;
        let late = Entry { at: entries[over].at, what: entries[grant].what.clone() };
        entries.insert(over + 1, late);
        Some(())
    });
}

#[test]
fn a_broken_lane_that_is_lent_as_it_is() {
    refused_by("quarantine", |entries| {
        let reset = place(entries, |what| matches!(what, What::Engine(Engine::Reset { rebuilt: true, .. })))?;
        let What::Engine(Engine::Reset { visit, .. }) = entries[reset].what.clone() else { return None };
        let again = |what: &What| {
            matches!(what, What::Engine(Engine::Enter { visit: other, .. })
                if (&other.model, other.lane) == (&visit.model, visit.lane))
        };
        place(&entries[reset..], again)?;
        entries.remove(reset);
        Some(())
    });
}

#[test]
fn somebody_who_overtakes_without_waiting() {
    refused_by("barging", |entries| starved(entries, 1));
}

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

//! Each fault is found by the check that is named for it, and blamed on no other.

use broken_server::{Fault, Make};
use check::{CHECKS, Verdict};

use crate::support::{named, report, target, with};

#[tokio::test(start_paused = true)]
async fn a_sound_server_passes_every_check() {
    let report = report(Make::default()).await;
    assert_eq!(report.count(Verdict::Pass), CHECKS.len(), "{}", report.to_text());
}

/// The right check fails, and no other one.
async fn blamed(fault: Fault, check: &str) {
    let report = report(with(fault)).await;
    assert_eq!(named(&report, Verdict::Fail), [check], "{fault:?}\n{}", report.to_text());
}

#[tokio::test(start_paused = true)]
async fn words_that_go_to_the_wrong_client_are_found() {
    blamed(Fault::Crossed, "crossed").await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_swapped_are_found() {
    blamed(Fault::Swapped, "crossed").await;
}

#[tokio::test(start_paused = true)]
async fn a_second_request_that_cuts_the_first_is_found() {
    blamed(Fault::Cut, "cut").await;
}

#[tokio::test(start_paused = true)]
async fn a_leaver_that_takes_the_running_one_with_it_is_found() {
    blamed(Fault::WrongCancel, "leaver").await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_without_a_lock_is_found() {
    blamed(Fault::NoLock, "load").await;
}

#[tokio::test(start_paused = true)]
async fn work_that_goes_on_for_nobody_is_found() {
    blamed(Fault::GoesOn, "cancelled").await;
}

#[tokio::test(start_paused = true)]
async fn a_health_that_waits_for_the_model_is_found() {
    blamed(Fault::Starved, "health").await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_a_bound_is_found() {
    blamed(Fault::Unbounded, "bound").await;
}

/// A model that cannot echo: only whole answers are known again, and solo answers are what is compared.
#[tokio::test(start_paused = true)]
async fn without_an_echo_a_sound_server_still_passes() {
    let report = report(Make { echoes: false, ..Make::default() }).await;
    assert!(!report.facts.echoes);
    assert_eq!(report.count(Verdict::Pass), CHECKS.len(), "{}", report.to_text());
    assert!(report.findings[0].evidence.contains("does not echo"), "{}", report.to_text());
}

#[tokio::test(start_paused = true)]
async fn without_an_echo_swapped_answers_are_found_by_comparison() {
    let report = report(Make { echoes: false, ..with(Fault::Swapped) }).await;
    assert!(named(&report, Verdict::Fail).contains(&"crossed"), "{}", report.to_text());
}

/// Words that leak in part are not known again without an echo. The answers are other ones all the same.
#[tokio::test(start_paused = true)]
async fn without_an_echo_leaked_words_show_as_other_answers() {
    let report = report(Make { echoes: false, ..with(Fault::Crossed) }).await;
    assert_eq!(named(&report, Verdict::Fail), ["load"], "{}", report.to_text());
}

/// Several places: nobody waits behind one long answer, but behind as many as there are places.
#[tokio::test(start_paused = true)]
async fn a_server_with_several_places_is_judged_by_filling_them() {
    let sound = report(Make { places: 4, ..Make::default() }).await;
    assert_eq!(named(&sound, Verdict::Fail), Vec::<&str>::new(), "{}", sound.to_text());
    assert!(named(&sound, Verdict::Pass).contains(&"cancelled"), "{}", sound.to_text());
    let broken = report(Make { places: 4, ..with(Fault::GoesOn) }).await;
    assert_eq!(named(&broken, Verdict::Fail), ["cancelled"], "{}", broken.to_text());
}

/// A bound that is stated is held to its number.
#[tokio::test(start_paused = true)]
async fn a_bound_that_is_claimed_is_counted() {
    for (claimed, verdict) in [(16, Verdict::Pass), (15, Verdict::Fail)] {
        let options = check::Options { queue_max: Some(claimed), only: vec!["bound".into()], ..Default::default() };
        let report =
            check::run(&target(Make::default(), None), &options, &check::Silent).await.expect("it can be judged");
        assert_eq!(report.count(verdict), 1, "{claimed}: {}", report.to_text());
    }
}

//! The report in its forms: lines, JSON, JUnit.

use broken_server::{Fault, Make};
use check::{CHECKS, Verdict};

use crate::support::{report, with};

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_report() {
    let (one, two) = (report(with(Fault::Crossed)).await, report(with(Fault::Crossed)).await);
    assert_eq!(one.to_text(), two.to_text());
    assert_eq!(one.to_json(), two.to_json());
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_is_bad_and_an_inconclusive_one_only_if_that_is_asked_for() {
    let sound = report(Make::default()).await;
    assert!(!sound.is_bad(false) && !sound.is_bad(true), "{}", sound.to_text());
    let broken = report(with(Fault::Cut)).await;
    assert!(broken.is_bad(false) && broken.is_bad(true));
    let many = report(Make { places: 64, queue_max: 1000, ..Make::default() }).await;
    assert!(many.count(Verdict::Inconclusive) > 0, "{}", many.to_text());
    assert!(!many.is_bad(false) && many.is_bad(true), "{}", many.to_text());
}

#[tokio::test(start_paused = true)]
async fn json_has_a_finding_for_each_check_and_says_what_it_cannot_show() {
    let json = report(with(Fault::Starved)).await.to_json();
    assert_eq!((&json["version"], &json["verdict"]), (&1.into(), &"fail".into()));
    assert_eq!(json["server"]["model"], "parrot");
    assert_eq!(json["server"]["echoes"], true);
    let checks = json["checks"].as_array().expect("a list");
    assert_eq!(checks.len(), CHECKS.len());
    let health = checks.iter().find(|check| check["check"] == "health").expect("it ran");
    assert_eq!(health["verdict"], "fail");
    assert!(health["cannot_show"].as_str().is_some_and(|text| !text.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn junit_counts_the_failures_and_gives_their_reason() {
    let xml = report(with(Fault::Crossed)).await.to_junit();
    assert!(
        xml.contains(r#"<testsuites name="edison check http://parrot" tests="7" skipped="1" failures="1""#),
        "{xml}"
    );
    assert!(xml.contains(r#"<testcase name="crossed" classname="edison.check""#), "{xml}");
    assert!(xml.contains("<failure message=\"fail: 2"), "{xml}");
    assert!(xml.contains("<skipped message=\"inconclusive: "), "{xml}");
}

/// Of a server that fails nothing, only the first lines of what was seen are shown, and how much more there is.
#[tokio::test(start_paused = true)]
async fn people_see_a_few_of_many_details() {
    let text = report(with(Fault::Swapped)).await.to_text();
    assert!(text.contains("and 21 more\n"), "{text}");
    assert!(text.ends_with("failed, 1 inconclusive\n") || text.contains("1 failed"), "{text}");
}

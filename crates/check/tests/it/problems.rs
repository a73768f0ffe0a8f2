//! Servers that cannot be judged, and servers that die of it: what is said of them.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;

use broken_server::{Fault, Make};
use check::{Connect, Options, Problem, Silent, Stream, Target, Verdict, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{named, report, target, with};

async fn problem(target: &Target, options: &Options) -> Problem {
    run(target, options, &Silent).await.expect_err("it cannot be judged")
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_reachable() {
    // Bound and let go: nobody listens there.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a free port").port();
    let target = Target::at(&format!("http://127.0.0.1:{port}"), None).expect("an address");
    let problem = problem(&target, &Options::default()).await;
    assert!(matches!(problem, Problem::Unreachable { .. }), "{problem:?}");
    assert!(problem.to_string().ends_with("is the server running?"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_key_is_asked_for_and_the_right_one_works() {
    let make = Make { api_key: Some("secret".into()), ..Make::default() };
    for key in [None, Some("wrong")] {
        let problem = problem(&target(make.clone(), key), &Options::default()).await;
        assert_eq!(problem, Problem::Unauthorized { url: "http://parrot".into(), status: 401 });
    }
    let options = Options { only: vec!["health".into()], ..Options::default() };
    let report = run(&target(make, Some("secret")), &options, &Silent).await.expect("it can be judged");
    assert_eq!(named(&report, Verdict::Pass), ["health"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_told_with_those_that_exist() {
    let options = Options { model: Some("gpt".into()), ..Options::default() };
    let problem = problem(&target(Make::default(), None), &options).await;
    assert_eq!(problem.to_string(), "the server has no model \"gpt\"; it has: parrot");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_check_is_told_with_those_that_exist() {
    let options = Options { only: vec!["speed".into()], ..Options::default() };
    let problem = problem(&target(Make::default(), None), &options).await;
    assert!(problem.to_string().contains("crossed, cut, load, leaver, cancelled, health, bound"), "{problem}");
}

/// Answers every request with these bytes.
struct Says(&'static str);

impl Connect for Says {
    fn connect(&self) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + '_>> {
        let says = self.0;
        Box::pin(async move {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            tokio::spawn(async move {
                let mut request = [0; 1024];
                if theirs.read(&mut request).await.is_ok() {
                    // The client may have left.
                    let _left = theirs.write_all(says.as_bytes()).await;
                }
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_speaks_another_protocol_is_told_so() {
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>";
    let none = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"data\":[]}";
    for (says, expected) in [
        (page, "does not speak the OpenAI protocol: GET /v1/models gives <html>"),
        ("220 ESMTP ready\r\n", "does not speak the OpenAI protocol: invalid HTTP version"),
        (none, "serves no model"),
    ] {
        let target = Target::over(Arc::new(Says(says)), "h", None);
        let problem = problem(&target, &Options::default()).await.to_string();
        assert!(problem.contains(expected), "{says:?}: {problem}");
    }
}

/// The first check that makes it work for two is blamed, and nothing is said about the others.
#[tokio::test(start_paused = true)]
async fn a_server_that_dies_of_a_check_has_failed_it_and_the_rest_is_skipped() {
    let report = report(with(Fault::Crash)).await;
    assert_eq!(named(&report, Verdict::Fail), ["crossed"], "{}", report.to_text());
    assert_eq!(report.count(Verdict::Skipped), report.findings.len() - 1);
    assert!(report.findings[0].evidence.starts_with("afterwards the server did not answer"), "{}", report.to_text());
    assert!(report.findings[1].evidence.contains("since \"crossed\""), "{}", report.to_text());
}

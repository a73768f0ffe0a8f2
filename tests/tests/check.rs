//! `edison check` on the real engine: the checks that judge words, and not times, with llama.cpp and a demo model.
//!
//! `cargo xtask check` runs all of them, over TCP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use check::{Connect, Options, Silent, Stream, Target, Verdict};
use edison_tests::engine::start;
use server::{AppOptions, HttpLimits, Peer};
use serving::Service;

/// Connects by a pipe.
struct Pipe {
    service: Service,
    options: AppOptions,
}

impl Connect for Pipe {
    fn connect(&self) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + '_>> {
        let app = server::app(self.service.clone(), self.options.clone());
        let shutdown = self.options.shutdown.clone();
        Box::pin(async move {
            // Small: a client that does not read holds the engine back, and is met in the middle of its answer.
            let (ours, theirs) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                server::serve_connection(theirs, app, &HttpLimits::default(), Peer::default(), &shutdown).await;
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

/// S3, S4. Nothing crosses, nothing is cut, and every answer under load is the answer alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_engine_passes_the_checks_of_words() {
    let service = start(&["fast"]);
    service.loaded().await;
    let target = Target::over(Arc::new(Pipe { service, options: AppOptions::default() }), "edison", None);
    let only = ["crossed", "cut", "load", "leaver"].map(str::to_owned).to_vec();
    let count = only.len();
    let report = check::run(&target, &Options { only, ..Options::default() }, &Silent).await.expect("it can be judged");
    assert!(report.facts.echoes && report.facts.reproducible, "{:?}", report.facts);
    assert_eq!(report.count(Verdict::Pass), count, "{}", report.to_text());
}

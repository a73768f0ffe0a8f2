//! A server in this process, and the checker's way to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use broken_server::{BrokenServer, Fault, Make};
use check::{Connect, Options, Report, Silent, Stream, Target, Verdict};

/// Bytes under way in each direction.
const PIPE_BYTES: usize = 1 << 16;

/// Connects by a pipe.
struct Pipe(BrokenServer);

impl Connect for Pipe {
    fn connect(&self) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + '_>> {
        let server = self.0.clone();
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            tokio::spawn(async move { server.serve_connection(theirs).await });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

pub(crate) fn target(make: Make, api_key: Option<&str>) -> Target {
    Target::over(Arc::new(Pipe(BrokenServer::new(make))), "parrot", api_key.map(str::to_owned))
}

/// The report on a server that is made like this.
pub(crate) async fn report(make: Make) -> Report {
    check::run(&target(make, None), &Options::default(), &Silent).await.expect("it can be judged")
}

pub(crate) fn with(fault: Fault) -> Make {
    Make { fault, ..Make::default() }
}

/// The names of the checks with this verdict.
pub(crate) fn named(report: &Report, verdict: Verdict) -> Vec<&'static str> {
    let found = report.findings.iter().filter(|finding| finding.verdict == verdict);
    found.map(|finding| finding.check.name).collect()
}

//! `edison check` against this server: everything passes, over the same locks and queues as in production.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use backend::{ModelSource, ModelSpec};
use backend_mock::{MockBackend, MockConfig, ModelScript};
use check::{CHECKS, Connect, Options, Silent, Stream, Target, Verdict};
use server::{AppOptions, HttpLimits, Peer, RequestIds, WallClock};
use serving::{ModelConfig, Service, ServiceConfig};

/// Connects by a pipe.
struct Pipe {
    service: Service,
    options: AppOptions,
}

impl Connect for Pipe {
    fn connect(&self) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + '_>> {
        let app = server::app(self.service.clone(), self.options.clone());
        let (limits, shutdown) = (self.options.limits.clone(), self.options.shutdown.clone());
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            tokio::spawn(async move {
                server::serve_connection(theirs, app, &limits, Peer::default(), &shutdown).await;
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

async fn target(journal: &mut Option<Arc<backend_mock::Journal>>) -> Target {
    let spec = ModelSpec::new("m", ModelSource::File("m.gguf".into()));
    let script = ModelScript {
        prefill_per_token: Duration::from_micros(100),
        time_per_token: Duration::from_millis(5),
        ..ModelScript::default()
    };
    let mock = MockBackend::new(MockConfig::default().with_model("m", script));
    *journal = Some(mock.journal());
    let config = ServiceConfig { models: vec![ModelConfig::new(spec)], ..ServiceConfig::default() };
    let service = Service::start(config, Arc::new(mock)).expect("a consistent configuration");
    service.loaded().await;
    let options = AppOptions {
        limits: HttpLimits::default(),
        clock: WallClock::fixed(1_700_000_000),
        ids: RequestIds::with_prefix("check"),
        ..AppOptions::default()
    };
    Target::over(Arc::new(Pipe { service, options }), "edison", None)
}

/// Method: the default bound of the queue is claimed, so that it is counted as well; and the engine itself was never
/// entered twice.
#[tokio::test(start_paused = true)]
async fn this_server_passes_every_check() {
    let mut journal = None;
    let target = target(&mut journal).await;
    let options = Options { queue_max: Some(64), ..Options::default() };
    let report = check::run(&target, &options, &Silent).await.expect("it can be judged");
    assert!(report.facts.echoes && report.facts.reproducible, "{:?}", report.facts);
    assert_eq!(report.count(Verdict::Pass), CHECKS.len(), "{}", report.to_text());
    assert_eq!(journal.expect("it was made").overlaps().len(), 0);
}

//! The server that is asked, over a watched engine, in virtual time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use backend::{ModelSource, ModelSpec};
use backend_mock::{MockBackend, MockConfig, ModelScript, Reply};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use proptest::test_runner::{TestCaseError, TestCaseResult};
use serde_json::Value;
use server::{ApiKeys, AppOptions, HttpLimits, Peer, PictureFetch, RequestIds, Shutdown, WallClock};
use serving::{ModelConfig, Service, ServiceConfig, Tier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::elsewhere::Elsewhere;
use super::head::Raw;
use super::targets::Case;
use super::witness::{Objections, Witness};
use super::{judge, said};

/// The key of the server that has one.
pub(crate) const KEY: &str = "a-key-of-a-good-length";

/// Messages of a conversation at most: few, so that the bound is met.
pub(crate) const MESSAGES_MAX: usize = 40;

/// Bytes of a body at most.
const BODY_MAX: usize = 256 * 1024;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// An engine that looks at what it is asked.
    Watched,
    /// `edison mock`, with a rule for whoever wants JSON.
    #[cfg(feature = "mock")]
    Scripted,
}

/// A path that is asked. One server answers, until an answer is wrong.
pub(crate) struct Target {
    path: &'static str,
    engine: Engine,
    kept: RefCell<Option<World>>,
    n_taken: Cell<u64>,
    n_refused: Cell<u64>,
}

struct World {
    runtime: Runtime,
    open: Router,
    locked: Router,
    objections: Objections,
}

impl Target {
    pub(crate) fn new(path: &'static str, engine: Engine) -> Self {
        Self { path, engine, kept: RefCell::default(), n_taken: Cell::new(0), n_refused: Cell::new(0) }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}{}", if self.engine == Engine::Watched { "" } else { "mock" }, self.path)
    }

    /// What must hold of every request.
    pub(crate) fn hold(&self, case: &Case) -> TestCaseResult {
        let is_scripted = self.engine != Engine::Watched;
        self.hold_in(|world| {
            let answer = world.ask(self.path, case);
            judge::answer(self.path, case, is_scripted, &answer)?;
            Ok(answer.status == StatusCode::OK)
        })
    }

    /// What must hold of everything that is sent.
    pub(crate) fn hold_raw(&self, raw: &Raw) -> TestCaseResult {
        self.hold_in(|world| said::judge(raw, &world.send(raw)))
    }

    /// Whatever is asked, and told whether it was taken.
    fn hold_in(&self, ask: impl FnOnce(&World) -> Result<bool, String>) -> TestCaseResult {
        // Not in its place while it works: a panic leaves it behind.
        let world = self.kept.take().unwrap_or_else(|| World::new(self.engine));
        let asked = ask(&world);
        let objections = world.objections.take();
        let is_taken = asked.map_err(TestCaseError::fail)?;
        if let Some(objection) = objections.first() {
            return Err(TestCaseError::fail(format!("not so: {objection}")));
        }
        self.kept.replace(Some(world));
        let counter = if is_taken { &self.n_taken } else { &self.n_refused };
        counter.set(counter.get() + 1);
        Ok(())
    }

    /// Says how much of what was asked was taken.
    ///
    /// # Panics
    /// Where nothing was, or nothing refused: such a run shows nothing of the other side.
    pub(crate) fn finish(self) {
        let (taken, refused) = (self.n_taken.get(), self.n_refused.get());
        println!("fuzz {}: {taken} taken, {refused} refused", self.name());
        assert!(taken > 0 && refused > 0, "{taken} taken and {refused} refused");
    }
}

impl World {
    fn new(engine: Engine) -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let objections = Objections::default();
        let (open, locked) = runtime.block_on(async {
            let limits = HttpLimits { body_max_bytes: BODY_MAX, messages_max: MESSAGES_MAX, ..HttpLimits::default() };
            let (ids, clock) = (RequestIds::with_prefix("t"), WallClock::fixed(1_700_000_000));
            let pictures = PictureFetch::over(Arc::new(Elsewhere));
            let open = AppOptions { limits, ids, clock, pictures, ..AppOptions::default() };
            let keys = ApiKeys::parse(&format!("me={KEY}")).unwrap();
            let locked = AppOptions { keys, ..open.clone() };
            match engine {
                Engine::Watched => {
                    let service = service(&objections);
                    service.loaded().await;
                    (server::app(service.clone(), open), server::app(service, locked))
                }
                #[cfg(feature = "mock")]
                Engine::Scripted => (scripted(open), scripted(locked)),
            }
        });
        Self { runtime, open, locked, objections }
    }

    fn ask(&self, path: &str, case: &Case) -> Answer {
        let app = if case.wants_key { &self.locked } else { &self.open };
        let mut request = Request::builder().method(Method::POST).uri(path);
        for (name, value) in &case.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(case.body.clone())).unwrap();
        self.runtime.block_on(async {
            let Ok(response) = app.clone().oneshot(request).await;
            let (head, body) = response.into_parts();
            let body = body.collect().await.expect("an answer is read to its end").to_bytes();
            Answer { status: head.status, headers: head.headers, body: body.into() }
        })
    }
}

impl World {
    /// Sends the bytes over a connection of their own, and returns what comes back until the server ends it.
    ///
    /// # Panics
    /// Where the connection's task does.
    fn send(&self, raw: &Raw) -> Vec<u8> {
        let app = if raw.wants_key { self.locked.clone() } else { self.open.clone() };
        self.runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let (limits, peer, shutdown) = (HttpLimits::default(), Peer::default(), Shutdown::default());
            let served = tokio::spawn(async move {
                server::serve_connection(theirs, app, &limits, peer, &shutdown).await;
            });
            let (mut read, mut write) = tokio::io::split(ours);
            let mut said = Vec::new();
            let sending = async {
                // What was refused already is not read to its end.
                let _refused = write.write_all(&raw.bytes).await;
            };
            // The sending side stays open: who ends it is taken for gone.
            let (_, read) = tokio::join!(sending, read.read_to_end(&mut said));
            read.expect("a pipe does not fail");
            served.await.expect("the connection's task does not panic");
            said
        })
    }
}

/// One model behind every tier, which answers with steps of work.
fn service(objections: &Objections) -> Service {
    let script = ModelScript { reply: Reply::Fixed("1. do\n2. it".into()), ..ModelScript::default() };
    let inner = MockBackend::new(MockConfig::default().with_model("m", script));
    let spec = ModelSpec::new("m", ModelSource::File("m.gguf".into()));
    // Everybody who may ask at one time finds a place: to be refused for want of one is tested elsewhere.
    let model = ModelConfig { queue_max: 10_000, ..ModelConfig::new(spec) };
    let tiers = Tier::ALL.map(|tier| (tier, "m".to_owned())).into();
    let config = ServiceConfig { models: vec![model], tiers, ..ServiceConfig::default() };
    Service::start(config, Arc::new(Witness { inner, objections: objections.clone() })).unwrap()
}

/// A model for every tier, and a rule for whoever wants JSON.
#[cfg(feature = "mock")]
fn scripted(options: AppOptions) -> Router {
    let script = "[[models]]\nname = \"m\"\nqueue_max = 10000\naliases = [\"fast\", \"vision\"]\n\
                  [[rules]]\nwhen = { json = true }\nreply = { json = true }\n";
    let script = server::mock::Script::from_toml(script, "script").unwrap();
    server::mock::Mock::with(script, options).unwrap().app()
}

/// What the server says of itself.
fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let World { runtime, open, .. } = World::new(Engine::Watched);
        let request = Request::builder().uri("/openapi.json").body(Body::empty()).unwrap();
        let body = runtime.block_on(async {
            let Ok(response) = open.oneshot(request).await;
            response.into_body().collect().await.unwrap().to_bytes()
        });
        serde_json::from_slice(&body).unwrap()
    })
}

/// The paths that take a body.
pub(crate) fn posts() -> BTreeSet<String> {
    let paths = description()["paths"].as_object().unwrap();
    paths.iter().filter(|(_, item)| item["post"].is_object()).map(|(path, _)| path.clone()).collect()
}

/// Every path, as it is described, and one that only the mock has.
pub(crate) fn paths() -> Vec<String> {
    let paths = description()["paths"].as_object().unwrap();
    paths.keys().cloned().chain(["/mock/journal".to_owned()]).collect()
}

/// The names of all fields of all protocols, those that are refused included.
pub(crate) fn fields() -> &'static [&'static str] {
    static FIELDS: OnceLock<Vec<&'static str>> = OnceLock::new();
    /// Known and not described, since nobody should give them.
    const REFUSED: &[&str] = &[
        "functions",
        "function_call",
        "audio",
        "modalities",
        "prediction",
        "reasoning_effort",
        "verbosity",
        "chat_template",
        "chat_template_kwargs",
        "samplers",
        "lora",
        "guided_json",
        "previous_response_id",
        "conversation",
        "background",
        "mcp_servers",
        "container",
        "context_management",
        "image_data",
        "file_id",
        "partial",
        "cache_control",
        "$ref",
        "$defs",
        "allOf",
        "not",
        "pattern",
        "minimum",
        "maxItems",
        "format",
        "const",
        "enum",
        "additionalProperties",
    ];
    fn collect(value: &'static Value, names: &mut BTreeSet<&'static str>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::Object(properties)) = fields.get("properties") {
                    names.extend(properties.keys().map(String::as_str));
                }
                fields.values().for_each(|value| collect(value, names));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    FIELDS.get_or_init(|| {
        let mut names: BTreeSet<&'static str> = REFUSED.iter().copied().collect();
        collect(description(), &mut names);
        names.into_iter().collect()
    })
}

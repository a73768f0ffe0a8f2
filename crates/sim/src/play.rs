//! Plays a world: the real service and the real HTTP stack, on one thread, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use backend::{ModelSource, ModelSpec};
use backend_mock::{Fault, MockBackend, MockConfig, ModelScript, OnOverlap, Rebuild};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use server::Shutdown;
use serving::{Limits, LockObserver, ModelConfig, OutcomeObserver, Service, ServiceConfig, Tier};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::act::act;
use crate::history::{History, Recorder, What};
use crate::network::Network;
use crate::world::{self, Model, Order, World};

/// Virtual time after which a world that goes on is stuck.
const STUCK: Duration = Duration::from_secs(600);

/// Virtual time after the last client, in which every connection has to end.
const AFTERMATH: Duration = Duration::from_secs(120);

/// Plays this world to its end. The same world gives the same history, byte for byte.
///
/// # Panics
/// If there is no memory for a runtime, or the world contradicts itself.
pub fn play(world: &World) -> History {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without threads and sockets can be made");
    runtime.block_on(run(world))
}

async fn run(world: &World) -> History {
    let mock = MockBackend::new(scripts(world));
    let recorder = Recorder::new(mock.journal());
    let outcomes: OutcomeObserver = {
        let recorder = recorder.clone();
        Arc::new(move |outcome| recorder.note(What::Outcome(Box::new(outcome.clone()))))
    };
    let locks: LockObserver = {
        let recorder = recorder.clone();
        Arc::new(move |model, event| recorder.note(What::Lock(model.to_owned(), event.clone())))
    };
    let service = Service::start_watched(configuration(world), Arc::new(mock), outcomes, locks);
    let service = service.expect("worlds are drawn without contradictions");
    if timeout(STUCK, live(world, service, &recorder)).await.is_err() {
        recorder.note(What::Stuck);
    } else {
        sleep(AFTERMATH).await;
        recorder.note(What::Over(tokio::runtime::Handle::current().metrics().num_alive_tasks()));
    }
    History { world: world.clone(), entries: recorder.entries() }
}

async fn live(world: &World, service: Service, recorder: &Recorder) {
    let start = Instant::now();
    let shutdown = Shutdown::default();
    let network = Network::new(service.clone(), world, shutdown.clone());
    let mut clients = JoinSet::new();
    for client in &world.clients {
        clients.spawn(act(client.clone(), network.clone(), recorder.clone()));
    }
    for (at, path) in &world.looks {
        clients.spawn(look(start + Duration::from_millis(*at), path.clone(), network.clone(), recorder.clone()));
    }
    for order in &world.orders {
        clients.spawn(give(start, order.clone(), service.clone(), recorder.clone()));
    }
    sleep_until(start + Duration::from_millis(world.drain_at)).await;
    // The order is that of the program `edison`.
    recorder.note(What::View(service.models()));
    recorder.note(What::DrainBegins);
    shutdown.start_draining();
    service.shutdown(Duration::from_millis(world.drain_for)).await;
    recorder.note(What::DrainOver);
    recorder.note(What::View(service.models()));
    network.close();
    shutdown.close_connections();
    while clients.join_next().await.is_some() {}
}

/// Tells a model to go.
async fn give(start: Instant, order: Order, service: Service, recorder: Recorder) {
    sleep_until(start + Duration::from_millis(order.at)).await;
    recorder.note(What::ToldToGo(order.model.clone()));
    let told = service.unload(&order.model).await.map_err(|refusal| refusal.to_string());
    recorder.note(What::Gone(order.model.clone(), told.err()));
    if order.reload {
        // Whether it comes back shows in what its engine tells.
        let _known = service.load(&order.model).await;
    }
}

/// One look at the control plane, over a connection of its own.
async fn look(at: Instant, path: String, network: Network, recorder: Recorder) {
    sleep_until(at).await;
    let Some(link) = network.connect("eyes", false).await else { return };
    let request = Request::get(&path).header("host", "edison").body(Full::<Bytes>::default());
    let asked = Instant::now();
    let status = match link.send(request.expect("paths are visible ASCII")).await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            if answer.into_body().collect().await.is_ok() { status } else { 0 }
        }
        Err(_) => 0,
    };
    recorder.note(What::Look(path, status, asked.elapsed()));
}

fn scripts(world: &World) -> MockConfig {
    // Both go on after an overlap: the history shows it, and whoever did not cause it is not punished.
    let mut config = MockConfig { on_overlap: OnOverlap::Record, journal_max: 1 << 20, ..MockConfig::default() };
    #[cfg(feature = "canary")]
    {
        // The absence of a lock is many lanes into one engine; see the canaries of `serving`.
        config.shared_engine = std::env::var("EDISON_CANARY").is_ok_and(|planted| planted == "no_lock");
    }
    for model in &world.models {
        config = config.with_model(model.name.clone(), script(model));
    }
    config
}

fn script(model: &Model) -> ModelScript {
    let chunk_time = Duration::from_millis(model.chunk_time);
    ModelScript {
        load_time: Duration::from_millis(model.load),
        load_failures: u32::from(model.load_fails),
        failed_loads: model.failed_loads.clone(),
        context_len: model.context_len,
        bytes_per_token: model.bytes_per_token,
        prefill_chunk: model.chunk,
        prefill_per_token: chunk_time / model.chunk.max(1),
        time_per_token: Duration::from_millis(model.token_time),
        stop_delay: Duration::from_millis(model.stop_time),
        faults: model.faults.iter().map(|(call, fault)| (*call, scripted(*fault))).collect(),
        ..ModelScript::default()
    }
}

fn scripted(fault: world::Fault) -> Fault {
    match fault {
        world::Fault::FailAtOnce => Fault::FailBeforeFirstToken,
        world::Fault::Fail(tokens) => Fault::FailAfter { tokens },
        world::Fault::Panic(tokens) => Fault::PanicAfter { tokens },
        world::Fault::Hang(tokens) => Fault::HangAfter { tokens },
        world::Fault::IgnoreCancel(tokens) => Fault::IgnoreCancelFor { tokens },
        world::Fault::Break(tokens, failures) => {
            Fault::BreakLaneAfter { tokens, rebuild: Rebuild::AfterFailures(failures) }
        }
        world::Fault::BreakForGood(tokens) => Fault::BreakLaneAfter { tokens, rebuild: Rebuild::Never },
    }
}

fn configuration(world: &World) -> ServiceConfig {
    let models = world.models.iter().map(configured).collect();
    let tiers = world.tiers.iter().filter_map(|(tier, model)| Some((Tier::from_name(tier)?, model.clone()))).collect();
    let limits = Limits {
        queue_timeout: Duration::from_millis(world.bounds.queue_timeout),
        stall_timeout: Duration::from_millis(world.bounds.stall_timeout),
        event_buffer: world.bounds.event_buffer,
        history_max: 1 << 20,
        ..Limits::default()
    };
    ServiceConfig { models, tiers, limits }
}

fn configured(model: &Model) -> ModelConfig {
    let mut spec = ModelSpec::new(&model.name, ModelSource::File(format!("{}.gguf", model.name).into()));
    spec.lanes = model.lanes;
    ModelConfig {
        aliases: vec![format!("{}-too", model.name)],
        queue_max: model.queue_max,
        max_tokens: model.max_tokens,
        unload_after: model.unload_after.map(Duration::from_millis),
        ..ModelConfig::new(spec)
    }
}

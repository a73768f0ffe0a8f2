//! The mock as a value in a program, and as a server on a port of its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use backend_mock::request_of;
use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::face::face;
use super::journal::Journal;
use super::read;
use super::script::{Script, ScriptError};
use super::world::World;
use crate::app::AppOptions;
use crate::limits::HttpLimits;
use crate::listen;
use crate::request_id::RequestIds;
use crate::shutdown::Shutdown;

/// Why a mock does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The script contradicts itself.
    #[error("the script cannot be played: {0}")]
    Script(#[from] ScriptError),
    /// The address cannot be listened on.
    #[error("{0}")]
    Listen(String),
}

/// A mock without a port: its routes, to be served over whatever there is, also in virtual time.
#[derive(Clone)]
pub struct Mock {
    shared: Arc<Shared>,
}

/// What the routes of a mock have in common.
pub(super) struct Shared {
    options: AppOptions,
    ids: RequestIds,
    /// The life that is being played.
    world: Mutex<Arc<World>>,
    runtime: Handle,
}

impl Shared {
    pub(super) fn world(&self) -> Arc<World> {
        Arc::clone(&self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the id that the client gave a request, or makes one: where it gave none, or one that is taken or reads like a
    /// part of another request. Then somebody else's notes would be taken for this request's.
    pub(super) fn enlist(&self, world: &World, given: Option<&HeaderValue>, test_id: &str) -> String {
        let given = given.and_then(|given| given.to_str().ok());
        if let Some(id) = given
            && request_of(id) == id
            && !world.has(id)
            && world.stage.enlist(id, test_id)
        {
            return id.to_owned();
        }
        loop {
            let made = self.ids.next_id();
            if world.stage.enlist(&made, test_id) {
                return made;
            }
        }
    }

    pub(super) fn forget(&self, test_id: &str) {
        let world = self.world();
        world.stage.forget(test_id);
        world.log.forget(test_id);
    }

    pub(super) fn reset(&self) -> Result<(), String> {
        self.set_script(self.world().script.clone())
    }

    /// Plays another script. Requests of the one before are ended.
    pub(super) fn set_script(&self, script: Script) -> Result<(), String> {
        let world = Arc::new(World::new(script, self.options.clone())?);
        let before = {
            let mut current = self.world.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, world)
        };
        self.runtime.spawn(async move { before.service.shutdown(Duration::ZERO).await });
        Ok(())
    }

    /// Rules for one test.
    pub(super) fn set_rules(&self, test_id: &str, script: Script) -> Result<(), String> {
        let rules_only = Script { rules: vec![], faults: vec![], strict: false, ..script.clone() } == Script::default();
        if !rules_only {
            return Err(
                "with x-test-id a script may have `strict`, `rules` and `faults`: the rest is everybody's".into()
            );
        }
        let world = self.world();
        let together = Script { models: world.script.models.clone(), ..script.clone() };
        let problems: Vec<String> =
            read::check(&together).into_iter().map(|(key, message)| format!("{key}: {message}")).collect();
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        world.stage.set_rules(test_id, script.rules());
        Ok(())
    }
}

impl Mock {
    /// Begins to play a script. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Script`]: something in it cannot be played.
    pub fn new(script: Script) -> Result<Self, StartError> {
        Self::with(script, AppOptions { ids: RequestIds::with_prefix("mock"), ..AppOptions::default() })
    }

    /// The same with a clock, ids and bounds of one's own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(script: Script, options: AppOptions) -> Result<Self, StartError> {
        let problems = read::check(&script);
        if !problems.is_empty() {
            let lines: BTreeSet<String> =
                problems.into_iter().map(|(key, message)| format!("{key}: {message}")).collect();
            return Err(ScriptError(lines.into_iter().collect::<Vec<_>>().join("\n")).into());
        }
        let ids = options.ids.clone();
        let world = World::new(script, options.clone()).map_err(ScriptError)?;
        let shared = Shared { options, ids, world: Mutex::new(Arc::new(world)), runtime: Handle::current() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The routes: those of production, and the control routes under `/mock`.
    pub fn app(&self) -> Router {
        face(Arc::clone(&self.shared))
    }

    /// What happened so far.
    pub fn journal(&self) -> Journal {
        self.shared.world().journal(None)
    }

    /// What happened so far to the requests of this test.
    pub fn journal_of(&self, test_id: &str) -> Journal {
        self.shared.world().journal(Some(test_id))
    }

    /// Waits until every request that came by now is over, `limit` at most: one that was left may take its engine a step
    /// to stop.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn settled(&self, limit: Duration) {
        self.shared.world().settled(None, limit).await;
    }

    /// Waits until every model is loaded or has failed to.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn loaded(&self) {
        self.shared.world().service.loaded().await;
    }

    /// Begins from the start. Requests that are under way are ended.
    pub fn reset(&self) {
        // A script that was played can be played again.
        let _played = self.shared.reset();
    }

    /// Plays another script. Requests that are under way are ended.
    ///
    /// # Errors
    /// [`StartError::Script`]: something in it cannot be played; the one before goes on.
    pub fn set_script(&self, script: Script) -> Result<(), StartError> {
        let problems = read::check(&script);
        if let Some((key, message)) = problems.first() {
            return Err(ScriptError(format!("{key}: {message}")).into());
        }
        self.shared.set_script(script).map_err(|error| ScriptError(error).into())
    }

    pub(super) fn service(&self) -> serving::Service {
        self.shared.world().service.clone()
    }
}

/// A mock on a port of its own. It stops when it is dropped: requests that are under way are ended.
pub struct MockServer {
    mock: Mock,
    address: SocketAddr,
    shutdown: Shutdown,
    connections: JoinHandle<()>,
}

impl std::ops::Deref for MockServer {
    type Target = Mock;

    fn deref(&self) -> &Mock {
        &self.mock
    }
}

impl MockServer {
    /// Plays a script on a free port of this machine, and comes back when every model is loaded that does not take time to.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(script: Script) -> Result<Self, StartError> {
        Self::start_at(script, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The same at this address.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_at(script: Script, address: SocketAddr) -> Result<Self, StartError> {
        let is_quick = script.played().iter().all(|model| model.load_time.0.is_zero() && model.load_failures == 0);
        let shutdown = Shutdown::default();
        let options = AppOptions {
            ids: RequestIds::with_prefix("mock"),
            shutdown: shutdown.clone(),
            limits: HttpLimits { drain_timeout: Duration::ZERO, ..HttpLimits::default() },
            ..AppOptions::default()
        };
        let limits = options.limits.clone();
        let listener = bind(address).await?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(error.to_string()))?;
        let mock = Mock::with(script, options)?;
        let connections = tokio::spawn(listen::serve(listener, mock.app(), limits, shutdown.clone()));
        if is_quick {
            mock.loaded().await;
        }
        Ok(Self { mock, address, shutdown, connections })
    }

    /// The mock that it serves: a handle that outlives it.
    pub fn mock(&self) -> Mock {
        self.mock.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, without a path: `http://127.0.0.1:8811`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What clients of the OpenAI API call the base URL: `http://127.0.0.1:8811/v1`.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Ends the requests under way, then the connections, and comes back when that is done.
    pub async fn stop(mut self) {
        self.shutdown.start_draining();
        self.mock.service().shutdown(Duration::ZERO).await;
        self.shutdown.close_connections();
        // A panic of that task was reported when it happened.
        let _panicked = (&mut self.connections).await;
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.shutdown.close_connections();
        let service = self.mock.service();
        self.mock.shared.runtime.spawn(async move { service.shutdown(Duration::ZERO).await });
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    listen::bind(address).map_err(StartError::Listen)
}

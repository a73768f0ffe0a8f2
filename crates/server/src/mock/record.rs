//! `--record`: hands requests to another server, and writes what it answered, and when, into a script.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend_mock::{Rule, Time};
use check::Target;
use futures_util::stream;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::exchange::{Answer, Question};
use super::script::{ModelScript, Script};

/// Bytes of a body that is handed on.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// The path whose answers are recorded. Everything else is handed on only.
const CHAT: &str = "/v1/chat/completions";

/// Where to, and what came back so far.
pub(super) struct Recorder {
    upstream: Target,
    script: Mutex<Script>,
    file: PathBuf,
}

impl Recorder {
    /// Records what the server at this URL answers into this file.
    pub(super) fn new(url: &str, file: PathBuf) -> Result<Self, String> {
        let upstream = Target::at(url, None).map_err(|problem| format!("--record: {problem}"))?;
        let recorder = Self { upstream, script: Mutex::default(), file };
        // At the start rather than after the first exchange: a file that cannot be written is noticed.
        recorder.write()?;
        Ok(recorder)
    }

    /// The routes: all of them lead there.
    pub(super) fn app(self: Arc<Self>) -> Router {
        Router::new().fallback(forward).with_state(self)
    }

    fn add(&self, rule: Rule) -> Result<(), String> {
        {
            let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            let model = rule.when.model.clone().unwrap_or_default();
            if !model.is_empty() && script.models.iter().all(|known| known.name != model) {
                script.models.push(ModelScript::new(model));
            }
            script.strict = true;
            match script.rules.iter_mut().find(|known| known.when == rule.when) {
                Some(known) => known.reply.0.extend(rule.reply.0),
                None => script.rules.push(rule),
            }
        }
        self.write()
    }

    fn write(&self) -> Result<(), String> {
        let text = self.script.lock().unwrap_or_else(PoisonError::into_inner).to_toml();
        let text = text.map_err(|error| error.to_string())?;
        std::fs::write(&self.file, text).map_err(|error| format!("{}: {error}", self.file.display()))
    }
}

async fn forward(State(recorder): State<Arc<Recorder>>, request: Request) -> Response {
    match exchange(&recorder, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("the server that is recorded: {error}\n")).into_response(),
    }
}

async fn exchange(recorder: &Arc<Recorder>, request: Request) -> Result<Response, String> {
    let (mut head, body) = request.into_parts();
    let body = Limited::new(body, BODY_MAX).collect().await.map_err(|error| error.to_string())?.to_bytes();
    let question = (head.method == Method::POST && head.uri.path() == CHAT).then(|| Question::read(&body)).flatten();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = recorder.upstream.path(path).parse().map_err(|error| format!("{path}: {error}"))?;
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, ACCEPT_ENCODING] {
        head.headers.remove(name);
    }
    let host = HeaderValue::from_str(recorder.upstream.authority()).map_err(|error| error.to_string())?;
    head.headers.insert(HOST, host);

    let asked = Instant::now();
    let stream = recorder.upstream.connect().await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // It ends with the answer, or with the one who wanted it.
    tokio::spawn(connection);
    let outgoing = hyper::Request::from_parts(head, Full::<Bytes>::from(body));
    let response = sender.send_request(outgoing).await.map_err(|error| error.to_string())?;
    let (mut head, body) = response.into_parts();
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    for name in [CONNECTION, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    let answer = question.map(|question| (question, Answer::new(head.status.as_u16(), retry_after, asked)));
    let watched = Watched { body, answer, recorder: Arc::clone(recorder), _sender: sender };
    let body = stream::unfold(watched, async |mut watched| {
        let frame = watched.body.frame().await;
        let data = match frame {
            None => {
                watched.keep();
                return None;
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return Some((Err(error), watched)),
        };
        if let Some((_, answer)) = &mut watched.answer {
            answer.push(&data);
        }
        // Whoever knows the length of a body does not ask for more after its last byte.
        if http_body::Body::is_end_stream(&watched.body) {
            watched.keep();
        }
        Some((Ok(data), watched))
    });
    Ok(Response::from_parts(head, Body::from_stream(body)))
}

/// An answer on its way, and the connection that it comes over.
struct Watched {
    body: hyper::body::Incoming,
    answer: Option<(Question, Answer)>,
    recorder: Arc<Recorder>,
    _sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl Watched {
    /// Writes the exchange down, which is complete.
    fn keep(&mut self) {
        let Some((question, answer)) = self.answer.take() else { return };
        let kept = match answer.finish() {
            Ok(reply) => self.recorder.add(Rule::new(question.when(), reply)),
            Err(error) => Err(format!("an answer was not recorded: {error}")),
        };
        if let Err(error) = kept {
            tracing::warn!("{error}");
        }
    }
}

/// The time since then, as a script has it.
pub(super) fn since(then: Instant) -> Time {
    Time(then.elapsed())
}

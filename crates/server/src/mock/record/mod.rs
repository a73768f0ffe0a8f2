//! `--record`: hands requests to another server, and writes what it answered, and when, into a script.
//!
//! An exchange is read as the server that plays the script will read it ([`question`]), and what is answered becomes a reply
//! face by face ([`answer`] and what it calls). What no script can answer is handed on all the same, and said in the log.

mod answer;
mod edison;
mod embeddings;
mod face;
mod heard;
mod messages;
mod openai;
mod question;
mod rerank;
mod responses;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use check::Target;
use futures_util::stream;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use self::answer::{Answer, Exchange};
use self::face::Face;
use self::question::Question;
use super::read;
use super::script::{ModelScript, Script};

/// Bytes of a body that is handed on.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// Tokens of a recorded model's context: prompts and answers that another model had room for are to have it here.
const CONTEXT_LEN: u32 = 1 << 20;

/// Paths that are not recorded, and of which it was said, at most.
const PATHS_MAX: usize = 256;

/// Where to, and what came back so far.
pub(super) struct Recorder {
    upstream: Target,
    script: Mutex<Script>,
    file: PathBuf,
    /// Methods and paths of which was said that they are not recorded.
    passed: Mutex<BTreeSet<String>>,
}

impl Recorder {
    /// Records what the server at this URL answers into this file.
    pub(super) fn new(url: &str, file: PathBuf) -> Result<Self, String> {
        let upstream = Target::at(url, None).map_err(|problem| format!("--record: {problem}"))?;
        let script = Script { strict: true, ..Script::default() };
        // At the start rather than after the first exchange: a file that cannot be written is noticed.
        write(&script, &file)?;
        Ok(Self { upstream, script: Mutex::new(script), file, passed: Mutex::default() })
    }

    /// The routes: all of them lead there.
    pub(super) fn app(self: Arc<Self>) -> Router {
        Router::new().fallback(forward).with_state(self)
    }

    /// What was asked, where its answer is recorded.
    fn question(&self, method: &Method, path: &str, body: &[u8]) -> Option<Question> {
        let Some(face) = Face::of(method, path) else {
            self.pass(method, path);
            return None;
        };
        let question = Question::read(face, body);
        question.map_err(|why| tracing::warn!("{path}: a request is handed on and not recorded: {why}")).ok()
    }

    /// Says once that this path is not recorded.
    fn pass(&self, method: &Method, path: &str) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever asks for ever other paths gets no ever longer list.
        if passed.len() < PATHS_MAX && passed.insert(format!("{method} {path}")) {
            tracing::warn!("{method} {path} is handed on and not recorded: a script has no answers to it");
        }
    }

    fn add(&self, exchange: Exchange) -> Result<(), String> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let longer = with(script.clone(), exchange);
        // Now rather than by whoever plays it: nothing else in the file is to be lost for it.
        if let Some((key, message)) = read::check(&longer).into_iter().next() {
            return Err(format!("an answer was not recorded: {key} {message}"));
        }
        *script = longer;
        // Before unlocking: otherwise whoever was first could write its shorter script over that of the second.
        write(&script, &self.file)
    }
}

fn write(script: &Script, file: &Path) -> Result<(), String> {
    let text = script.to_toml().map_err(|error| error.to_string())?;
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The script with one more exchange.
fn with(mut script: Script, exchange: Exchange) -> Script {
    let Exchange { model, rules } = exchange;
    if !model.is_empty() && script.models.iter().all(|known| known.name != model) {
        let model = ModelScript { context_len: CONTEXT_LEN, max_tokens: CONTEXT_LEN, ..ModelScript::new(model) };
        script.models.push(model);
    }
    for mut rule in rules {
        // Replies to the same stand behind each other.
        match script.rules.iter_mut().find(|known| known.when == rule.when) {
            Some(known) => {
                rerank::agree(known, &mut rule);
                known.reply.0.extend(rule.reply.0);
            }
            None => script.rules.push(rule),
        }
    }
    script
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
    let question = recorder.question(&head.method, head.uri.path(), &body);
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
    for name in [CONNECTION, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    let answer = question.map(|question| Answer::new(question, head.status.as_u16(), &head.headers, asked));
    let watched = Watched { body, answer, recorder: Arc::clone(recorder), _sender: sender };
    let body = stream::unfold(watched, async |mut watched| {
        let frame = watched.body.frame().await;
        let data = match frame {
            None => {
                watched.keep();
                return None;
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => {
                watched.broke(&error);
                return Some((Err(error), watched));
            }
        };
        if let Some(answer) = &mut watched.answer {
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
    /// `None` once it was written down, or where it is not to be.
    answer: Option<Answer>,
    recorder: Arc<Recorder>,
    _sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl Watched {
    /// Writes the exchange down, which is complete.
    fn keep(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        let exchange = answer.finish().map_err(|why| format!("an answer was not recorded: {why}"));
        if let Err(error) = exchange.and_then(|exchange| self.recorder.add(exchange)) {
            tracing::warn!("{error}");
        }
    }

    /// The other server has cut it off.
    fn broke(&mut self, error: &hyper::Error) {
        if self.answer.take().is_some() {
            tracing::warn!("an answer was not recorded: it broke off: {error}");
        }
    }
}

//! What a client does: its steps, one after the other, each with all of its requests at once.

use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::history::{Head, Recorder, What};
use crate::network::{Link, Network};
use crate::world::{Ask, Client};

/// Plays one client to its end, or until the server is gone.
pub(crate) async fn act(client: Client, network: Network, recorder: Recorder) {
    sleep(ms(client.comes)).await;
    let shared = if client.http2 { network.connect(&client.name, true).await.map(Arc::new) } else { None };
    let mut kept = None;
    for step in client.steps {
        sleep(ms(step.wait)).await;
        let mut asks = JoinSet::new();
        for ask in step.asks {
            let line = Line {
                client: client.name.clone(),
                network: network.clone(),
                recorder: recorder.clone(),
                shared: shared.clone(),
                kept: kept.take(),
            };
            asks.spawn(line.ask(ask));
        }
        while let Some(line) = asks.join_next().await {
            // A panic of a request's own task is in the history already.
            kept = line.ok().flatten();
        }
    }
}

/// What one request needs to be made.
struct Line {
    client: String,
    network: Network,
    recorder: Recorder,
    /// The one connection of a client that speaks HTTP/2.
    shared: Option<Arc<Link>>,
    /// A connection from the request before.
    kept: Option<Link>,
}

/// How a request went.
enum Went {
    /// It was answered.
    Answered,
    /// It was refused, with a time after which to ask again.
    Later(u64),
    /// The client has left, or the connection has ended.
    Gone,
}

impl Line {
    /// Asks, and again where that is how the client is. Gives the connection back if it can be used again.
    async fn ask(mut self, ask: Ask) -> Option<Link> {
        for attempt in 0..=ask.retries {
            let id = if attempt == 0 { ask.id.clone() } else { format!("{}r{attempt}", ask.id) };
            let link = match &self.shared {
                Some(link) if link.is_ready().await => Arc::clone(link),
                Some(_) => return None,
                None => Arc::new(self.connection().await?),
            };
            self.note(What::Sent(id.clone(), attempt));
            // Leaving comes first: whatever else happens in that instant, the client has left.
            let went = tokio::select! {
                biased;
                () = sleep(ms(ask.leaves_after)) => Err(()),
                went = self.talk(&link, &ask, &id) => went,
            };
            let went = went.unwrap_or_else(|()| {
                self.note(What::Left(id.clone()));
                Went::Gone
            });
            if self.shared.is_none() {
                self.kept = match went {
                    Went::Gone => None,
                    Went::Answered | Went::Later(_) => Arc::into_inner(link),
                };
            }
            match went {
                Went::Later(seconds) => sleep(Duration::from_secs(seconds)).await,
                Went::Answered | Went::Gone => break,
            }
        }
        self.kept
    }

    async fn connection(&mut self) -> Option<Link> {
        match self.kept.take() {
            Some(link) if link.is_ready().await => Some(link),
            _ => self.network.connect(&self.client, false).await,
        }
    }

    fn note(&self, what: What) {
        self.recorder.note(what);
    }

    /// `Err` when the client leaves by itself.
    async fn talk(&self, link: &Link, ask: &Ask, id: &str) -> Result<Went, ()> {
        let answer = match link.send(request(ask, id)).await {
            Ok(answer) => answer,
            Err(error) => return Ok(self.cut(id, &error)),
        };
        let (head, mut body) = answer.into_parts();
        let status = head.status.as_u16();
        if status == 200 && ask.stream {
            self.note(What::Head(id.to_owned(), read_head(status, &head.headers, None)));
            return self.read_stream(ask, id, &mut body).await;
        }
        let whole = match body.collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(error) => return Ok(self.cut(id, &error)),
        };
        let value: Value = serde_json::from_slice(&whole).unwrap_or(Value::Null);
        let code = value["error"]["code"].as_str().map(str::to_owned);
        let read = read_head(status, &head.headers, code);
        let later = read.retry_after;
        self.note(What::Head(id.to_owned(), read));
        if status != 200 {
            return Ok(later.map_or(Went::Answered, Went::Later));
        }
        let choice = &value["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap_or("no text at all");
        self.note(What::Piece(id.to_owned(), text.to_owned()));
        let why = choice["finish_reason"].as_str().unwrap_or("no reason").to_owned();
        self.note(What::Done(id.to_owned(), why, value["usage"]["completion_tokens"].as_u64()));
        Ok(Went::Answered)
    }

    async fn read_stream(&self, ask: &Ask, id: &str, body: &mut Incoming) -> Result<Went, ()> {
        let mut events = Events::default();
        let mut pieces = 0;
        let mut has_stalled = false;
        loop {
            if !events.is_over && ask.leaves_at_piece.is_some_and(|at| at <= pieces) {
                return Err(());
            }
            if let Some((_, time)) = ask.stall.filter(|(at, _)| *at == pieces && !has_stalled && !events.is_over) {
                has_stalled = true;
                self.note(What::Reads(id.to_owned(), false));
                sleep(ms(time)).await;
                self.note(What::Reads(id.to_owned(), true));
            }
            let frame = match body.frame().await {
                None => break,
                // A slow reader has all of it by now, and the server that stops does not wait until it has seen the end.
                Some(Err(_)) if events.is_over && (ask.pace > 0 || ask.stall.is_some()) => return Ok(Went::Gone),
                Some(Err(error)) => return Ok(self.cut(id, &error)),
                Some(Ok(frame)) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            for event in events.take(&data) {
                pieces += u32::from(self.hear(id, &event, &mut events.reason));
            }
            // Who has the whole answer only looks whether anything follows.
            if ask.pace > 0 && !events.is_over {
                sleep(ms(ask.pace)).await;
            }
        }
        if !events.is_over {
            return Ok(self.cut(id, &"the stream ended without its last event"));
        }
        Ok(Went::Answered)
    }

    /// One event of a stream. Tells whether it had text.
    fn hear(&self, id: &str, event: &str, reason: &mut Option<String>) -> bool {
        if event == "[DONE]" {
            let why = reason.clone().unwrap_or_else(|| "no reason".to_owned());
            self.note(What::Done(id.to_owned(), why, None));
            return false;
        }
        let value: Value = serde_json::from_str(event).unwrap_or(Value::Null);
        if let Some(error) = value.get("error") {
            self.note(What::Broke(id.to_owned(), error["code"].as_str().unwrap_or("no code").to_owned()));
            return false;
        }
        let choice = &value["choices"][0];
        if let Some(why) = choice["finish_reason"].as_str() {
            *reason = Some(why.to_owned());
        }
        let text = choice["delta"]["content"].as_str().unwrap_or_default();
        if !text.is_empty() {
            self.note(What::Piece(id.to_owned(), text.to_owned()));
        }
        !text.is_empty()
    }

    fn cut(&self, id: &str, why: &dyn std::fmt::Display) -> Went {
        self.note(What::Cut(id.to_owned(), why.to_string()));
        Went::Gone
    }
}

/// Cuts a stream into its events.
#[derive(Default)]
struct Events {
    unread: Vec<u8>,
    reason: Option<String>,
    /// The last event has come.
    is_over: bool,
}

impl Events {
    fn take(&mut self, data: &[u8]) -> Vec<String> {
        self.unread.extend_from_slice(data);
        let mut events = Vec::new();
        while let Some(at) = self.unread.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.unread.drain(..at + 2).take(at).collect();
            let event = String::from_utf8_lossy(&event).into_owned();
            let event = event.strip_prefix("data: ").unwrap_or(&event).to_owned();
            self.is_over |= event == "[DONE]" || event.starts_with("{\"error\"");
            events.push(event);
        }
        events
    }
}

fn request(ask: &Ask, id: &str) -> Request<Full<Bytes>> {
    let mut messages = Vec::new();
    messages.extend(ask.system_text().map(|text| json!({"role": "system", "content": text})));
    messages.push(json!({"role": "user", "content": ask.says(id)}));
    let mut body = json!({"model": ask.model, "messages": messages, "temperature": 0, "stream": ask.stream});
    if let Some(tokens) = ask.max_tokens {
        body["max_tokens"] = json!(tokens);
    }
    if let Some(stop) = &ask.stop {
        body["stop"] = json!([stop]);
    }
    let class = ["interactive", "normal", "background"][ask.class().index()];
    let mut request = Request::post("http://edison/v1/chat/completions")
        .header("host", "edison")
        .header("x-request-id", id)
        .header("x-edison-class", class);
    if let Some(time) = ask.queue_timeout {
        request = request.header("x-edison-queue-timeout-ms", time);
    }
    request.body(Full::from(body.to_string())).expect("ids and classes are visible ASCII")
}

fn read_head(status: u16, headers: &HeaderMap, code: Option<String>) -> Head {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| text(name).and_then(|text| text.parse().ok());
    Head {
        status,
        code,
        retry_after: number(RETRY_AFTER.as_str()),
        ticket: number("x-edison-ticket"),
        wait: number("x-edison-wait-ms"),
        model: text("x-edison-model").map(str::to_owned),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

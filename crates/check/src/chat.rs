//! One chat completion, watched while it goes on.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::http::{Lost, Reply, send};
use crate::sse::Events;
use crate::target::Target;

/// What is asked, at temperature 0.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) text: String,
    pub(crate) max_tokens: u32,
    pub(crate) stream: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) end: End,
    /// Pieces of text that came; one where the answer was not streamed.
    pub(crate) chunks: usize,
    /// From the beginning to the end.
    pub(crate) took: Duration,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With a reason, as the protocol wants it.
    Whole,
    /// Orderly, and without saying that the answer is complete.
    Unfinished,
    /// With an error in the middle, or the connection broke.
    Broken(String),
    /// With another status than 200.
    Refused { status: u16, retry_after: Option<Duration>, message: String },
    /// Not at all, within the time that an answer may take.
    Late(Duration),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Connecting,
    /// The request is out.
    Waiting,
    /// Text came.
    Running,
    Ended,
}

/// What can be seen of it so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) stage: Stage,
    pub(crate) chunks: usize,
    /// 429 or 503: the server says that it takes no more.
    pub(crate) turned_away: Option<u16>,
}

/// An answer under way. Dropping it closes its connection.
pub(crate) struct Talk {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<Answer>,
}

impl Talk {
    /// Asks, and reads the answer in a task of its own, for `limit` at most.
    pub(crate) fn start(target: &Target, ask: &Ask, limit: Duration) -> Self {
        let (tell, seen) = watch::channel(Seen { stage: Stage::Connecting, chunks: 0, turned_away: None });
        let task = tokio::spawn(Reading::new(target.clone(), ask.clone(), tell).read(limit));
        Self { seen, task }
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.seen().stage == Stage::Ended
    }

    /// Waits until what can be seen fits; false where the answer ended before it did.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn until(&mut self, fits: impl Fn(&Seen) -> bool) -> bool {
        let seen = self.seen.wait_for(|seen| fits(seen) || seen.stage == Stage::Ended).await;
        // The task ends with an error here only when it panics, and `answer` tells that.
        seen.is_ok_and(|seen| fits(&seen))
    }

    /// Waits for the end.
    pub(crate) async fn answer(mut self) -> Answer {
        (&mut self.task).await.unwrap_or_else(|error| Answer {
            text: String::new(),
            end: End::Broken(format!("the client failed: {error}")),
            chunks: 0,
            took: Duration::ZERO,
        })
    }

    /// Closes the connection, as a client does that leaves. Comes back when it is closed.
    pub(crate) async fn leave(mut self) {
        self.task.abort();
        let _aborted = (&mut self.task).await;
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Answer {
    /// Whether the server said that it takes no more.
    pub(crate) fn is_turned_away(&self) -> bool {
        matches!(self.end, End::Refused { status: 429 | 503, .. })
    }
}

impl End {
    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Whole => "it ended properly".into(),
            Self::Unfinished => "it ended without a finish reason".into(),
            Self::Broken(why) => why.clone(),
            Self::Refused { status, message, .. } if message.is_empty() => format!("HTTP {status}"),
            Self::Refused { status, message, .. } => format!("HTTP {status}: {message}"),
            Self::Late(limit) => format!("no end within {limit:?}"),
        }
    }
}

/// The reading side of a talk.
struct Reading {
    target: Target,
    ask: Ask,
    tell: watch::Sender<Seen>,
    began: Instant,
    text: String,
    chunks: usize,
    is_finished: bool,
}

impl Reading {
    fn new(target: Target, ask: Ask, tell: watch::Sender<Seen>) -> Self {
        let (text, began) = (String::new(), Instant::now());
        Self { target, ask, tell, began, text, chunks: 0, is_finished: false }
    }

    async fn read(mut self, limit: Duration) -> Answer {
        let end = match tokio::time::timeout(limit, self.exchange()).await {
            Ok(Ok(end)) => end,
            Ok(Err(lost)) => End::Broken(lost.to_string()),
            Err(_) => End::Late(limit),
        };
        let turned_away = match end {
            End::Refused { status: status @ (429 | 503), .. } => Some(status),
            _ => None,
        };
        self.tell.send_modify(|seen| *seen = Seen { stage: Stage::Ended, turned_away, ..*seen });
        let Self { text, chunks, began, .. } = self;
        Answer { text, end, chunks, took: began.elapsed() }
    }

    async fn exchange(&mut self) -> Result<End, Lost> {
        let body = json!({
            "model": self.ask.model,
            "messages": [{"role": "user", "content": self.ask.text}],
            "temperature": 0,
            "max_tokens": self.ask.max_tokens,
            "stream": self.ask.stream,
        });
        let tell = self.tell.clone();
        let sent = || tell.send_modify(|seen| seen.stage = Stage::Waiting);
        let reply = send(&self.target, Method::POST, "/v1/chat/completions", Some(&body), sent).await?;
        if reply.status != StatusCode::OK {
            return refused(reply).await;
        }
        if reply.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            self.events(reply).await
        } else {
            let body = serde_json::from_slice(&reply.bytes().await?);
            let body: Value = body.map_err(|error| Lost::Broken(format!("the answer is no JSON: {error}")))?;
            Ok(self.take(&body, "message").unwrap_or_else(|| self.end()))
        }
    }

    async fn events(&mut self, mut reply: Reply) -> Result<End, Lost> {
        let mut events = Events::default();
        while let Some(piece) = reply.piece().await? {
            events.push(&piece);
            while let Some(data) = events.next() {
                if data == "[DONE]" {
                    return Ok(self.end());
                }
                let chunk = serde_json::from_str::<Value>(&data);
                let chunk = chunk.map_err(|error| Lost::Broken(format!("an event is no JSON: {error}")))?;
                if let Some(end) = self.take(&chunk, "delta") {
                    return Ok(end);
                }
            }
        }
        Ok(self.end())
    }

    /// Takes what a chunk, or a whole answer, says. An error in it is the end.
    fn take(&mut self, body: &Value, part: &str) -> Option<End> {
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Some(End::Broken(format!("an error in the answer: {}", message(error))));
        }
        let choice = &body["choices"][0];
        let texts = ["reasoning_content", "reasoning", "content"].map(|name| choice[part][name].as_str());
        let text: String = texts.into_iter().flatten().collect();
        if !text.is_empty() {
            self.text += &text;
            self.chunks += 1;
            let chunks = self.chunks;
            self.tell.send_modify(|seen| *seen = Seen { stage: Stage::Running, chunks, turned_away: None });
        }
        self.is_finished |= choice["finish_reason"].is_string();
        None
    }

    fn end(&self) -> End {
        if self.is_finished { End::Whole } else { End::Unfinished }
    }
}

async fn refused(reply: Reply) -> Result<End, Lost> {
    let status = reply.status.as_u16();
    let retry_after = reply.header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let body = String::from_utf8_lossy(&reply.bytes().await?).into_owned();
    let message = match serde_json::from_str::<Value>(&body) {
        Ok(json) => message(json.get("error").unwrap_or(&json)),
        Err(_) => shortened(&body),
    };
    Ok(End::Refused { status, retry_after, message })
}

/// What an error object says; they come in several shapes.
fn message(error: &Value) -> String {
    let text = ["message", "detail", "error"].into_iter().find_map(|name| error[name].as_str()).or(error.as_str());
    shortened(text.unwrap_or_default())
}

/// As much of a text as fits into a line.
pub(crate) fn shortened(text: &str) -> String {
    const MAX: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

//! What the checks work with: the server, what is known of it, and experiments that several of them make.

use std::time::Duration;

use futures_util::future::join_all;

use crate::chat::{Answer, Ask, End, Talk, shortened};
use crate::marker::Markers;
use crate::options::Options;
use crate::report::Facts;
use crate::run::{Step, Watch};
use crate::target::Target;

/// Tokens of a short answer. Markers have fewer, whatever the tokens are.
pub(crate) const SHORT_TOKENS: u32 = 48;

/// How often a request is sent again when the server is full, and the longest wait in between.
const TRIES: usize = 6;
const RETRY_MAX: Duration = Duration::from_secs(20);

/// One run.
pub(crate) struct Lab<'a> {
    pub(crate) target: &'a Target,
    pub(crate) options: &'a Options,
    pub(crate) watch: &'a dyn Watch,
    pub(crate) markers: Markers,
    pub(crate) known: Known,
}

/// What the probe has found out.
pub(crate) struct Known {
    pub(crate) facts: Facts,
    /// A request whose answer takes as long as it may, streamed, and that answer when nobody else asks.
    pub(crate) long: (Ask, Answer),
}

/// How an answer relates to the one that the same request got alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kinship {
    Same,
    /// A beginning of it, and then an end that claims to be one.
    CutShort,
    Different,
    /// Not a whole answer.
    Failed(String),
}

impl Lab<'_> {
    pub(crate) fn model(&self) -> &str {
        &self.known.facts.model
    }

    pub(crate) fn clients(&self) -> usize {
        self.options.clients.max(2)
    }

    pub(crate) fn rounds(&self) -> usize {
        self.options.rounds.max(1)
    }

    pub(crate) fn long(&self) -> &Ask {
        &self.known.long.0
    }

    /// The answer to [`long`](Self::long) when nobody else asks.
    pub(crate) fn long_alone(&self) -> &Answer {
        &self.known.long.1
    }

    /// A short question with a word of its own, streamed or not.
    pub(crate) fn short(&self, text: String, stream: bool) -> Ask {
        Ask { model: self.model().to_owned(), text, max_tokens: SHORT_TOKENS, stream }
    }

    /// A short question that nobody has asked before.
    pub(crate) fn fresh(&mut self, stream: bool) -> Ask {
        let marker = self.markers.next();
        self.short(echo(marker.as_str()), stream)
    }

    pub(crate) fn start(&self, ask: &Ask) -> Talk {
        Talk::start(self.target, ask, self.options.answer_timeout)
    }

    /// Asks, and asks again where the server says that it is full.
    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        patiently(self.target, ask, self.options.answer_timeout).await
    }

    /// Asks all of them at one time.
    pub(crate) async fn ask_at_once(&self, asks: &[Ask]) -> Vec<Answer> {
        join_all(asks.iter().map(|ask| self.ask(ask))).await
    }

    pub(crate) fn say(&self, what: impl Into<String>) {
        self.watch.step(&Step::Progress(what.into()));
    }

    /// Waits until the server answers a single client again. `owed` long answers may have been left behind, and a
    /// server that does not notice makes them all before.
    ///
    /// # Errors
    /// That it does not, and how.
    pub(crate) async fn settle(&mut self, owed: usize) -> Result<(), String> {
        self.say("waiting until the server is at rest");
        let owed = u32::try_from(owed).unwrap_or(u32::MAX);
        let limit = self.options.answer_timeout + self.known.long.1.took.saturating_mul(owed).saturating_mul(2);
        let usual = self.known.facts.short_seconds;
        // A server that runs several at a time answers before the others have ended; it is at rest when it is quick.
        for _ in 0..5 {
            let ask = self.fresh(false);
            let answer = patiently(self.target, &ask, limit).await;
            if answer.end != End::Whole {
                return Err(answer.end.describe());
            }
            if answer.took.as_secs_f64() <= usual * 2.0 + 0.005 {
                break;
            }
        }
        Ok(())
    }
}

/// A question that a model which can echo answers with `word`.
pub(crate) fn echo(word: &str) -> String {
    format!("Repeat after me: {word}")
}

pub(crate) async fn patiently(target: &Target, ask: &Ask, limit: Duration) -> Answer {
    let mut tries = 1;
    loop {
        let answer = Talk::start(target, ask, limit).answer().await;
        let End::Refused { retry_after, .. } = answer.end else { return answer };
        if !answer.is_turned_away() || tries == TRIES {
            return answer;
        }
        tries += 1;
        tokio::time::sleep(retry_after.unwrap_or(Duration::from_secs(1)).min(RETRY_MAX)).await;
    }
}

/// Compares an answer with the one that was given alone.
pub(crate) fn kinship(answer: &Answer, alone: &Answer) -> Kinship {
    if answer.end != End::Whole && answer.end != End::Unfinished {
        Kinship::Failed(answer.end.describe())
    } else if answer.text == alone.text && answer.end == alone.end {
        Kinship::Same
    } else if alone.text.starts_with(&answer.text) {
        Kinship::CutShort
    } else {
        Kinship::Different
    }
}

/// A text in quotation marks, cut to what fits into a line.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

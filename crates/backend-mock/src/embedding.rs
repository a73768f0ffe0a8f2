//! Vectors that depend on the text: the same for the same text, and nearer for texts that share more of their words and
//! letters. The score of a document is how near it is to its query.

use std::time::Duration;

use backend::{Embedding, EncodedPrompt, GenerateError};
use tokio::sync::oneshot;

use crate::chance::hash;
use crate::engine::Entered;
use crate::generation::Pace;
use crate::journal::Leave;
use crate::rules::PlannedVector;
use crate::vocabulary::{self, UnknownToken};
use crate::{Fault, Rebuild};

/// What the engine says to whoever waits for the vectors.
pub(crate) enum Computed {
    /// Hand it on.
    Answer(Result<Vec<Embedding>, GenerateError>),
    /// Panic, as scripted.
    Panic,
}

/// One call for embeddings that has entered its engine.
pub(crate) struct Embed {
    pub(crate) entered: Entered,
    /// Each text, its tokens, and what the rules say about its vector; or why there can be none.
    pub(crate) inputs: Result<Vec<Text>, String>,
    /// Numbers in a vector.
    pub(crate) len: usize,
    pub(crate) pace: Pace,
    /// What goes wrong; there are no tokens to count, and what would come after some comes at once.
    pub(crate) faults: Vec<Fault>,
    pub(crate) result: oneshot::Sender<Computed>,
}

/// A text that is embedded, or a document that is ranked.
pub(crate) struct Text {
    pub(crate) said: Input,
    pub(crate) tokens: u32,
    pub(crate) planned: PlannedVector,
}

/// What one input says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// What the document is ranked by; `None` where a text is to be embedded.
    pub(crate) query: Option<String>,
    pub(crate) text: String,
}

impl Input {
    /// What these tokens say.
    ///
    /// # Errors
    /// One of them is in no vocabulary.
    pub(crate) fn of(input: &EncodedPrompt) -> Result<Self, String> {
        let unknown = |UnknownToken(id)| format!("token {id} is not in the vocabulary");
        if let Some((query, text)) = vocabulary::pair_of(&input.tokens).map_err(unknown)? {
            return Ok(Self { query: Some(query), text });
        }
        let bytes: Result<Vec<_>, _> = input.tokens.iter().map(|&token| vocabulary::bytes_of(token)).collect();
        let text = String::from_utf8_lossy(&bytes.map_err(unknown)?.concat()).into_owned();
        Ok(Self { query: None, text })
    }

    /// Its vector of this length, or its score.
    fn values(&self, len: usize) -> Vec<f32> {
        match &self.query {
            None => vector(&self.text, len),
            Some(query) => {
                let pairs = vector(query, SCORE_LEN).into_iter().zip(vector(&self.text, SCORE_LEN));
                vec![pairs.map(|(a, b)| a * b).sum()]
            }
        }
    }
}

/// Numbers of the vectors that a score is made of: so many that different words seldom meet.
const SCORE_LEN: usize = 1024;

impl Embed {
    /// Works until every vector is there, or until nobody waits for them and the stop delay has passed.
    pub(crate) async fn run(mut self) {
        if self.entered.is_broken() {
            let reason = "the lane was not reset after it broke".into();
            self.entered.leave(0, Leave::Broken);
            let _ = self.result.send(Computed::Answer(Err(GenerateError::LaneBroken { reason })));
            return;
        }
        for fault in self.faults.clone() {
            if !self.survives(fault).await {
                return self.fail(fault).await;
            }
        }
        let inputs = match std::mem::replace(&mut self.inputs, Ok(Vec::new())) {
            Ok(inputs) => inputs,
            Err(reason) => {
                self.entered.leave(0, Leave::Failed);
                let _ = self.result.send(Computed::Answer(Err(GenerateError::Failed { reason })));
                return;
            }
        };
        let mut vectors = Vec::with_capacity(inputs.len());
        for input in inputs {
            let time: Duration = input.planned.time.unwrap_or_else(|| self.pace.prefill_time(input.tokens));
            let left = tokio::select! {
                biased;
                () = self.result.closed() => true,
                () = self.pace.wait(time) => false,
            };
            if left {
                return self.cancelled().await;
            }
            vectors.push(Embedding {
                values: input.planned.values.unwrap_or_else(|| input.said.values(self.len)),
                tokens: input.planned.tokens.unwrap_or(input.tokens),
            });
        }
        // The engine is left first: whoever has the answer may enter again.
        self.entered.leave(0, Leave::Finished(backend::FinishReason::Stop));
        let _ = self.result.send(Computed::Answer(Ok(vectors)));
    }

    /// Does what the script says, and whether the work can go on.
    async fn survives(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::SlowPrefill { time } => {
                tokio::select! {
                    biased;
                    () = self.result.closed() => false,
                    () = self.pace.wait(time) => true,
                }
            }
            Fault::HangAfter { .. } => {
                self.result.closed().await;
                false
            }
            Fault::FailBeforeFirstToken
            | Fault::FailAfter { .. }
            | Fault::BreakLaneAfter { .. }
            | Fault::PanicAfter { .. } => false,
            // The one comes when nobody waits any more, and the other is of answers that can be shorter.
            Fault::IgnoreCancelFor { .. } | Fault::StopAfter { .. } => true,
        }
    }

    async fn fail(self, fault: Fault) {
        if self.result.is_closed() {
            return self.cancelled().await;
        }
        let reason = "the script says so".to_owned();
        let (how, says) = match fault {
            Fault::BreakLaneAfter { rebuild, .. } => {
                self.entered.break_engine(rebuild);
                (Leave::Broken, Computed::Answer(Err(GenerateError::LaneBroken { reason })))
            }
            Fault::PanicAfter { .. } => {
                self.entered.break_engine(Rebuild::AfterFailures(0));
                (Leave::Panicked, Computed::Panic)
            }
            _ => (Leave::Failed, Computed::Answer(Err(GenerateError::Failed { reason }))),
        };
        self.entered.leave(0, how);
        let _ = self.result.send(says);
    }

    /// Nobody waits for the vectors any more: the engine stops, in its time.
    async fn cancelled(mut self) {
        self.pace.go_on(&self.faults).await;
        self.entered.leave(0, Leave::Cancelled);
    }
}

/// Counts words and sequences of three letters, each at a place and with a sign that its hash decides, and brings the
/// result to length 1.
fn vector(text: &str, len: usize) -> Vec<f32> {
    let mut values = vec![0.0f64; len];
    let mut count = |feature: &str, weight: f64| {
        let hash = hash(&[feature.as_bytes()]);
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        values[(hash % len as u64) as usize] += sign * weight;
    };
    // Something is always there: an empty text has a direction of its own.
    count("", 0.01);
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        count(word, 1.0);
        let framed: Vec<char> = std::iter::once('<').chain(word.chars()).chain(['>']).collect();
        for three in framed.windows(3) {
            count(&three.iter().collect::<String>(), 0.5);
        }
    }
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 {
        values[0] = 1.0;
        return values.into_iter().map(|value| value as f32).collect();
    }
    values.into_iter().map(|value| (value / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::{Input, vector};

    fn cosine(a: &str, b: &str) -> f32 {
        vector(a, 256).iter().zip(vector(b, 256)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_length_one_and_depend_on_the_text_alone() {
        for text in ["", "!?", "a", "The weather in Paris", "日本"] {
            let length: f32 = vector(text, 64).iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5, "{text:?}: {length}");
            assert_eq!(vector(text, 64), vector(text, 64));
        }
        assert_eq!(vector("x", 1).len(), 1);
    }

    #[test]
    fn texts_that_share_more_are_nearer() {
        let near = cosine("the weather in Paris", "weather of Paris");
        let akin = cosine("the weather in Paris", "weathering Parisians");
        let far = cosine("the weather in Paris", "quarterly tax report");
        assert!(near > akin && akin > far, "{near} {akin} {far}");
        assert!(cosine("same words", "same words") > 0.999);
    }

    #[test]
    fn a_document_that_has_more_of_the_query_scores_higher() {
        let score = |text: &str| {
            let input = Input { query: Some("the weather in Paris".into()), text: text.into() };
            let [score] = input.values(7)[..] else { panic!("a score is one number") };
            score
        };
        assert!(score("weather of Paris, today") > score("a walk in Paris"));
        assert!(score("a walk in Paris") > score("quarterly tax report"));
    }
}

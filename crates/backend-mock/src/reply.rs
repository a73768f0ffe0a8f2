//! What a model answers.

use backend::Sampling;

use crate::chance::mix;

/// What a model answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Does what a few requests ask, and answers the others with one sentence:
    ///
    /// - `Repeat after me: X` is answered by `X`, to the letter;
    /// - `Count from A to B` by the numbers, downwards where A is greater;
    /// - `Which tier are you?` by `I am the NAME tier.` with the model's name.
    ///
    /// At temperature 0 the sentence is always the same; above, the seed and the question choose its words.
    #[default]
    Demo,
    /// Always the same text.
    Fixed(String),
    /// The n-th call's text is the n-th of these. Later calls are answered like [`Reply::Demo`].
    Script(Vec<String>),
}

/// What a reply may depend on.
pub(crate) struct Question<'a> {
    /// The model's name.
    pub(crate) model: &'a str,
    /// The number of the call, from 1.
    pub(crate) call: u64,
    /// What the user said last.
    pub(crate) text: &'a str,
    pub(crate) sampling: &'a Sampling,
    /// Bytes that can be shown: longer replies are cut, so they need not be made.
    pub(crate) bytes_max: usize,
}

impl Reply {
    pub(crate) fn text(&self, question: &Question<'_>) -> String {
        match self {
            Self::Demo => demo(question),
            Self::Fixed(text) => text.clone(),
            Self::Script(texts) => {
                let index = usize::try_from(question.call - 1).unwrap_or(usize::MAX);
                texts.get(index).cloned().unwrap_or_else(|| demo(question))
            }
        }
    }
}

fn demo(question: &Question<'_>) -> String {
    if let Some(text) = question.text.strip_prefix("Repeat after me: ") {
        text.to_string()
    } else if let Some((from, to)) = range(question.text) {
        count(from, to, question.bytes_max)
    } else if question.text == "Which tier are you?" {
        format!("I am the {} tier.", question.model)
    } else {
        sentence(question.text, question.sampling)
    }
}

/// The numbers of `Count from A to B`.
fn range(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.strip_prefix("Count from ")?.trim_end_matches('.').split_once(" to ")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn count(from: u32, to: u32, bytes_max: usize) -> String {
    let mut text = from.to_string();
    let mut n = from;
    while n != to && text.len() < bytes_max {
        n = if n < to { n + 1 } else { n - 1 };
        text += &format!(" {n}");
    }
    text
}

/// The answer to everything else. The first word of each choice is the likeliest.
fn sentence(text: &str, sampling: &Sampling) -> String {
    const WORDS: [&[&str]; 5] = [
        &["I am", "This is", "You have reached", "Here speaks"],
        &["a scripted", "a rehearsed", "an obedient", "a patient"],
        &["model", "understudy", "stand-in", "double"],
        &["and answer", "who answers", "trained to answer", "happy to answer"],
        &["with this sentence.", "in these words.", "like this.", "the same way each time."],
    ];
    let mut state = text.bytes().fold(u64::from(sampling.seed), |state, byte| mix(state ^ u64::from(byte)));
    let choose = |words: &&[&'static str]| {
        state = mix(state);
        if sampling.is_greedy() { words[0] } else { words[(state % words.len() as u64) as usize] }
    };
    WORDS.iter().map(choose).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use backend::Sampling;

    use super::{Question, Reply};

    fn answer(reply: &Reply, call: u64, text: &str, sampling: &Sampling) -> String {
        reply.text(&Question { model: "deep", call, text, sampling, bytes_max: 1000 })
    }

    fn greedy(seed: u32) -> Sampling {
        Sampling { temperature: 0.0, seed, ..Sampling::default() }
    }

    #[test]
    fn demo_requests_are_understood() {
        let demo = |text| answer(&Reply::Demo, 1, text, &greedy(0));
        assert_eq!(demo("Repeat after me:  spaced \"out\" "), " spaced \"out\" ");
        assert_eq!(demo("Repeat after me: "), "");
        assert_eq!(demo("Count from 8 to 11"), "8 9 10 11");
        assert_eq!(demo("Count from 2 to 0."), "2 1 0");
        assert_eq!(demo("Count from 7 to 7"), "7");
        assert_eq!(demo("Which tier are you?"), "I am the deep tier.");
        let other = demo("Count from one to two");
        assert_eq!(other, "I am a scripted model and answer with this sentence.");
        assert_eq!(demo("Hello"), other);
    }

    /// A client may ask for four thousand million numbers.
    #[test]
    fn a_count_is_no_longer_than_can_be_shown() {
        let text = answer(&Reply::Demo, 1, "Count from 1 to 4294967295", &greedy(0));
        assert!((1000..1011).contains(&text.len()), "{} bytes", text.len());
    }

    #[test]
    fn the_seed_varies_the_sentence_above_temperature_zero_only() {
        let texts = |temperature| -> BTreeSet<String> {
            let text = |seed| answer(&Reply::Demo, 1, "Hello", &Sampling { temperature, ..greedy(seed) });
            (0..100).map(text).collect()
        };
        assert_eq!(texts(0.0).len(), 1);
        assert!(texts(0.8).len() > 50, "{} different texts of 100 seeds", texts(0.8).len());
        assert_eq!(texts(0.8), texts(0.8));
    }

    #[test]
    fn a_script_answers_by_the_number_of_the_call_and_then_like_the_demo() {
        let script = Reply::Script(vec!["one".into(), "two".into()]);
        let texts = [1, 2, 3].map(|call| answer(&script, call, "Count from 1 to 3", &greedy(0)));
        assert_eq!(texts, ["one", "two", "1 2 3"]);
    }
}

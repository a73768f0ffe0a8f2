//! Tools to drive a lane by hand: requests, collected answers, and what a finished answer must look like.

use futures_util::StreamExt;

use crate::{
    Chat, ChatMessage, EncodedPrompt, Event, EventStream, Finish, FinishReason, GenerateError, GenerateOptions,
    GenerateRequest, Lane, LoadedModel, Prompt, PromptError, Role, Sampling,
};

/// Tokens that a [`request`] may generate: far more than any answer of the suite has.
pub const MAX_TOKENS: u32 = 400;

/// Events after which a stream counts as endless.
const EVENTS_MAX: usize = 100_000;

/// What [`check_as_new`] asks a lane to repeat.
pub const PROBE: &str = "kestrel-4821 violet";

/// A conversation of one message by the user.
pub fn chat(content: impl Into<String>) -> Prompt {
    Prompt::Chat(Chat::new(vec![ChatMessage::new(Role::User, content)]))
}

/// Asks the subject to answer exactly `text`.
pub fn repeat(text: &str) -> Prompt {
    chat(format!("Repeat after me: {text}"))
}

/// Asks the subject for its longest answer, [`count_text`].
pub fn count() -> Prompt {
    chat("Count from 1 to 60")
}

/// The answer to [`count`].
pub fn count_text() -> String {
    (1..=60).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
}

/// Sampling that always takes the likeliest token.
pub fn greedy() -> Sampling {
    Sampling { temperature: 0.0, ..Sampling::default() }
}

/// Encodes a prompt that is expected to fit.
pub async fn encode(model: &LoadedModel, prompt: Prompt) -> EncodedPrompt {
    model.encoder.encode(prompt).await.expect("a prompt of the suite fits")
}

/// A request for an encoded prompt: temperature 0, at most [`MAX_TOKENS`], no stop strings.
pub fn request_for(prompt: EncodedPrompt) -> GenerateRequest {
    let options = GenerateOptions { sampling: greedy(), ..GenerateOptions::default() };
    GenerateRequest { prompt, options, max_tokens: MAX_TOKENS }
}

/// Encodes a prompt that is expected to fit, and makes the request [`request_for`] it.
pub async fn request(model: &LoadedModel, prompt: Prompt) -> GenerateRequest {
    request_for(encode(model, prompt).await)
}

/// `n` short words. Its prompts grow with `n`, by little.
pub fn words(n: usize) -> String {
    vec!["sand"; n].join(" ")
}

/// The longest prompt of [`words`] that the model takes, and the refusal of the next longer one.
pub async fn longest_prompt(model: &LoadedModel) -> (EncodedPrompt, PromptError) {
    let try_words = async |n| model.encoder.encode(chat(words(n))).await;
    let (mut fits, mut refused) = (1, 2);
    while try_words(refused).await.is_ok() {
        // A word is a token at least. Without this an encoder that takes everything would be fed until memory ends.
        assert!(refused < model.info.context_len as usize, "{refused} words fit the context");
        (fits, refused) = (refused, refused * 2);
    }
    while refused - fits > 1 {
        let middle = fits + (refused - fits) / 2;
        if try_words(middle).await.is_ok() { fits = middle } else { refused = middle }
    }
    let prompt = try_words(fits).await.expect("it was taken a moment ago");
    (prompt, try_words(refused).await.expect_err("it was refused a moment ago"))
}

/// Everything that one stream gave, until its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The events, in order.
    pub events: Vec<Event>,
    /// The error that ended the stream, if one did.
    pub error: Option<GenerateError>,
}

impl Answer {
    /// The text of all tokens together.
    pub fn text(&self) -> String {
        self.token_texts().collect()
    }

    /// The text of each token.
    pub fn token_texts(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Token(token) => Some(token.text.as_str()),
            _ => None,
        })
    }

    /// How it ended. Panics when it did not end well.
    pub fn finish(&self) -> Finish {
        match (self.events.last(), &self.error) {
            (Some(Event::Finish(finish)), None) => *finish,
            (last, error) => {
                panic!("the answer is not finished: last event {last:?}, error {error:?}")
            }
        }
    }

    /// Why it ended. Panics when it did not end well.
    pub fn reason(&self) -> FinishReason {
        self.finish().reason
    }
}

/// Reads a stream until its end, and drops it.
pub async fn collect(mut stream: EventStream<'_>) -> Answer {
    let mut answer = Answer { events: Vec::new(), error: None };
    while let Some(item) = stream.next().await {
        assert!(answer.error.is_none(), "an item follows the error: {item:?}");
        match item {
            Ok(event) => answer.events.push(event),
            Err(error) => answer.error = Some(error),
        }
        assert!(answer.events.len() < EVENTS_MAX, "the stream does not end");
    }
    answer
}

/// Runs a request as a lease does, quiesce included, and checks that the answer is [in order](check_order).
pub async fn run(lane: &mut dyn Lane, request: GenerateRequest) -> Answer {
    let (prompt_tokens, max_tokens) = (n_tokens(&request.prompt), request.max_tokens);
    let answer = collect(lane.generate(request)).await;
    lane.quiesce().await;
    check_order(&answer, prompt_tokens);
    assert!(answer.token_texts().count() <= max_tokens as usize, "more than {max_tokens} tokens: {answer:?}");
    answer
}

/// Runs a request and returns its text.
pub async fn text_of(lane: &mut dyn Lane, request: GenerateRequest) -> String {
    let answer = run(lane, request).await;
    answer.finish();
    answer.text()
}

/// Length of a prompt.
pub fn n_tokens(prompt: &EncodedPrompt) -> u32 {
    u32::try_from(prompt.tokens.len()).expect("a prompt fits the context, whose length is a u32")
}

/// Panics unless the answer keeps the order that [`EventStream`] promises, and its usage is what was counted.
pub fn check_order(answer: &Answer, prompt_tokens: u32) {
    let mut last_prompt = None;
    let mut completion_tokens = 0;
    for (at, event) in answer.events.iter().enumerate() {
        match event {
            &Event::Prompt { processed, total } => {
                assert_eq!(completion_tokens, 0, "prompt progress after a token: {answer:?}");
                assert_eq!(total, prompt_tokens, "the prompt has another length: {event:?}");
                assert!(processed <= total, "more processed than there is: {event:?}");
                assert!(last_prompt <= Some(processed), "progress went back to {processed}: {answer:?}");
                last_prompt = Some(processed);
            }
            Event::Token(_) => {
                assert_eq!(last_prompt, Some(prompt_tokens), "a token before the prompt was processed: {answer:?}");
                completion_tokens += 1;
            }
            Event::Finish(finish) => {
                assert_eq!(last_prompt, Some(prompt_tokens), "finished before the prompt was processed: {answer:?}");
                assert_eq!(at + 1, answer.events.len(), "an event follows the finish: {answer:?}");
                assert!(answer.error.is_none(), "an error follows the finish: {answer:?}");
                assert_eq!(finish.usage.prompt_tokens, prompt_tokens, "prompt tokens in {finish:?}");
                assert!(finish.usage.cached_tokens <= prompt_tokens, "more remembered than there is: {finish:?}");
                assert_eq!(finish.usage.completion_tokens, completion_tokens, "completion tokens in {finish:?}");
            }
        }
    }
    let finished = matches!(answer.events.last(), Some(Event::Finish(_)));
    assert!(finished || answer.error.is_some(), "the stream ended without a finish or an error: {answer:?}");
}

/// Panics unless the lane answers as a new one would: with exactly [`PROBE`], in full.
pub async fn check_as_new(model: &LoadedModel, lane: &mut dyn Lane) {
    let answer = run(lane, request(model, repeat(PROBE)).await).await;
    assert_eq!(answer.text(), PROBE);
    assert_eq!(answer.reason(), FinishReason::Stop);
}

/// Takes the only lane out of a model that was loaded with one.
pub fn only_lane(model: &mut LoadedModel) -> Box<dyn Lane> {
    assert_eq!(model.lanes.len(), 1, "one lane was asked for");
    model.lanes.remove(0)
}

/// Starts a request, reads `n` of its tokens and drops the stream. Does not wait for the engine.
pub async fn cancel_after_tokens(lane: &mut dyn Lane, request: GenerateRequest, n: usize) {
    let mut stream = lane.generate(request);
    let mut seen = 0;
    while seen < n {
        match stream.next().await {
            Some(Ok(Event::Token(_))) => seen += 1,
            Some(Ok(Event::Prompt { .. })) => {}
            other => panic!("{seen} tokens, then {other:?}, where {n} tokens were expected"),
        }
    }
}

//! That the conformance suite can turn red: engines with one bug each, and the tests that must catch it.
//!
//! A bug is a thin layer over the mock that is wrong in one respect, as an implementation could be.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backend::conformance::{self, Subject};
use backend::{
    Backend, Chat, ChatMessage, Embedding, EncodedPrompt, Event, EventStream, FinishReason, GenerateError,
    GenerateOptions, GenerateRequest, Lane, LaneBroken, LoadedModel, Prompt, PromptEncoder, PromptError, TokenId,
};
use backend_mock::{MockBackend, MockConfig};
use futures_util::{FutureExt, StreamExt, stream};

use crate::kit::{slow, spec};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// The layer alone, which must change nothing.
    None,
    // What the stream says.
    NoFinish,
    TwoFinishes,
    NoPromptProgress,
    UsageOneTooFew,
    LengthForStop,
    BrokenCharacters,
    // What the request asked for.
    StopStringsIgnored,
    HeldTextForgotten,
    MaxTokensIgnored,
    OneTokenMore,
    SeedIgnored,
    SeedUsedAtTemperatureZero,
    // What the lane remembers.
    TextOfTheRequestBefore,
    ErrorsStay,
    CancelledTextStays,
    // The lane's other calls.
    QuiesceDoesNotWait,
    QuiesceAlwaysWaits,
    ResetBreaks,
    // The encoder.
    ControlTokensUnderstood,
    EverythingTaken,
    EmptyPromptTaken,
    LongPromptTaken,
    LongPromptMiscounted,
    HalfTheContextRefused,
    LastTokenLost,
    UnknownTokensEmpty,
    UnknownAdaptersTaken,
    OneLaneTooFew,
    LanesCrossed,
}

struct Buggy(Bug);

impl Subject for Buggy {
    async fn load(&self, lanes: u32) -> LoadedModel {
        let script = backend_mock::ModelScript { context_len: 512, ..slow() };
        let mock = MockBackend::new(MockConfig::default().with_model("fast", script));
        let mut model = mock.load(spec(lanes), Arc::new(|_| {})).await.unwrap();
        let bug = self.0;
        let crossing = Arc::new(Mutex::new(Crossing::default()));
        let wrap = |inner| -> Box<dyn Lane> {
            let crossing = Arc::clone(&crossing);
            Box::new(BuggyLane { inner, bug, n_requests: 0, left_over: String::new(), crossing })
        };
        model.lanes = model.lanes.into_iter().map(wrap).collect();
        model.encoder = Arc::new(BuggyEncoder { inner: model.encoder, bug, context_len: model.info.context_len });
        if bug == Bug::OneLaneTooFew && lanes > 1 {
            model.lanes.pop();
        }
        model
    }

    fn lanes_max(&self) -> u32 {
        2
    }
}

struct BuggyLane {
    inner: Box<dyn Lane>,
    bug: Bug,
    n_requests: u32,
    /// What a bug carries over to the next request.
    left_over: String,
    /// What all lanes of a model share, though they should not.
    crossing: Arc<Mutex<Crossing>>,
}

#[derive(Default)]
struct Crossing {
    n_running: u32,
    /// The latest token of any lane.
    text: String,
}

#[async_trait]
impl Lane for BuggyLane {
    fn generate(&mut self, mut request: GenerateRequest) -> EventStream<'_> {
        self.n_requests += 1;
        self.spoil_request(&mut request);
        let carried = match self.bug {
            Bug::TextOfTheRequestBefore | Bug::CancelledTextStays => std::mem::take(&mut self.left_over),
            _ => String::new(),
        };
        if self.bug == Bug::CancelledTextStays {
            self.left_over = "stale".into();
        }
        self.crossing.lock().unwrap().n_running += 1;
        let mut spoiler = Spoiler {
            bug: self.bug,
            stops: !request.options.stop.is_empty(),
            carried,
            left_over: &mut self.left_over,
            crossing: Arc::clone(&self.crossing),
        };
        let items = self.inner.generate(request).flat_map(move |mut item| {
            let times = spoiler.spoil(&mut item);
            stream::iter(std::iter::repeat_n(item, times))
        });
        Box::pin(items)
    }

    async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError> {
        self.inner.embed(inputs).await
    }

    async fn quiesce(&mut self) {
        {
            let mut crossing = self.crossing.lock().unwrap();
            crossing.n_running = crossing.n_running.saturating_sub(1);
        }
        match self.bug {
            Bug::QuiesceDoesNotWait => {}
            Bug::QuiesceAlwaysWaits => {
                tokio::task::yield_now().await;
                self.inner.quiesce().await;
            }
            _ => self.inner.quiesce().await,
        }
    }

    async fn reset(&mut self) -> Result<(), LaneBroken> {
        if self.bug == Bug::ResetBreaks {
            return Err(LaneBroken { reason: "it was sound before".into() });
        }
        self.inner.reset().await
    }
}

impl BuggyLane {
    fn spoil_request(&self, request: &mut GenerateRequest) {
        match self.bug {
            Bug::StopStringsIgnored => request.options.stop.clear(),
            Bug::MaxTokensIgnored => request.max_tokens = 400,
            Bug::OneTokenMore => request.max_tokens = request.max_tokens.saturating_add(1),
            Bug::SeedIgnored => request.options.sampling.seed = self.n_requests,
            Bug::SeedUsedAtTemperatureZero => request.options.sampling.temperature = 0.5,
            Bug::ErrorsStay if self.left_over == "error" => request.prompt.tokens = vec![u32::MAX],
            _ => {}
        }
    }
}

/// Spoils the items of one stream.
struct Spoiler<'lane> {
    bug: Bug,
    /// Whether the request has stop strings.
    stops: bool,
    /// What the request before left over.
    carried: String,
    /// What this one leaves over.
    left_over: &'lane mut String,
    crossing: Arc<Mutex<Crossing>>,
}

impl Spoiler<'_> {
    /// Spoils an item, and says how often it is to come.
    fn spoil(&mut self, item: &mut Result<Event, GenerateError>) -> usize {
        match (self.bug, item) {
            (_, Ok(Event::Token(token))) => self.spoil_text(&mut token.text),
            (Bug::NoFinish, Ok(Event::Finish(_))) | (Bug::NoPromptProgress, Ok(Event::Prompt { .. })) => return 0,
            (Bug::TwoFinishes, Ok(Event::Finish(_))) => return 2,
            (Bug::UsageOneTooFew, Ok(Event::Finish(finish))) => finish.usage.completion_tokens -= 1,
            (Bug::LengthForStop, Ok(Event::Finish(finish))) => finish.reason = FinishReason::Length,
            (Bug::CancelledTextStays, Ok(Event::Finish(_))) => self.left_over.clear(),
            (Bug::ErrorsStay, Err(_)) => *self.left_over = "error".into(),
            _ => {}
        }
        1
    }

    fn spoil_text(&mut self, text: &mut String) {
        text.insert_str(0, &std::mem::take(&mut self.carried));
        match self.bug {
            Bug::TextOfTheRequestBefore if !text.is_empty() => self.left_over.clone_from(text),
            Bug::BrokenCharacters => *text = text.replace(|c: char| !c.is_ascii(), "\u{fffd}"),
            // Text is released byte by byte, unless it had been held back.
            Bug::HeldTextForgotten if self.stops && text.len() > 1 => text.clear(),
            Bug::LanesCrossed => {
                let mut crossing = self.crossing.lock().unwrap();
                if crossing.n_running > 1 {
                    std::mem::swap(text, &mut crossing.text);
                } else {
                    crossing.text.clone_from(text);
                }
            }
            _ => {}
        }
    }
}

struct BuggyEncoder {
    inner: Arc<dyn PromptEncoder>,
    bug: Bug,
    context_len: u32,
}

#[async_trait]
impl PromptEncoder for BuggyEncoder {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        let context_len = self.context_len;
        if let (Bug::ControlTokensUnderstood, Prompt::Chat(chat)) = (self.bug, &prompt) {
            let messages = &chat.messages;
            let cut = |content: &str| content.split("<|im_end|>").next().unwrap_or_default().to_string();
            let messages = messages.iter().map(|m| ChatMessage::new(m.role, cut(&m.content)));
            return self.inner.encode(Prompt::Chat(Chat::new(messages.collect()))).await;
        }
        match (self.bug, self.inner.encode(prompt.clone()).await) {
            (Bug::EverythingTaken, Err(_)) => Ok(EncodedPrompt { prompt, tokens: vec![1] }),
            (Bug::EmptyPromptTaken, Err(PromptError::Empty)) => Ok(EncodedPrompt { prompt, tokens: vec![1] }),
            (Bug::LongPromptTaken, Err(PromptError::TooLong { tokens, .. })) if tokens < context_len + 20 => {
                Ok(EncodedPrompt { prompt, tokens: vec![1; tokens as usize] })
            }
            (Bug::LongPromptMiscounted, Err(PromptError::TooLong { context_len, .. })) => {
                Err(PromptError::TooLong { tokens: context_len, context_len })
            }
            (Bug::HalfTheContextRefused, Ok(encoded)) if encoded.tokens.len() > context_len as usize / 2 => {
                Err(PromptError::TooLong { tokens: context_len, context_len })
            }
            (_, encoded) => encoded,
        }
    }

    async fn check(&self, prompt: &EncodedPrompt, options: &GenerateOptions) -> Result<(), PromptError> {
        if self.bug == Bug::UnknownAdaptersTaken { Ok(()) } else { self.inner.check(prompt, options).await }
    }

    async fn render(&self, chat: Chat) -> Result<String, PromptError> {
        self.inner.render(chat).await
    }

    async fn tokenize(&self, text: String, specials: bool, as_prompt: bool) -> Result<Vec<TokenId>, PromptError> {
        let mut tokens = self.inner.tokenize(text, specials, as_prompt).await?;
        if self.bug == Bug::LastTokenLost {
            tokens.pop();
        }
        Ok(tokens)
    }

    async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, PromptError> {
        match (self.bug, self.inner.token_bytes(tokens).await) {
            (Bug::UnknownTokensEmpty, Err(PromptError::UnknownToken { .. })) => Ok(Vec::new()),
            (_, bytes) => bytes,
        }
    }
}

/// Were the layer itself wrong, every bug would seem to be caught.
mod without_a_bug {
    use super::{Bug, Buggy};

    fn sound() -> Buggy {
        Buggy(Bug::None)
    }
    backend::conformance_tests!(sound, start_paused = true);
}

/// Each of the named tests must fail for a subject with this bug.
macro_rules! caught {
    ($($name:ident: $bug:ident by $($test:ident),+;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            $(
                let verdict = AssertUnwindSafe(conformance::$test(&Buggy(Bug::$bug))).catch_unwind().await;
                assert!(verdict.is_err(), "{} did not notice", stringify!($test));
            )+
        })*
    };
}

caught! {
    a_missing_finish_is_caught: NoFinish by events_come_in_the_order_of_the_contract;
    a_second_finish_is_caught: TwoFinishes by events_come_in_the_order_of_the_contract;
    missing_progress_is_caught: NoPromptProgress by
        events_come_in_the_order_of_the_contract,
        a_lane_is_as_new_after_a_cancel_in_prefill;
    a_wrong_usage_is_caught: UsageOneTooFew by events_come_in_the_order_of_the_contract;
    a_wrong_reason_is_caught: LengthForStop by
        the_answer_ends_by_itself_with_stop,
        a_stop_string_split_over_tokens_is_found_and_never_shown;
    broken_characters_are_caught: BrokenCharacters by a_character_split_over_tokens_comes_out_whole;
    ignored_stop_strings_are_caught: StopStringsIgnored by a_stop_string_split_over_tokens_is_found_and_never_shown;
    forgotten_text_is_caught: HeldTextForgotten by text_that_only_begins_a_stop_string_is_shown;
    an_ignored_bound_is_caught: MaxTokensIgnored by max_tokens_ends_the_answer_with_length, one_token_is_enough;
    a_bound_off_by_one_is_caught: OneTokenMore by max_tokens_ends_the_answer_with_length, one_token_is_enough;
    an_ignored_seed_is_caught: SeedIgnored by the_same_seed_gives_the_same_text;
    chance_at_temperature_zero_is_caught: SeedUsedAtTemperatureZero by temperature_zero_ignores_the_seed;
    text_carried_over_is_caught: TextOfTheRequestBefore by the_text_is_independent_of_what_ran_before;
    errors_that_stay_are_caught: ErrorsStay by a_lane_is_as_new_after_an_error;
    text_of_a_cancelled_request_is_caught: CancelledTextStays by
        a_lane_is_as_new_after_a_cancel_before_the_first_poll,
        a_lane_is_as_new_after_a_cancel_in_prefill,
        a_lane_is_as_new_after_a_cancel_in_decode;
    a_quiesce_that_does_not_wait_is_caught: QuiesceDoesNotWait by
        a_lane_is_as_new_after_a_cancel_before_the_first_poll,
        a_lane_is_as_new_after_a_cancel_in_prefill,
        a_lane_is_as_new_after_a_cancel_in_decode,
        quiesce_may_be_dropped_and_called_again;
    a_quiesce_that_always_waits_is_caught: QuiesceAlwaysWaits by quiesce_returns_at_once_when_idle;
    a_reset_that_breaks_is_caught: ResetBreaks by reset_on_a_sound_lane_is_harmless;
    control_tokens_in_text_are_caught: ControlTokensUnderstood by a_control_token_written_out_is_text;
    an_encoder_that_takes_everything_is_caught: EverythingTaken by
        an_empty_prompt_is_refused,
        a_prompt_longer_than_the_context_is_refused_with_the_numbers,
        a_prompt_that_just_fits_is_taken;
    an_empty_prompt_that_is_taken_is_caught: EmptyPromptTaken by an_empty_prompt_is_refused;
    a_long_prompt_that_is_taken_is_caught: LongPromptTaken by
        a_prompt_that_just_fits_is_taken,
        the_context_bounds_the_answer;
    wrong_numbers_are_caught: LongPromptMiscounted by a_prompt_longer_than_the_context_is_refused_with_the_numbers;
    a_context_cut_in_half_is_caught: HalfTheContextRefused by a_prompt_that_just_fits_is_taken;
    a_lost_token_is_caught: LastTokenLost by a_text_comes_back_from_its_tokens;
    an_unknown_token_without_bytes_is_caught: UnknownTokensEmpty by a_token_that_does_not_exist_is_refused;
    an_unknown_adapter_that_is_taken_is_caught: UnknownAdaptersTaken by an_adapter_that_does_not_exist_is_refused;
    a_missing_lane_is_caught: OneLaneTooFew by
        there_are_as_many_lanes_as_asked_for,
        two_lanes_are_apart,
        cancelling_on_one_lane_leaves_the_other_alone;
    text_of_another_lane_is_caught: LanesCrossed by two_lanes_are_apart;
}

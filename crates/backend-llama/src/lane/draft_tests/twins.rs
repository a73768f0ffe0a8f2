//! One model twice, with drafts and without, to which the same is said.

use backend::conformance::kit;
use backend::{Event, GenerateRequest, ModelSpec, Prompt, Usage};

use super::{Subject, with_drafts};
use crate::load::Loaded;
use crate::testing;

/// What is to be repeated: after four letters the next are drafted, seven at a time, until all 25 are there and the end.
pub(super) const ECHO: &str = "kestrel-4821 violet otter";

pub(super) struct Twins {
    pub(super) plain: Subject,
    pub(super) drafting: Subject,
}

impl Twins {
    pub(super) async fn load(spec: ModelSpec) -> Self {
        let drafting = with_drafts(spec.clone());
        Self::of(testing::load_spec(spec).await.0, testing::load_spec(drafting).await.0).await
    }

    /// The first drafts of an engine are only compared; here that is over, for up to 450 tokens.
    pub(super) async fn of(plain: Loaded, drafting: Loaded) -> Self {
        let mut twins = Self { plain: Subject::new(plain), drafting: Subject::new(drafting) };
        twins.go_on(40, 150).await;
        twins.go_on(300, 150).await;
        twins
    }

    /// Goes on with a text of so many tokens that repeats itself.
    async fn go_on(&mut self, n_tokens: usize, max_tokens: u32) -> Usage {
        let mut request = self.request(Prompt::Text("xy".repeat(n_tokens / 2))).await;
        (request.options.ignore_end, request.max_tokens) = (true, max_tokens);
        self.same(&request).await
    }

    pub(super) async fn request(&self, prompt: Prompt) -> GenerateRequest {
        kit::request(&self.plain.model, prompt).await
    }

    /// Runs a request on both, compares all that is told of it but what was drafted, and returns the usage with drafts.
    pub(super) async fn same(&mut self, request: &GenerateRequest) -> Usage {
        let expected = kit::run(&mut self.plain.lane, request.clone()).await;
        let mut answer = kit::run(&mut self.drafting.lane, request.clone()).await;
        let usage = answer.finish().usage;
        assert!(usage.accepted_tokens <= usage.drafted_tokens, "{usage:?}");
        assert!(usage.accepted_tokens < usage.completion_tokens.max(1), "the first token is never drafted: {usage:?}");
        if let Some(Event::Finish(finish)) = answer.events.last_mut() {
            (finish.usage.drafted_tokens, finish.usage.accepted_tokens) = (0, 0);
        }
        assert_eq!(answer.text(), expected.text(), "{:?}", request.options);
        assert!(answer == expected, "{:?}: {answer:?} for {expected:?}", request.options);
        usage
    }
}

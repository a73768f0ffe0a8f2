//! What is guessed of an answer changes nothing but the time.

mod doubts;
mod lives;
mod options;
mod twins;

use backend::conformance::kit;
use backend::{GenerateRequest, LoadedModel, ModelSpec, Prompt, TokenId, Usage};

use crate::load::Loaded;
use crate::testing;

/// Texts that repeat themselves, that are to be repeated, and that do neither.
const PROMPTS: [&str; 6] = [
    "Repeat after me: kestrel-4821 violet kestrel-4821 violet kestrel-4821 violet",
    "Repeat after me: otter 3 gravel 77 otter 3 gravel 78 otter 3 gravel 79 otter 3",
    "Count from 1 to 20.",
    "Tell me about the sea",
    "xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy",
    "the cat sat; the cat ran; the cat sat; the dog sat; the cat",
];

struct Subject {
    model: LoadedModel,
    lane: super::LlamaLane,
}

impl Subject {
    fn new(loaded: Loaded) -> Self {
        let mut lanes = loaded.lanes;
        let lane = lanes.remove(0);
        let encoder = std::sync::Arc::new(loaded.encoder);
        Self { model: LoadedModel { info: loaded.info, encoder, lanes: vec![] }, lane }
    }

    async fn run(&mut self, request: &GenerateRequest) -> (String, Usage) {
        let answer = kit::run(&mut self.lane, request.clone()).await;
        (answer.text(), answer.finish().usage)
    }
}

/// Every prompt greedy and sampled, as text that goes on for long.
async fn requests(model: &LoadedModel) -> Vec<GenerateRequest> {
    let mut requests = Vec::new();
    for prompt in PROMPTS {
        for seed in 0..4 {
            let mut request = if seed % 2 == 0 {
                kit::request(model, kit::chat(prompt)).await
            } else {
                kit::request(model, Prompt::Text(prompt.to_string())).await
            };
            request.options.ignore_end = seed > 1;
            request.max_tokens = 90;
            if seed > 0 {
                request.options.sampling.seed = seed;
            }
            request.options.sampling.temperature = if seed == 3 { 0.7 } else { 0.0 };
            requests.push(request);
        }
    }
    requests
}

/// Answers with drafts are those without, letter by letter, and drafts were accepted and refused on the way.
/// Method: every request twice, since the first drafts of an engine are only compared.
async fn drafts_change_no_letter(plain: Loaded, drafting: Loaded) {
    let (mut plain, mut drafting) = (Subject::new(plain), Subject::new(drafting));
    let (mut drafted, mut accepted) = (0, 0);
    for round in 0..2 {
        for request in requests(&plain.model).await {
            let (expected, without) = plain.run(&request).await;
            let (text, usage) = drafting.run(&request).await;
            assert_eq!(text, expected, "round {round}: {:?}", request.options.sampling);
            assert_eq!(usage.completion_tokens, without.completion_tokens, "round {round}");
            assert_eq!((without.drafted_tokens, without.accepted_tokens), (0, 0));
            drafted += usage.drafted_tokens;
            accepted += usage.accepted_tokens;
        }
    }
    println!("{accepted} of {drafted} drafted tokens were accepted");
    assert!(accepted > 500, "few drafts were right: {accepted} of {drafted}");
    assert!(drafted - accepted > 50, "no draft was wrong: {accepted} of {drafted}");
}

fn with_drafts(mut spec: ModelSpec) -> ModelSpec {
    spec.tuning.draft_tokens = 7;
    spec
}

#[tokio::test]
async fn drafts_change_no_letter_with_8_bit_weights() {
    let ((plain, _), (drafting, _)) = (testing::load().await, testing::load_spec(with_drafts(testing::spec())).await);
    drafts_change_no_letter(plain, drafting).await;
}

/// With these, drafts have other bits than plain steps, and choices that are not ahead are made anew.
#[tokio::test]
async fn drafts_change_no_letter_with_16_bit_weights() {
    let (plain, _) = testing::load_half().await;
    let (drafting, _) = testing::load_half_with(|spec| spec.tuning.draft_tokens = 7).await;
    drafts_change_no_letter(plain, drafting).await;
}

/// What drafts leave in the cache is not taken for a prompt's: the next request finds whole steps only.
#[tokio::test]
async fn what_drafts_leave_is_not_used_again() {
    let (loaded, _) = testing::load_spec(with_drafts(testing::spec())).await;
    let mut subject = Subject::new(loaded);
    let mut request = kit::request(&subject.model, Prompt::Text("xy".repeat(32))).await;
    request.options.ignore_end = true;
    request.max_tokens = 150;
    for _ in 0..3 {
        subject.run(&request).await;
    }
    let (text, usage) = subject.run(&request).await;
    assert!(usage.accepted_tokens > 50, "{usage:?}");
    let answer: Vec<TokenId> = text.bytes().map(TokenId::from).collect();
    assert!(answer.len() > 100, "{text}");
    let n_prompt = request.prompt.tokens.len();
    let encoded = kit::encode(&subject.model, Prompt::Text(format!("{}{text}", "xy".repeat(32)))).await;
    let mut next = request.clone();
    next.prompt = encoded;
    let (_, usage) = subject.run(&next).await;
    assert_eq!(usage.cached_tokens as usize, n_prompt / 64 * 64, "{usage:?}");
}

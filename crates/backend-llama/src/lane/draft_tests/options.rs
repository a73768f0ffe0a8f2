//! Drafts with everything else that can be asked of an answer.

use backend::conformance::kit;
use backend::{
    Chat, ChatMessage, Constraint, Dry, GenerateRequest, Mirostat, MirostatVersion, Prompt, Role, Sampling, Tool,
    ToolChoice, Usage,
};

use super::twins::{ECHO, Twins};
use crate::testing;

/// Calls in `<tool_call>`, which the demo model's own template does not know.
const TOOLS: &str = "{% if tools %}{% for tool in tools %}{{ tool.function.name }}{% endfor %}{% endif %}\
                     {% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content }}\
                     {{ '<|im_end|>\n' }}{% endfor %}{# <tool_call> #}{{ '<|im_start|>assistant\n' }}";

async fn twins() -> Twins {
    Twins::load(testing::spec()).await
}

async fn echo(twins: &Twins) -> GenerateRequest {
    twins.request(kit::repeat(ECHO)).await
}

fn counts(usage: Usage) -> [u32; 3] {
    [usage.completion_tokens, usage.drafted_tokens, usage.accepted_tokens]
}

/// What is counted is what was computed and what was chosen of it, whichever token ends the answer.
/// Method: four letters come without a draft, then three drafts of seven, behind the first two of which one more is chosen.
#[tokio::test]
async fn drafts_are_counted_to_the_last_token() {
    let mut twins = twins().await;
    let echo = echo(&twins).await;
    assert_eq!(counts(twins.same(&echo).await), [26, 21, 7 + 7 + 6], "the end of the answer is the sixth of its draft");
    let mut stopped = echo.clone();
    stopped.options.stop = vec!["tt".to_string()];
    assert_eq!(counts(twins.same(&stopped).await), [23, 21, 7 + 7 + 3], "a stop string ends in the third");
    let mut constrained = echo.clone();
    constrained.options.constraint = Some(Constraint::Grammar(format!("root ::= \"{ECHO}\"")));
    assert_eq!(counts(twins.same(&constrained).await), [25, 21, 7 + 7 + 5], "nothing may follow the fifth");
    let mut bounded = echo.clone();
    bounded.max_tokens = 25;
    assert_eq!(counts(twins.same(&bounded).await), [25, 14, 7 + 7], "the third has no room for all of its tokens");
    bounded.max_tokens = 28;
    assert_eq!(counts(twins.same(&bounded).await), [26, 21, 7 + 7 + 6], "and here it has");
}

/// Wherever in a draft an answer must end it ends there.
#[tokio::test]
async fn an_answer_ends_anywhere_in_a_draft() {
    let mut twins = twins().await;
    let echo = echo(&twins).await;
    let mut ends_in_draft = 0;
    for end in 1..=ECHO.len() {
        let mut bounded = echo.clone();
        bounded.max_tokens = u32::try_from(end).expect("a short text");
        let usage = twins.same(&bounded).await;
        assert_eq!(usage.completion_tokens, bounded.max_tokens);
        let mut stopped = echo.clone();
        stopped.options.stop = vec![ECHO[end.saturating_sub(4)..end].to_string()];
        let usage = twins.same(&stopped).await;
        assert_eq!(usage.completion_tokens as usize, end, "{:?}", stopped.options.stop);
        ends_in_draft += u32::from(usage.drafted_tokens % 7 == 0 && usage.accepted_tokens % 7 > 0);
    }
    // All but the four before the first draft, the two that come behind one, and the two that are the last of one.
    assert_eq!(ends_in_draft, 25 - 4 - 2 - 2);
}

/// What a constraint allows of a draft is taken, and what it does not is not.
#[tokio::test]
async fn constraints_hold_in_drafts() {
    let mut twins = twins().await;
    let object = format!(r#"{{"const": "{ECHO}"}}"#);
    let schema = format!(
        r#"{{"type": "object", "properties": {{"a": {object}, "b": {object}}}, "required": ["a", "b"],
             "additionalProperties": false}}"#
    );
    let cases = [
        Constraint::Grammar("root ::= [a-z0-9 -]+".to_string()),
        // In the middle of drafts another letter is asked for than was drafted.
        Constraint::Grammar("root ::= \"kestrel-4831 violet ot\" [a-z]{2,5}".to_string()),
        Constraint::Grammar("root ::= x \"!\"\nx ::= [a-y0-9 -] x | [a-z]".to_string()),
        Constraint::JsonSchema(schema),
    ];
    for constraint in cases {
        let (mut drafted, mut accepted) = (0, 0);
        for temperature in [0.0, 0.8] {
            let mut request = echo(&twins).await;
            request.options.sampling = Sampling { temperature, seed: 5, ..Sampling::default() };
            request.options.constraint = Some(constraint.clone());
            request.max_tokens = 120;
            let usage = twins.same(&request).await;
            drafted += usage.drafted_tokens;
            accepted += usage.accepted_tokens;
        }
        assert!(accepted > 6, "{accepted} of {drafted} with {constraint:?}");
    }
}

#[tokio::test]
async fn a_forced_call_is_the_same_call() {
    let spec = backend::ModelSpec { chat_template: Some(TOOLS.to_string()), ..testing::spec() };
    let mut twins = Twins::load(spec).await;
    let text = format!(r#"{{"const": "{ECHO}"}}"#);
    let parameters = format!(
        r#"{{"type": "object", "properties": {{"a": {text}, "b": {text}}}, "required": ["a", "b"],
             "additionalProperties": false}}"#
    );
    let tools = vec![Tool { name: "look".into(), description: None, parameters: Some(parameters) }];
    for (tool_choice, single_call) in [(ToolChoice::Named("look".into()), true), (ToolChoice::Required, false)] {
        let messages = vec![ChatMessage::new(Role::User, format!("Repeat after me: {ECHO}"))];
        let chat = Chat { messages, tools: tools.clone(), tool_choice, single_call };
        let request = twins.request(Prompt::Chat(chat)).await;
        let usage = twins.same(&request).await;
        assert!(usage.accepted_tokens > 10, "{usage:?}");
        let answer = kit::run(&mut twins.drafting.lane, request).await;
        assert_eq!(answer.text(), "", "it is a call");
    }
}

/// Told to the last bit, for the chosen token and for the others.
#[tokio::test]
async fn log_probabilities_are_those_of_plain_steps() {
    let mut twins = twins().await;
    for n_top in [0, 5, 20] {
        for temperature in [0.0, 1.0] {
            let mut request = echo(&twins).await;
            request.options.logprobs = Some(n_top);
            request.options.sampling.temperature = temperature;
            let usage = twins.same(&request).await;
            assert!(usage.accepted_tokens > 10, "{usage:?}");
        }
    }
}

/// Samplings whose choices depend on the choices before: each is to see those that were made, in order, and no others.
fn remembering() -> Vec<Sampling> {
    let base = Sampling { temperature: 0.0, seed: 3, ..Sampling::default() };
    let dry = Dry { multiplier: 0.3, base: 1.2, allowed_length: 6, ..Dry::default() };
    let mirostat = |version| Some(Mirostat { version, tau: 4.0, eta: 0.3 });
    let mut samplings = vec![
        Sampling { repeat_penalty: 1.1, ..base.clone() },
        Sampling { frequency_penalty: 0.4, ..base.clone() },
        Sampling { presence_penalty: 0.7, repeat_last_n: 16, ..base.clone() },
        Sampling { dry: Some(dry), ..base.clone() },
    ];
    let warm: Vec<Sampling> = samplings.iter().map(|s| Sampling { temperature: 0.9, ..s.clone() }).collect();
    samplings.extend(warm);
    for version in [MirostatVersion::V1, MirostatVersion::V2] {
        samplings.push(Sampling { temperature: 1.0, mirostat: mirostat(version), ..base.clone() });
    }
    samplings
}

/// Every kind of sampling, on texts that go on for long.
async fn sampled_alike(twins: &mut Twins, samplings: Vec<Sampling>) -> Vec<u32> {
    let mut accepted = Vec::new();
    for sampling in samplings {
        let mut n_accepted = 0;
        for prompt in [kit::repeat(ECHO), kit::chat("Count from 1 to 20."), Prompt::Text(format!("{ECHO} ").repeat(5))]
        {
            let mut request = twins.request(prompt).await;
            request.options.sampling = sampling.clone();
            (request.options.ignore_end, request.max_tokens) = (true, 90);
            n_accepted += twins.same(&request).await.accepted_tokens;
        }
        accepted.push(n_accepted);
    }
    println!("accepted: {accepted:?}");
    accepted
}

#[tokio::test]
async fn samplers_remember_what_they_would_without_drafts() {
    let mut twins = twins().await;
    let accepted = sampled_alike(&mut twins, remembering()).await;
    assert!(accepted.iter().all(|&n| n > 10), "{accepted:?}");
}

/// With 16-bit weights only greedy choices are made of drafts, of which a penalty by a factor makes no steady one.
#[tokio::test]
async fn samplers_remember_what_they_would_without_drafts_with_16_bit_weights() {
    let drafting = testing::load_half_with(|spec| spec.tuning.draft_tokens = 7);
    let mut twins = Twins::of(testing::load_half().await.0, drafting.await.0).await;
    let samplings = remembering();
    let is_steady: Vec<bool> =
        samplings.iter().map(|sampling| sampling.is_greedy() && sampling.repeat_penalty == 1.0).collect();
    let accepted = sampled_alike(&mut twins, samplings).await;
    assert!(accepted.iter().zip(is_steady).all(|(&n, steady)| (n > 10) == steady), "{accepted:?}");
}

#[tokio::test]
async fn chance_falls_as_it_would_without_drafts() {
    let mut twins = twins().await;
    let warm = |seed| Sampling { temperature: 0.6 + 0.2 * seed as f32, seed, ..Sampling::default() };
    let accepted = sampled_alike(&mut twins, (0..5).map(warm).collect()).await;
    assert!(accepted.iter().all(|&n| n > 10), "{accepted:?}");
}

//! What rules make an engine do that only shows below HTTP: calls of tools, forms, likelihoods, vectors.

use backend::conformance::kit;
use backend::{
    Chat, ChatMessage, Constraint, Event, FinishReason, GenerateError, GenerateOptions, GenerateRequest, Prompt, Role,
    Token, Tool, ToolCall, ToolChoice,
};
use backend_mock::{MockConfig, ModelScript, ReplyScript, Rule, Rules, UsageScript, When};
use futures_util::StreamExt;

use crate::kit::{Bench, ms};

fn config(rules: Vec<Rule>) -> MockConfig {
    let rules = Rules { rules, ..Rules::default() };
    MockConfig { rules, ..MockConfig::default() }.with_model("fast", ModelScript::default())
}

fn weather() -> Tool {
    let parameters = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1}},
        "required":["city","days"]}"#;
    Tool { name: "get_weather".into(), description: None, parameters: Some(parameters.into()) }
}

fn chat(tool_choice: ToolChoice) -> Chat {
    let messages = vec![ChatMessage::new(Role::User, "How is the weather?")];
    Chat { tools: vec![weather()], tool_choice, ..Chat::new(messages) }
}

async fn request(bench: &Bench, prompt: Prompt, options: GenerateOptions) -> GenerateRequest {
    let prompt = bench.model.encoder.encode(prompt).await.unwrap();
    GenerateRequest { prompt, options, max_tokens: u32::MAX }
}

/// The tokens of an answer, its reason, and the tokens that the engine remembered.
async fn run(bench: &mut Bench, request: GenerateRequest) -> Result<(Vec<Token>, FinishReason, u32), GenerateError> {
    let mut stream = bench.lane.generate(request);
    let mut tokens = Vec::new();
    let mut end = None;
    while let Some(event) = stream.next().await {
        match event? {
            Event::Token(token) => tokens.push(token),
            Event::Finish(finish) => end = Some(finish),
            _ => {}
        }
    }
    drop(stream);
    bench.lane.quiesce().await;
    let end = end.expect("an answer ends");
    assert_eq!(end.usage.completion_tokens as usize, tokens.len(), "every token is counted");
    Ok((tokens, end.reason, end.usage.cached_tokens))
}

/// The calls that the tokens add up to: id, name, arguments.
fn calls(tokens: &[Token]) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for part in tokens.iter().flat_map(|token| &token.calls) {
        if let (Some(id), Some(name)) = (&part.id, &part.name) {
            assert_eq!(part.index as usize, calls.len());
            calls.push((id.clone(), name.clone(), String::new()));
        }
        calls[part.index as usize].2 += &part.arguments;
    }
    calls
}

fn text(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rule_calls_a_tool_and_the_next_one_reads_its_result() {
    let call = When { tool: Some("get_weather".into()), after_tool: Some(false), ..When::default() };
    let told = When { result_of: Some("get_weather".into()), ..When::default() };
    let mut bench = Bench::with(config(vec![
        Rule::new(call, ReplyScript::tool_call("get_weather", serde_json::json!({ "city": "Zürich", "days": 2 }))),
        Rule::new(told, ReplyScript { template: Some("It is {{ result }}.".into()), ..ReplyScript::default() }),
    ]))
    .await;
    let asked = request(&bench, Prompt::Chat(chat(ToolChoice::Auto)), GenerateOptions::default()).await;
    let (tokens, reason, _) = run(&mut bench, asked).await.unwrap();
    assert_eq!(reason, FinishReason::ToolCalls);
    let [(id, name, arguments)] = calls(&tokens).try_into().unwrap();
    assert_eq!((name.as_str(), arguments.as_str()), ("get_weather", r#"{"city":"Zürich","days":2}"#));

    let mut chat = chat(ToolChoice::Auto);
    let said = ToolCall { id: id.clone(), name, arguments };
    chat.messages.push(ChatMessage { tool_calls: vec![said], ..ChatMessage::new(Role::Assistant, "") });
    chat.messages.push(ChatMessage { tool_call_id: Some(id), ..ChatMessage::new(Role::Tool, "sunny") });
    let asked = request(&bench, Prompt::Chat(chat), GenerateOptions::default()).await;
    let (tokens, reason, _) = run(&mut bench, asked).await.unwrap();
    assert_eq!((text(&tokens).as_str(), reason), ("It is sunny.", FinishReason::Stop));
}

/// Without a rule the demo calls what it must, with arguments that the tool's schema accepts.
#[tokio::test(start_paused = true)]
async fn a_tool_that_must_be_called_is_called_with_good_arguments() {
    let mut bench = Bench::new(ModelScript::default()).await;
    let schema = serde_json::from_str(weather().parameters.as_deref().unwrap()).unwrap();
    for choice in [ToolChoice::Required, ToolChoice::Named("get_weather".into())] {
        let asked = request(&bench, Prompt::Chat(chat(choice)), GenerateOptions::default()).await;
        let (tokens, reason, _) = run(&mut bench, asked).await.unwrap();
        let [(_, _, arguments)] = calls(&tokens).try_into().unwrap();
        let arguments = serde_json::from_str(&arguments).unwrap();
        assert!(jsonschema::is_valid(&schema, &arguments), "{arguments}");
        assert_eq!(reason, FinishReason::ToolCalls);
    }
    let asked = request(&bench, Prompt::Chat(chat(ToolChoice::Auto)), GenerateOptions::default()).await;
    assert_eq!(run(&mut bench, asked).await.unwrap().1, FinishReason::Stop, "it need not");
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_tool_that_is_not_offered_is_an_error_that_says_so() {
    let call = ReplyScript::tool_call("send_mail", serde_json::json!({}));
    let mut bench = Bench::with(config(vec![Rule::new(When::default(), call)])).await;
    let asked = request(&bench, Prompt::Chat(chat(ToolChoice::Auto)), GenerateOptions::default()).await;
    let error = run(&mut bench, asked).await.unwrap_err().to_string();
    assert!(error.contains("calls the tool \"send_mail\", and the request offers get_weather"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_form_that_is_asked_for() {
    let mut bench = Bench::new(ModelScript::default()).await;
    let schema = r#"{"type":"object","properties":{"name":{"type":"string","minLength":9},"tags":{"type":"array",
        "items":{"enum":["a","b"]},"minItems":2}},"required":["name","tags"],"additionalProperties":false}"#;
    let value = serde_json::from_str(schema).unwrap();
    for constraint in [Constraint::JsonSchema(schema.into()), Constraint::JsonObject] {
        let options = GenerateOptions { constraint: Some(constraint.clone()), ..GenerateOptions::default() };
        let asked = request(&bench, kit::chat("anything"), options).await;
        let (tokens, reason, _) = run(&mut bench, asked.clone()).await.unwrap();
        let made: serde_json::Value = serde_json::from_str(&text(&tokens)).unwrap();
        assert!(made.is_object() && reason == FinishReason::Stop);
        assert!(constraint == Constraint::JsonObject || jsonschema::is_valid(&value, &made), "{made}");
        assert_eq!(text(&run(&mut bench, asked).await.unwrap().0), text(&tokens), "two runs differ");
    }
    let options = GenerateOptions {
        constraint: Some(Constraint::Grammar("root ::= \"x\"".into())),
        ..GenerateOptions::default()
    };
    let asked = request(&bench, kit::chat("anything"), options).await;
    assert!(run(&mut bench, asked).await.unwrap_err().to_string().contains("grammars"));
}

#[tokio::test(start_paused = true)]
async fn every_token_of_text_tells_its_likelihood_when_asked() {
    let mut bench = Bench::new(ModelScript::default()).await;
    let options = GenerateOptions { logprobs: Some(3), ..GenerateOptions::default() };
    let asked = request(&bench, kit::repeat("né"), options).await;
    let (tokens, ..) = run(&mut bench, asked).await.unwrap();
    let told: Vec<u8> =
        tokens.iter().filter_map(|token| token.logprob.as_ref()).flat_map(|l| l.chosen.bytes.clone()).collect();
    assert_eq!(told, "né".as_bytes());
    assert!(
        tokens.iter().filter_map(|token| token.logprob.as_ref()).all(|l| l.top.len() == 3 && l.chosen.logprob <= 0.0)
    );
}

/// Thoughts are told apart from the text.
/// What a reply is said to count as is said of its text as it stands, and not of that again and again.
#[tokio::test(start_paused = true)]
async fn a_reply_that_may_not_end_counts_as_what_it_becomes() {
    let usage = UsageScript { completion_tokens: Some(3), ..UsageScript::default() };
    let reply = ReplyScript { text: Some("over and".into()), usage, ..ReplyScript::default() };
    let mut bench = Bench::with(config(vec![Rule::new(When::default(), reply)])).await;
    let options = GenerateOptions { ignore_end: true, ..GenerateOptions::default() };
    let mut asked = request(&bench, kit::chat("go on"), options).await;
    asked.max_tokens = 40;
    let (tokens, reason, _) = run(&mut bench, asked).await.unwrap();
    assert_eq!((tokens.len(), reason), (40, FinishReason::Length));
}

#[tokio::test(start_paused = true)]
async fn a_reply_can_have_thoughts() {
    let reply = ReplyScript { reasoning: Some("hm".into()), ..ReplyScript::text("yes") };
    let mut bench = Bench::with(config(vec![Rule::new(When::default(), reply)])).await;
    let asked = request(&bench, kit::chat("x"), GenerateOptions::default()).await;
    let (tokens, ..) = run(&mut bench, asked).await.unwrap();
    let thoughts: String = tokens.iter().map(|token| token.reasoning.as_str()).collect();
    assert_eq!((thoughts.as_str(), text(&tokens).as_str()), ("hm", "yes"));
}

/// What the prompt has in common with the one before takes no time and is counted.
#[tokio::test(start_paused = true)]
async fn a_remembered_prompt_is_free() {
    let mut bench =
        Bench::new(ModelScript { prefix_cache: true, prefill_per_token: ms(1), ..ModelScript::default() }).await;
    let asked = bench.repeat("abcdef").await;
    let n = asked.prompt.tokens.len() as u32;
    let mut before = bench.now();
    let mut took = Vec::new();
    for _ in 0..2 {
        let (_, _, cached) = run(&mut bench, asked.clone()).await.unwrap();
        took.push((bench.now() - before, cached));
        before = bench.now();
    }
    assert_eq!(took, [(ms(n.into()), 0), (ms(1), n - 1)]);
}

#[tokio::test(start_paused = true)]
async fn vectors_take_the_lane_and_are_in_the_order_of_their_texts() {
    let mut bench = Bench::new(ModelScript { prefill_per_token: ms(1), ..ModelScript::default() }).await;
    let encode = async |text: &str| bench.model.encoder.encode(Prompt::Text(text.into())).await.unwrap();
    let inputs = vec![encode("one").await, encode("two two").await, encode("one").await];
    let begun = bench.now();
    let vectors = bench.lane.embed(inputs.clone()).await.unwrap();
    bench.lane.quiesce().await;
    assert_eq!(bench.now() - begun, ms(13));
    assert_eq!(vectors.iter().map(|vector| vector.tokens).collect::<Vec<_>>(), [3, 7, 3]);
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0].values, vectors[1].values);
    // Leaving is noticed, and the lane is as good as before.
    let left = tokio::time::timeout(ms(5), bench.lane.embed(inputs.clone())).await;
    assert!(left.is_err());
    bench.lane.quiesce().await;
    assert_eq!(bench.lane.embed(inputs).await.unwrap(), vectors);
    assert_eq!(bench.journal.n_overlaps(), 0);
}

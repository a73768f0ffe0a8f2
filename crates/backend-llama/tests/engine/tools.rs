//! Calls and thoughts, with a template in place of the demo model's own.
//!
//! The demo model knows no tools, but repeats what it is told to; and what it must write it writes.

use backend::conformance::kit;
use backend::{
    CallPart, Chat, ChatMessage, Event, FinishReason, GenerateOptions, Lane, LoadedModel, Prompt, PromptError, Role,
    Sampling, Tool, ToolCall, ToolChoice,
};
use serde_json::{Value, json};

use crate::support;

/// ChatML that tells the names of tools, in the family that writes `<tool_call>` and thinks in `<think>`.
const TEMPLATE: &str = "{% if tools %}{{ '<|im_start|>system\n' }}{% for tool in tools %}{{ tool.function.name }}\
                        {% endfor %}{{ '<|im_end|>\n' }}{% endif %}{% for message in messages %}\
                        {{ '<|im_start|>' + message.role + '\n' + (message.content or '') }}\
                        {% for call in message.tool_calls %}{{ '<tool_call>' + (call.function | tojson) + '</tool_call>' }}\
                        {% endfor %}{{ '<|im_end|>\n' }}{% endfor %}{# <think> #}{{ '<|im_start|>assistant\n' }}";

async fn load() -> (LoadedModel, Box<dyn Lane>) {
    let mut spec = support::spec(support::fast());
    spec.chat_template = Some(TEMPLATE.to_string());
    let mut model = support::load(spec).await;
    let lane = kit::only_lane(&mut model);
    (model, lane)
}

fn tool(name: &str, parameters: &Value) -> Tool {
    Tool { name: name.into(), description: None, parameters: Some(parameters.to_string()) }
}

fn chat(question: &str, tools: Vec<Tool>, tool_choice: ToolChoice) -> Chat {
    let messages = vec![ChatMessage::new(Role::User, question)];
    Chat { messages, tools, tool_choice, single_call: false }
}

/// A request at temperature 0.
async fn answer(model: &LoadedModel, lane: &mut dyn Lane, chat: Chat, temperature: f32) -> kit::Answer {
    let mut request = kit::request(model, Prompt::Chat(chat)).await;
    request.options.sampling = Sampling { temperature, ..Sampling::default() };
    request.max_tokens = 600;
    model.encoder.check(&request.prompt, &request.options).await.expect("it can be asked");
    kit::run(lane, request).await
}

/// Name and arguments of each call.
fn calls(answer: &kit::Answer) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for event in &answer.events {
        let Event::Token(token) = event else { continue };
        for CallPart { index, id, name, arguments } in &token.calls {
            if let (Some(id), Some(name)) = (id, name) {
                assert_eq!(*index as usize, calls.len());
                calls.push((id.clone(), name.clone(), String::new()));
            }
            calls[*index as usize].2.push_str(arguments);
        }
    }
    calls
}

fn reasoning(answer: &kit::Answer) -> String {
    let of = |event: &Event| match event {
        Event::Token(token) => token.reasoning.clone(),
        _ => String::new(),
    };
    answer.events.iter().map(of).collect()
}

#[tokio::test]
async fn a_template_in_place_of_the_models_own_decides_what_it_can_do() {
    let (model, _lane) = load().await;
    assert!(model.info.capabilities.tools);
    let own = support::load(support::spec(support::fast())).await;
    assert!(!own.info.capabilities.tools && own.info.capabilities.constraints && own.info.capabilities.logprobs);
    let broken = backend::ModelSpec { chat_template: Some("{% if %}".into()), ..support::spec(support::fast()) };
    let broken = support::load(broken).await;
    let refused = broken.encoder.encode(kit::chat("Hi")).await;
    assert!(matches!(refused, Err(PromptError::Template { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_call_that_the_model_writes_is_a_call() {
    let (model, mut lane) = load().await;
    let question = "Repeat after me: <tool_call>{\"name\":\"t\"}";
    let tools = vec![tool("t", &json!({}))];
    let called = answer(&model, lane.as_mut(), chat(question, tools.clone(), ToolChoice::Auto), 0.0).await;
    let made = calls(&called);
    assert_eq!(made.len(), 1, "{called:?}");
    assert_eq!((made[0].1.as_str(), made[0].2.as_str(), called.text().as_str()), ("t", "{}", ""));
    assert_eq!(called.reason(), FinishReason::ToolCalls);
    assert!(made[0].0.len() == 9 && made[0].0.chars().all(|c| c.is_ascii_alphanumeric()), "{made:?}");
    // Where nothing may be called it is text.
    let said = answer(&model, lane.as_mut(), chat(question, tools, ToolChoice::None), 0.0).await;
    assert_eq!((said.text().as_str(), said.reason()), ("<tool_call>{\"name\":\"t\"}", FinishReason::Stop));
}

#[tokio::test]
async fn what_a_model_thinks_is_kept_apart() {
    let (model, mut lane) = load().await;
    let question = "Repeat after me: <think>ab</think>cd";
    let thought = answer(&model, lane.as_mut(), chat(question, Vec::new(), ToolChoice::Auto), 0.0).await;
    assert_eq!((reasoning(&thought).as_str(), thought.text().as_str()), ("ab", "cd"));
    // A text without a template thinks nothing.
    let mut raw =
        kit::request(&model, Prompt::Text(format!("<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")))
            .await;
    raw.max_tokens = 60;
    assert_eq!(kit::text_of(lane.as_mut(), raw).await, "<think>ab</think>cd");
}

/// Whatever the model would write, it calls one of the tools, and the arguments follow its schema.
#[tokio::test]
async fn a_call_that_is_asked_for_is_made() {
    let (model, mut lane) = load().await;
    let schema = json!({
        "type": "object",
        "properties": { "n": { "type": "integer", "minimum": 0, "maximum": 99 }, "s": { "enum": ["a", "é \"b\""] } },
        "required": ["n", "s"],
        "additionalProperties": false,
    });
    let tools =
        vec![tool("first", &schema), tool("sec-ond", &json!({ "properties": {}, "additionalProperties": false }))];
    for temperature in [0.0, 1.5] {
        let question = "Count from 1 to 60";
        let choice = ToolChoice::Named("first".into());
        let named = answer(&model, lane.as_mut(), chat(question, tools.clone(), choice), temperature).await;
        let made = calls(&named);
        assert_eq!((made.len(), made[0].1.as_str(), named.text().as_str()), (1, "first", ""), "{made:?}");
        assert_eq!(named.reason(), FinishReason::ToolCalls);
        let arguments: Value = serde_json::from_str(&made[0].2).expect("arguments are JSON");
        assert!(jsonschema::is_valid(&schema, &arguments), "{arguments}");
        let mut required = chat(question, tools.clone(), ToolChoice::Required);
        required.single_call = true;
        let required = answer(&model, lane.as_mut(), required, temperature).await;
        assert_eq!((calls(&required).len(), required.reason()), (1, FinishReason::ToolCalls));
    }
    kit::check_as_new(&model, lane.as_mut()).await;
}

#[tokio::test]
async fn calls_that_cannot_be_forced_are_refused_before_they_wait() {
    let (model, _lane) = load().await;
    let own = support::load(support::spec(support::fast())).await;
    let odd = tool("t", &json!({ "type": "object", "not": {} }));
    let plain = tool("t", &json!({}));
    let cases = [
        (&model, chat("Hi", vec![plain.clone()], ToolChoice::Named("u".into())), "not among the tools"),
        (&model, chat("Hi", vec![odd], ToolChoice::Required), "\"not\""),
        (&own, chat("Hi", vec![plain], ToolChoice::Required), "does not know how to call tools"),
    ];
    for (model, chat, part) in cases {
        let prompt = kit::encode(model, Prompt::Chat(chat)).await;
        let Err(PromptError::Options { reason }) = model.encoder.check(&prompt, &GenerateOptions::default()).await
        else {
            panic!("{part}")
        };
        assert!(reason.contains(part), "{reason}");
    }
}

/// Names, descriptions, arguments and results are texts of clients and models, and end no turn.
/// Method: there are as many control tokens as in the harmless conversation.
#[tokio::test]
async fn control_tokens_in_tools_and_calls_are_text() {
    let (model, _lane) = load().await;
    let conversation = |text: &str| {
        let mut calling = ChatMessage::new(Role::Assistant, "");
        // Written as JSON may write it: the template would write it out.
        let escaped = text.replace('<', "\\u003c");
        calling.tool_calls.push(ToolCall {
            id: "1".into(),
            name: text.into(),
            arguments: format!("{{\"{escaped}\": 1}}"),
        });
        let mut result = ChatMessage::new(Role::Tool, text);
        result.tool_call_id = Some("1".into());
        let mut chat = chat("Hi", vec![tool(text, &json!({}))], ToolChoice::Auto);
        chat.messages.extend([calling, result]);
        Prompt::Chat(chat)
    };
    let end = model.encoder.tokenize("<|im_end|>".into(), true, false).await.expect("it is a text")[0];
    let n_ends = async |text: &str| {
        let tokens = kit::encode(&model, conversation(text)).await.tokens;
        tokens.iter().filter(|&&token| token == end).count()
    };
    assert_eq!(n_ends("<|im_end|>").await, n_ends("harmless").await);
}

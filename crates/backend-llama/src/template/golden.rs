//! Golden prompts of well-known families: the prompt that each family's documentation shows for a conversation, and a
//! template written for it in the idiom that its models ship.
//!
//! Three conversations: with a system message and several turns, with tools, and with a call and its result.

mod chat;
mod thinking;
mod tools;

use backend::{Chat, ChatMessage, Role, Tool, ToolCall};

use super::{ChatTemplate, Source};

/// Renders with `<s>` and `</s>` for the tokens that begin and end a text.
fn render(source: &str, chat: &Chat) -> String {
    let template = compile(source);
    template.render(&template.input(chat)).unwrap_or_else(|error| panic!("{error}"))
}

fn compile(source: &str) -> ChatTemplate {
    let source = Source { chat: source, tools: None };
    ChatTemplate::compile(source, "<s>".into(), "</s>".into()).unwrap_or_else(|error| panic!("{error}"))
}

/// A system message, a question, an answer, and the next question.
fn turns() -> Chat {
    Chat::new(vec![
        ChatMessage::new(Role::System, "Be brief."),
        ChatMessage::new(Role::User, "Hi"),
        ChatMessage::new(Role::Assistant, "Hello!"),
        ChatMessage::new(Role::User, "1 < 2?"),
    ])
}

/// A question, and a tool to answer it with.
fn with_tool() -> Chat {
    let parameters = r#"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"#;
    let tool = Tool {
        name: "weather".into(),
        description: Some("Tells the weather <now> & here.".into()),
        parameters: Some(parameters.into()),
    };
    Chat { tools: vec![tool], ..Chat::new(vec![ChatMessage::new(Role::User, "Rome?")]) }
}

/// The same, with the call that the model made and its result.
fn with_result() -> Chat {
    let mut chat = with_tool();
    let mut calling = ChatMessage::new(Role::Assistant, "");
    calling.tool_calls.push(ToolCall {
        id: "abc123def".into(),
        name: "weather".into(),
        arguments: r#"{"city":"Rome"}"#.into(),
    });
    let mut result = ChatMessage::new(Role::Tool, "sunny");
    result.tool_call_id = Some("abc123def".into());
    chat.messages.extend([calling, result]);
    chat
}

/// The tool as Python's `json.dumps` writes it.
const TOOL: &str = "{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \
                    \"Tells the weather <now> & here.\", \"parameters\": {\"type\": \"object\", \"properties\": \
                    {\"city\": {\"type\": \"string\"}}, \"required\": [\"city\"]}}}";

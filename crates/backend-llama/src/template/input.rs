//! A conversation as templates expect it: Python's dictionaries, in the shape of OpenAI's API.

use backend::{Chat, ChatMessage, Role, Tool, ToolCall, ToolChoice};
use serde_json::{Map, Value, json};

/// What a template expects that others do not; found out by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Habits {
    /// It wants the arguments of a call as text, not as an object.
    pub(super) arguments_as_text: bool,
    /// It wants the content of a message that has only calls as an empty text, not as nothing.
    pub(super) content_as_text: bool,
}

/// What a template is given of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    /// An object for each message.
    pub(crate) messages: Value,
    /// An object for each tool, or null where there are none.
    pub(crate) tools: Value,
}

impl Input {
    pub(super) fn new(chat: &Chat, habits: Habits) -> Self {
        let messages = chat.messages.iter().map(|message| object(message, &chat.messages, habits)).collect();
        // A template must not tell of tools that may not be called.
        let told = !chat.tools.is_empty() && chat.tool_choice != ToolChoice::None;
        let tools = if told { chat.tools.iter().map(tool).collect() } else { Value::Null };
        Self { messages, tools }
    }
}

fn object(message: &ChatMessage, all: &[ChatMessage], habits: Habits) -> Value {
    let mut object = Map::new();
    object.insert("role".into(), message.role.as_str().into());
    let nothing = message.content.is_empty() && !message.tool_calls.is_empty() && !habits.content_as_text;
    let content = if nothing { Value::Null } else { message.content.as_str().into() };
    object.insert("content".into(), content);
    if let Some(reasoning) = &message.reasoning {
        object.insert("reasoning_content".into(), reasoning.as_str().into());
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|c| call(c, habits)).collect();
        object.insert("tool_calls".into(), calls);
    }
    if message.role == Role::Tool {
        let id = message.tool_call_id.as_deref();
        // Some templates name the tool that answers, which clients leave out.
        let of = |message: &ChatMessage| message.tool_calls.iter().find(|c| Some(c.id.as_str()) == id).cloned();
        if let Some(call) = all.iter().find_map(of) {
            object.insert("name".into(), call.name.into());
        }
        if let Some(id) = id {
            object.insert("tool_call_id".into(), id.into());
        }
    }
    Value::Object(object)
}

fn call(call: &ToolCall, habits: Habits) -> Value {
    let parsed: Option<Value> = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
    let arguments = match parsed {
        Some(object) if !habits.arguments_as_text => object,
        // A model can have written anything.
        _ => call.arguments.as_str().into(),
    };
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": arguments },
    })
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".into(), description.as_str().into());
    }
    let parameters = tool.parameters.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let parameters = parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    function.insert("parameters".into(), parameters);
    json!({ "type": "function", "function": function })
}

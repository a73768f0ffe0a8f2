//! A request of `POST /v1/responses`: one that keeps nothing and refers to nothing kept.

use backend::{Chat, ChatMessage, Constraint, GenerateOptions, Image, Role, Sampling, Tool, ToolCall, ToolChoice};
use serde_json::json;

use super::said::Said;
use super::{Asked, BadRequest, Pictures, model, options, positive, read, tools, unsupported};
use crate::echo;
use crate::wire::null::Null;
use crate::wire::responses::request::{
    InputContent, InputItem, InputPart, ResponsesInput, ResponsesRequest, ResponsesTool, ResponsesToolChoice,
    TextFormat,
};
use crate::wire::responses::response::{Echoed, EchoedText};

/// What asks for log probabilities, in `include`.
const LOGPROBS: &str = "message.output_text.logprobs";

/// A request that can be run.
#[derive(Debug)]
pub(crate) struct Responses {
    pub(crate) asked: Asked,
    pub(crate) conversation: Chat,
    pub(crate) echoed: Echoed,
    pub(crate) stream: bool,
}

/// Reads and checks a body, which may have `items_max` items.
pub(crate) fn responses(body: &[u8], items_max: usize, pictures: &mut Pictures) -> Result<Responses, BadRequest> {
    let request: ResponsesRequest = read::request(body, unsupported::RESPONSES)?;
    let defaults = Sampling::default();
    let sampling = options::checked(Sampling {
        temperature: options::real(request.temperature, defaults.temperature),
        top_p: options::real(request.top_p, defaults.top_p),
        ..defaults
    })?;
    let logprobs = logprobs(request.include, request.top_logprobs)?;
    let max_tokens = positive("max_output_tokens", request.max_output_tokens)?;
    let text = request.text.unwrap_or_default();
    if text.verbosity.is_some_and(|verbosity| verbosity != "medium") {
        let message = "text.verbosity is not supported: no model here takes it; leave it out";
        return Err(BadRequest::field("text.verbosity", message));
    }
    let format = text.format.unwrap_or_else(|| TextFormat { kind: Some("text".to_owned()), ..TextFormat::default() });
    let constraint = constraint(&format)?;
    let tool_choice = request.tool_choice.unwrap_or(ResponsesToolChoice::Word("auto".to_owned()));
    let parallel_tool_calls = request.parallel_tool_calls.unwrap_or(true);
    let echoed = Echoed {
        instructions: request.instructions.clone(),
        max_output_tokens: max_tokens,
        metadata: request.metadata.unwrap_or_else(|| json!({})),
        parallel_tool_calls,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        text: EchoedText { format },
        tool_choice: tool_choice.clone(),
        tools: request.tools.clone().unwrap_or_default(),
        user: request.user,
        store: false,
        previous_response_id: Null,
        background: false,
        truncation: "disabled",
    };
    let tools = tools::list(request.tools, "", tool)?;
    let tool_choice = choice(tool_choice, &tools)?;
    let instructions = request.instructions.map(|text| ChatMessage::new(Role::System, text));
    let messages = instructions.into_iter().chain(conversation(request.input, items_max, pictures)?).collect();
    let conversation = Chat { messages, tools, tool_choice, single_call: !parallel_tool_calls };
    if constraint.is_some() && conversation.may_call() {
        let message = "text.format goes without tools: leave the tools out, or set tool_choice to \"none\"";
        return Err(BadRequest::field("text.format", message));
    }
    let options = GenerateOptions { sampling, constraint, logprobs, ..GenerateOptions::default() };
    let asked = Asked { model: model(request.model)?, options, seed: None, max_tokens, choices: 1 };
    Ok(Responses { asked, conversation, echoed, stream: request.stream.unwrap_or(false) })
}

fn logprobs(include: Option<Vec<String>>, top: Option<i64>) -> Result<Option<u32>, BadRequest> {
    let include = include.unwrap_or_default();
    if let Some(other) = include.iter().find(|wanted| *wanted != LOGPROBS) {
        let message = format!("include has \"{}\", and only \"{LOGPROBS}\" can be included", echo::value(other));
        return Err(BadRequest::field("include", message));
    }
    let top = options::count("top_logprobs", top)?;
    Ok(top.filter(|&n| n > 0 || !include.is_empty()).or((!include.is_empty()).then_some(0)))
}

fn constraint(format: &TextFormat) -> Result<Option<Constraint>, BadRequest> {
    match format.kind.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Constraint::JsonObject)),
        Some("json_schema") => options::schema("text.format.schema", format.schema.clone()).map(Some),
        _ => {
            let path = "text.format.type";
            Err(BadRequest::field(path, format!("{path} must be \"text\", \"json_object\" or \"json_schema\"")))
        }
    }
}

fn tool(path: &str, tool: ResponsesTool) -> Result<Tool, BadRequest> {
    if tool.kind.as_deref() != Some("function") {
        let path = format!("{path}.type");
        return Err(BadRequest::field(path.clone(), format!("{path} must be \"function\": this server runs no tools")));
    }
    tools::one(&format!("{path}."), "parameters", tool.name, tool.description, tool.parameters)
}

fn choice(choice: ResponsesToolChoice, tools: &[Tool]) -> Result<ToolChoice, BadRequest> {
    let choice = match choice {
        ResponsesToolChoice::Word(word) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => {
                let message = "tool_choice must be \"none\", \"auto\", \"required\" or name a function";
                return Err(BadRequest::field("tool_choice", message));
            }
        },
        ResponsesToolChoice::Tool(tool) => match (tool.kind.as_deref(), tool.name) {
            (Some("function"), Some(name)) => ToolChoice::Named(name),
            _ => {
                let message = "tool_choice must name a function: {\"type\": \"function\", \"name\": ..}";
                return Err(BadRequest::field("tool_choice", message));
            }
        },
    };
    tools::fits(choice, tools)
}

fn conversation(
    input: Option<ResponsesInput>,
    items_max: usize,
    pictures: &mut Pictures,
) -> Result<Vec<ChatMessage>, BadRequest> {
    let items = match input {
        None => return Err(BadRequest::field("input", "input is missing")),
        Some(ResponsesInput::Text(text)) => return Ok(vec![ChatMessage::new(Role::User, text)]),
        Some(ResponsesInput::Parts(items)) => items,
    };
    if items.is_empty() {
        return Err(BadRequest::field("input", "input must have at least one item"));
    }
    if items.len() > items_max {
        let message = format!("input has {} items, and {items_max} are the most", items.len());
        return Err(BadRequest::field("input", message));
    }
    let mut said = Conversation::default();
    for (index, item) in items.into_iter().enumerate() {
        said.take(&format!("input[{index}]"), item, pictures)?;
    }
    Ok(said.finish())
}

/// Messages so far. Thoughts, a message and calls of the model that follow each other are one message.
#[derive(Default)]
struct Conversation {
    messages: Vec<ChatMessage>,
    /// What the model thought before what it says next.
    reasoning: Option<String>,
}

impl Conversation {
    fn take(&mut self, path: &str, item: InputItem, pictures: &mut Pictures) -> Result<(), BadRequest> {
        match (item.kind.as_deref(), item.role.as_deref()) {
            (None | Some("message"), Some(role)) => {
                let role = match role {
                    "user" => Role::User,
                    "system" | "developer" => Role::System,
                    "assistant" => Role::Assistant,
                    _ => {
                        let path = format!("{path}.role");
                        return Err(BadRequest::about(&path, "must be user, assistant, system or developer"));
                    }
                };
                let content = item.content.ok_or_else(|| missing(path, "content"))?;
                let said = said(role, &format!("{path}.content"), content, pictures)?;
                if role == Role::Assistant { self.answer(said) } else { self.messages.push(said) }
            }
            (Some("message"), None) => return Err(missing(path, "role")),
            (Some("function_call"), _) => self.call(ToolCall {
                id: item.call_id.ok_or_else(|| missing(path, "call_id"))?,
                name: item.name.ok_or_else(|| missing(path, "name"))?,
                arguments: item.arguments.ok_or_else(|| missing(path, "arguments"))?,
            }),
            (Some("function_call_output"), _) => {
                let id = item.call_id.ok_or_else(|| missing(path, "call_id"))?;
                let output = item.output.ok_or_else(|| missing(path, "output"))?;
                let output = said(Role::Tool, &format!("{path}.output"), output, pictures)?;
                self.messages.push(ChatMessage { tool_call_id: Some(id), ..output });
            }
            (Some("reasoning"), _) => {
                let (path, content) = match item.content {
                    Some(content) => (format!("{path}.content"), content),
                    None => (format!("{path}.summary"), InputContent::Parts(item.summary.unwrap_or_default())),
                };
                let thought = said(Role::Assistant, &path, content, pictures)?.content;
                self.reasoning = Some(thought).filter(|thought| !thought.is_empty());
            }
            (Some(kind), _) => {
                let path = format!("{path}.type");
                let message = format!("{path} is \"{}\", which this server does not take", echo::value(kind));
                return Err(BadRequest::field(path, message));
            }
            (None, None) => return Err(missing(path, "type")),
        }
        Ok(())
    }

    fn answer(&mut self, message: ChatMessage) {
        self.messages.push(ChatMessage { reasoning: self.reasoning.take(), ..message });
    }

    fn call(&mut self, call: ToolCall) {
        let goes_on = self.reasoning.is_none() && self.messages.last().is_some_and(|last| last.role == Role::Assistant);
        if !goes_on {
            self.answer(ChatMessage::new(Role::Assistant, ""));
        }
        if let Some(last) = self.messages.last_mut() {
            last.tool_calls.push(call);
        }
    }

    fn finish(self) -> Vec<ChatMessage> {
        self.messages
    }
}

/// What is said in `path`. Users may send pictures, and tools may return some.
fn said(role: Role, path: &str, content: InputContent, pictures: &mut Pictures) -> Result<ChatMessage, BadRequest> {
    let parts = match content {
        InputContent::Text(text) => return Ok(ChatMessage::new(role, text)),
        InputContent::Parts(parts) => parts,
    };
    let mut said = Said::new(role);
    for (index, part) in parts.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        match part.kind.as_deref() {
            Some("input_text" | "output_text" | "summary_text" | "reasoning_text" | "text") => {
                said.text(&part.text.ok_or_else(|| missing(&path, "text"))?);
            }
            Some("input_image") if matches!(role, Role::User | Role::Tool) => {
                said.picture(picture(&path, part, pictures)?);
            }
            Some("input_image") => {
                let path = format!("{path}.type");
                return Err(BadRequest::about(&path, "is a picture, which only users may send and tools return"));
            }
            Some(kind) => {
                let path = format!("{path}.type");
                let reason = format!("is \"{}\", and this server takes text and pictures only", echo::value(kind));
                return Err(BadRequest::about(&path, &reason));
            }
            None => return Err(missing(&path, "type")),
        }
    }
    Ok(said.finish())
}

fn picture(path: &str, part: InputPart, pictures: &mut Pictures) -> Result<Image, BadRequest> {
    if part.file_id.is_some() {
        return Err(BadRequest::about(&format!("{path}.file_id"), "names a file, and this server keeps none"));
    }
    let url = part.image_url.ok_or_else(|| missing(path, "image_url"))?;
    pictures.at(&url).map_err(|reason| BadRequest::about(&format!("{path}.image_url"), &reason))
}

fn missing(path: &str, field: &str) -> BadRequest {
    BadRequest::field(format!("{path}.{field}"), format!("{path}.{field} is missing"))
}

#[cfg(test)]
mod tests {
    use backend::{ChatMessage, Constraint, Role, ToolCall, ToolChoice};
    use serde_json::{Value, json};

    use super::{LOGPROBS, Pictures, Responses, responses};

    /// A pixel.
    const DOT: &str = "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";

    fn read(fields: &Value) -> Result<Responses, (Option<String>, String)> {
        let mut body = json!({"model": "m", "input": "hi"});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let read = responses(body.to_string().as_bytes(), 7, &mut Pictures::default());
        read.map_err(|error| (error.param, error.message))
    }

    #[test]
    fn a_bad_field_is_refused_by_name() {
        let input = |item: Value| json!({ "input": [item] });
        let user = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
        let image = json!({"type": "input_image", "image_url": DOT});
        let f = json!({"type": "function", "name": "f"});
        let rows = [
            (json!({"model": null}), "model", "missing"),
            (json!({"input": null}), "input", "missing"),
            (json!({"input": 7}), "input", "a string or an array"),
            (json!({"input": []}), "input", "at least one"),
            (json!({"input": vec![json!({}); 8]}), "input", "7 are the most"),
            (input(json!({})), "input[0].type", "missing"),
            (input(json!({"role": "robot", "content": "a"})), "input[0].role", "must be user"),
            (input(json!({"type": "message", "content": "a"})), "input[0].role", "missing"),
            (input(json!({"role": "user"})), "input[0].content", "missing"),
            (user(json!({"type": "input_file"})), "input[0].content[0].type", "text and pictures only"),
            (user(json!({"type": "input_image"})), "input[0].content[0].image_url", "missing"),
            (
                user(json!({"type": "input_image", "image_url": {"url": DOT}})),
                "input[0].content[0].image_url",
                "string",
            ),
            (user(json!({"type": "input_image", "image_url": "x"})), "input[0].content[0].image_url", "a data URL"),
            (user(json!({"type": "input_image", "file_id": "file-1"})), "input[0].content[0].file_id", "keeps none"),
            (input(json!({"role": "system", "content": [image]})), "input[0].content[0].type", "only users may send"),
            (input(json!({"role": "assistant", "content": [image]})), "input[0].content[0].type", "only users"),
            (input(json!({"type": "reasoning", "summary": [image]})), "input[0].summary[0].type", "only users"),
            (
                input(json!({"role": "user", "content": [{"type": "input_text"}]})),
                "input[0].content[0].text",
                "missing",
            ),
            (input(json!({"type": "function_call", "call_id": "c", "name": "f"})), "input[0].arguments", "missing"),
            (input(json!({"type": "function_call_output", "call_id": "c"})), "input[0].output", "missing"),
            (input(json!({"type": "item_reference", "id": "x"})), "input[0].type", "does not take"),
            (json!({"previous_response_id": "resp_1"}), "previous_response_id", "keeps nothing"),
            (json!({"store": true}), "store", "keeps nothing"),
            (json!({"background": true}), "background", "not supported"),
            (json!({"truncation": "auto"}), "truncation", "not supported"),
            (json!({"reasoning": {"effort": "high"}}), "reasoning", "not supported"),
            (json!({"include": ["file_search_call.results"]}), "include", LOGPROBS),
            (json!({"top_logprobs": 21}), "top_logprobs", "from 0 to 20"),
            (json!({"max_output_tokens": 0}), "max_output_tokens", "from 1"),
            (json!({"temperature": 3}), "temperature", "from 0 to 2"),
            (json!({"text": {"verbosity": "high"}}), "text.verbosity", "not supported"),
            (json!({"text": {"format": {}}}), "text.format.type", "json_schema"),
            (json!({"text": {"format": {"type": "json_schema"}}}), "text.format.schema", "an object"),
            (json!({"text": {"format": {"type": "json_object"}}, "tools": [f]}), "text.format", "without tools"),
            (json!({"tools": [{"type": "web_search"}]}), "tools[0].type", "runs no tools"),
            (json!({"tools": [{"type": "function", "name": ""}]}), "tools[0].name", "1 to 64"),
            (json!({"tools": [f, f]}), "tools[1].name", "another tool"),
            (json!({"tool_choice": "required"}), "tool_choice", "there are no tools"),
            (
                json!({"tools": [f], "tool_choice": {"type": "function", "name": "g"}}),
                "tool_choice",
                "none of the tools",
            ),
        ];
        for (fields, param, part) in rows {
            let (named, message) = read(&fields).expect_err("it is bad");
            assert_eq!(named.as_deref(), Some(param), "{fields}: {message}");
            assert!(message.contains(part), "{fields}: {message}");
        }
    }

    /// What the model thought, said and called in one answer is one message, as it was.
    #[test]
    fn items_become_messages() {
        let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "look", "arguments": "{}"});
        let taken = read(&json!({
            "instructions": "be brief",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "where?"}]},
                {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
                call("a"), call("b"),
                {"type": "function_call_output", "call_id": "a", "output": "a door"},
                {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "a wall"}]},
            ],
            "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": true}],
            "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": false,
            "include": [LOGPROBS], "top_logprobs": 3, "temperature": 0, "stream": true, "store": false,
        }))
        .expect("a good request");
        let said = ChatMessage::new;
        let called = |id: &str| ToolCall { id: id.into(), name: "look".into(), arguments: "{}".into() };
        let answer = ChatMessage {
            reasoning: Some("hm".into()),
            tool_calls: vec![called("a"), called("b")],
            ..said(Role::Assistant, "I look.")
        };
        let result = |id: &str, text| ChatMessage { tool_call_id: Some(id.into()), ..said(Role::Tool, text) };
        let messages = [
            said(Role::System, "be brief"),
            said(Role::User, "where?"),
            answer,
            result("a", "a door"),
            result("b", "a wall"),
        ];
        assert_eq!(taken.conversation.messages, messages);
        assert_eq!(taken.conversation.tool_choice, ToolChoice::Named("look".into()));
        assert!(taken.conversation.single_call && taken.stream && taken.asked.options.sampling.is_greedy());
        assert_eq!(taken.asked.options.logprobs, Some(3));
    }

    #[test]
    fn pictures_stand_where_they_were_in_what_users_say_and_tools_return() {
        let image = json!({"type": "input_image", "image_url": DOT, "detail": "auto"});
        let text = |text: &str| json!({"type": "input_text", "text": text});
        let taken = read(&json!({"input": [
            {"role": "user", "content": [text("What"), image, text("is it?"), image]},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [image, text("a dot")]},
        ]}))
        .expect("a good request");
        let said: Vec<_> = taken.conversation.messages.iter().map(|said| (said.role, said.content.as_str())).collect();
        assert_eq!(said, [(Role::User, "What\n\nis it?\n"), (Role::Assistant, ""), (Role::Tool, "\na dot")]);
        let places =
            taken.conversation.messages.iter().map(|said| said.images.iter().map(|placed| placed.at).collect());
        assert_eq!(places.collect::<Vec<Vec<_>>>(), [vec![5, 13], vec![], vec![0]]);
    }

    #[test]
    fn calls_without_words_are_an_answer() {
        let call = json!({"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"});
        let taken = read(&json!({"input": [{"role": "user", "content": "x"}, call]})).expect("a good request");
        assert_eq!(taken.conversation.messages[1].tool_calls.len(), 1);
        let format = json!({"type": "json_schema", "name": "x", "schema": {"type": "object"}});
        let taken = read(&json!({"text": {"format": format}})).expect("a good request");
        assert_eq!(taken.asked.options.constraint, Some(Constraint::JsonSchema("{\"type\":\"object\"}".into())));
        assert_eq!(taken.asked.options.logprobs, None);
    }
}

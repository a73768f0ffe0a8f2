//! A conversation of the Anthropic protocol.

use backend::{Chat, ChatMessage, Constraint, GenerateOptions, Image, Role, Sampling, Tool, ToolCall, ToolChoice};
use serde_json::Value;

use super::said::Said;
use super::{Asked, BadRequest, Pictures, model, options, positive, read, tools, unsupported};
use crate::echo;
use crate::wire::messages::request::{
    Block, Blocks, MessageEntry, MessagesRequest, MessagesTool, MessagesToolChoice, OutputConfig,
};

/// A request that can be run.
#[derive(Debug, PartialEq)]
pub(crate) struct Messages {
    pub(crate) asked: Asked,
    pub(crate) conversation: Chat,
    pub(crate) stream: bool,
}

/// Reads and checks the body of `POST /v1/messages`, which may have `messages_max` messages.
pub(crate) fn messages(body: &[u8], messages_max: usize, pictures: &mut Pictures) -> Result<Messages, BadRequest> {
    let mut request: MessagesRequest = read::request(body, unsupported::MESSAGES)?;
    let sampling = sampling(&request)?;
    let stop = options::stop("stop_sequences", request.stop_sequences.take().unwrap_or_default())?;
    let constraint = constraint(request.output_config.take())?;
    let max_tokens = positive("max_tokens", request.max_tokens)?;
    if max_tokens.is_none() {
        return Err(BadRequest::field("max_tokens", "max_tokens is missing"));
    }
    let stream = request.stream.unwrap_or(false);
    let model = model(request.model.take())?;
    let conversation = conversation(request, messages_max, pictures)?;
    if constraint.is_some() && conversation.may_call() {
        let message = "output_config.format goes without tools: leave the tools out";
        return Err(BadRequest::field("output_config.format", message));
    }
    let options = GenerateOptions { sampling, stop, constraint, ..GenerateOptions::default() };
    Ok(Messages { asked: Asked { model, options, seed: None, max_tokens, choices: 1 }, conversation, stream })
}

/// Reads and checks the body of `POST /v1/messages/count_tokens`: the model, and the conversation.
pub(crate) fn count(body: &[u8], messages_max: usize, pictures: &mut Pictures) -> Result<(String, Chat), BadRequest> {
    let mut request: MessagesRequest = read::request(body, unsupported::MESSAGES)?;
    let model = model(request.model.take())?;
    Ok((model, conversation(request, messages_max, pictures)?))
}

fn sampling(request: &MessagesRequest) -> Result<Sampling, BadRequest> {
    let defaults = Sampling::default();
    options::checked(Sampling {
        temperature: options::real(request.temperature, defaults.temperature),
        top_p: options::real(request.top_p, defaults.top_p),
        top_k: options::whole(request.top_k, defaults.top_k),
        ..defaults
    })
}

fn constraint(config: Option<OutputConfig>) -> Result<Option<Constraint>, BadRequest> {
    let Some(format) = config.and_then(|config| config.format) else { return Ok(None) };
    if format.kind.as_deref() != Some("json_schema") {
        let path = "output_config.format.type";
        return Err(BadRequest::field(path, format!("{path} must be \"json_schema\"")));
    }
    options::schema("output_config.format.schema", format.schema).map(Some)
}

fn conversation(request: MessagesRequest, messages_max: usize, pictures: &mut Pictures) -> Result<Chat, BadRequest> {
    if let Some(kind) = request.thinking.and_then(|thinking| thinking.kind).filter(|kind| kind != "disabled") {
        let message =
            format!("thinking is \"{}\": whether a model thinks is its template's affair", echo::value(&kind));
        return Err(BadRequest::field("thinking", message));
    }
    let tools = tools::list(request.tools, "", tool)?;
    let (tool_choice, single_call) = choice(request.tool_choice, &tools)?;
    let mut messages = Vec::new();
    if let Some(system) = request.system {
        messages.push(ChatMessage::new(Role::System, text_only("system", system)?));
    }
    let entries = request.messages.unwrap_or_default();
    if entries.is_empty() {
        return Err(BadRequest::field("messages", "messages must have at least one message"));
    }
    if entries.len() > messages_max {
        let message = format!("messages has {} messages, and {messages_max} are the most", entries.len());
        return Err(BadRequest::field("messages", message));
    }
    let last = entries.len() - 1;
    for (index, entry) in entries.into_iter().enumerate() {
        let path = format!("messages[{index}]");
        match entry.role.as_deref() {
            Some("user") => user(&path, entry, &mut messages, pictures)?,
            Some("assistant") if index < last => messages.push(assistant(&path, entry)?),
            Some("assistant") => {
                let message = format!("{path}.role must be user: an answer that is begun cannot be continued");
                return Err(BadRequest::field(format!("{path}.role"), message));
            }
            _ => {
                let path = format!("{path}.role");
                return Err(BadRequest::field(path.clone(), format!("{path} must be user or assistant")));
            }
        }
    }
    Ok(Chat { messages, tools, tool_choice, single_call })
}

fn tool(path: &str, tool: MessagesTool) -> Result<Tool, BadRequest> {
    if tool.kind.as_deref().is_some_and(|kind| kind != "custom") {
        let path = format!("{path}.type");
        return Err(BadRequest::field(path.clone(), format!("{path} must be \"custom\": this server runs no tools")));
    }
    tools::one(&format!("{path}."), "input_schema", tool.name, tool.description, tool.input_schema)
}

fn choice(choice: Option<MessagesToolChoice>, tools: &[Tool]) -> Result<(ToolChoice, bool), BadRequest> {
    let choice = choice.unwrap_or_default();
    let single_call = choice.disable_parallel_tool_use.unwrap_or(false);
    let wanted = match (choice.kind.as_deref(), choice.name) {
        (None | Some("auto"), _) => ToolChoice::Auto,
        (Some("any"), _) => ToolChoice::Required,
        (Some("none"), _) => ToolChoice::None,
        (Some("tool"), Some(name)) => ToolChoice::Named(name),
        (Some("tool"), None) => return Err(BadRequest::field("tool_choice.name", "tool_choice.name is missing")),
        _ => {
            let message = "tool_choice.type must be \"auto\", \"any\", \"tool\" or \"none\"";
            return Err(BadRequest::field("tool_choice.type", message));
        }
    };
    Ok((tools::fits(wanted, tools)?, single_call))
}

/// What a user says, behind the results of the tools that the answer before asked for.
fn user(
    path: &str,
    entry: MessageEntry,
    messages: &mut Vec<ChatMessage>,
    pictures: &mut Pictures,
) -> Result<(), BadRequest> {
    let mut said = Said::new(Role::User);
    let blocks = blocks(path, entry.content)?;
    if blocks.is_empty() {
        let path = format!("{path}.content");
        return Err(BadRequest::field(path.clone(), format!("{path} must have at least one block")));
    }
    for (path, block) in blocks {
        match block.kind.as_deref() {
            Some("tool_result") => messages.push(result(&path, block, pictures)?),
            _ => say(&mut said, &path, block, pictures)?,
        }
    }
    if !said.is_empty() {
        messages.push(said.finish());
    }
    Ok(())
}

fn result(path: &str, block: Block, pictures: &mut Pictures) -> Result<ChatMessage, BadRequest> {
    let id = block.tool_use_id.ok_or_else(|| missing(path, "tool_use_id"))?;
    let mut said = Said::new(Role::Tool);
    if block.content.is_some() {
        for (path, block) in blocks(path, block.content)? {
            say(&mut said, &path, block, pictures)?;
        }
    }
    let mut message = ChatMessage { tool_call_id: Some(id), ..said.finish() };
    if block.is_error == Some(true) {
        // Templates have no word for it, and the model should know.
        const ERROR: &str = "Error: ";
        message.content.insert_str(0, ERROR);
        message.images.iter_mut().for_each(|placed| placed.at += ERROR.len());
    }
    Ok(message)
}

/// A text or a picture.
fn say(said: &mut Said, path: &str, block: Block, pictures: &mut Pictures) -> Result<(), BadRequest> {
    if block.kind.as_deref() == Some("image") {
        said.picture(picture(path, block, pictures)?);
    } else {
        said.text(&text(path, block)?);
    }
    Ok(())
}

fn picture(path: &str, block: Block, pictures: &mut Pictures) -> Result<Image, BadRequest> {
    let source = block.source.ok_or_else(|| missing(path, "source"))?;
    let path = format!("{path}.source");
    let (field, taken) = match source.kind.as_deref() {
        Some("base64") => ("data", source.data.map(|data| pictures.inline(&data))),
        Some("url") => ("url", source.url.map(|url| pictures.at(&url))),
        _ => {
            let path = format!("{path}.type");
            return Err(BadRequest::about(&path, "must be \"base64\" or \"url\": this server keeps no files"));
        }
    };
    let taken = taken.ok_or_else(|| missing(&path, field))?;
    taken.map_err(|reason| BadRequest::about(&format!("{path}.{field}"), &reason))
}

/// An earlier answer.
fn assistant(path: &str, entry: MessageEntry) -> Result<ChatMessage, BadRequest> {
    let (mut texts, mut thoughts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for (path, block) in blocks(path, entry.content)? {
        match block.kind.as_deref() {
            Some("tool_use") => calls.push(call(&path, block)?),
            Some("thinking") => thoughts.push(block.thinking.ok_or_else(|| missing(&path, "thinking"))?),
            // Nobody here can read them.
            Some("redacted_thinking") => {}
            _ => texts.push(text(&path, block)?),
        }
    }
    let reasoning = (!thoughts.is_empty()).then(|| thoughts.join("\n"));
    Ok(ChatMessage { reasoning, tool_calls: calls, ..ChatMessage::new(Role::Assistant, texts.join("\n")) })
}

fn call(path: &str, block: Block) -> Result<ToolCall, BadRequest> {
    Ok(ToolCall {
        id: block.id.ok_or_else(|| missing(path, "id"))?,
        name: block.name.ok_or_else(|| missing(path, "name"))?,
        arguments: block.input.filter(Value::is_object).map_or_else(|| "{}".to_owned(), |input| input.to_string()),
    })
}

/// The blocks with their paths; a text is one block.
fn blocks(path: &str, content: Option<Blocks>) -> Result<Vec<(String, Block)>, BadRequest> {
    let path = format!("{path}.content");
    match content {
        None => Err(BadRequest::field(path.clone(), format!("{path} is missing"))),
        Some(Blocks::Text(text)) => {
            Ok(vec![(path, Block { kind: Some("text".to_owned()), text: Some(text), ..Block::default() })])
        }
        Some(Blocks::Parts(blocks)) => {
            Ok(blocks.into_iter().enumerate().map(|(index, block)| (format!("{path}[{index}]"), block)).collect())
        }
    }
}

/// Content in which nothing but text can stand.
fn text_only(path: &str, content: Blocks) -> Result<String, BadRequest> {
    match content {
        Blocks::Text(text) => Ok(text),
        Blocks::Parts(blocks) => {
            let texts = blocks.into_iter().enumerate().map(|(index, block)| text(&format!("{path}[{index}]"), block));
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
    }
}

fn text(path: &str, block: Block) -> Result<String, BadRequest> {
    match (block.kind.as_deref(), block.text) {
        (Some("text"), Some(text)) => Ok(text),
        (Some("text"), None) => Err(missing(path, "text")),
        (None, _) => Err(missing(path, "type")),
        (Some(kind), _) => {
            let message = format!("{path} is of type \"{}\", which cannot stand here", echo::value(kind));
            Err(BadRequest::field(format!("{path}.type"), message))
        }
    }
}

fn missing(path: &str, field: &str) -> BadRequest {
    BadRequest::field(format!("{path}.{field}"), format!("{path}.{field} is missing"))
}

#[cfg(test)]
mod tests {
    use backend::{ChatMessage, Constraint, Role, ToolCall, ToolChoice};
    use serde_json::{Value, json};

    use super::{Messages, Pictures, messages};

    fn read(fields: &Value) -> Result<Messages, (Option<String>, String)> {
        let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let read = messages(body.to_string().as_bytes(), 3, &mut Pictures::default());
        read.map_err(|error| (error.param, error.message))
    }

    #[test]
    fn a_bad_field_is_refused_by_name() {
        let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
        let earlier = |content: Value| json!({"messages": [{"role": "assistant", "content": content}, {"role": "user", "content": "hi"}]});
        let image = |source: Value| json!([{"type": "image", "source": source}]);
        let in_result = |content: Value| json!([{"type": "tool_result", "tool_use_id": "a", "content": content}]);
        let tool = json!({"name": "look", "input_schema": {"type": "object"}});
        let rows = [
            (json!({"model": null}), "model", "missing"),
            (json!({"max_tokens": null}), "max_tokens", "missing"),
            (json!({"max_tokens": 0}), "max_tokens", "from 1"),
            (json!({"messages": []}), "messages", "at least one"),
            (json!({"messages": [{}, {}, {}, {}]}), "messages", "3 are the most"),
            (json!({"messages": [{"content": "a"}]}), "messages[0].role", "user or assistant"),
            (json!({"messages": [{"role": "assistant", "content": "a"}]}), "messages[0].role", "cannot be continued"),
            (user(json!(null)), "messages[0].content", "missing"),
            (user(json!([])), "messages[0].content", "at least one"),
            (user(json!(7)), "messages[0].content", "a string or an array"),
            (user(image(Value::Null)), "messages[0].content[0].source", "missing"),
            (user(image(json!({"type": "file"}))), "messages[0].content[0].source.type", "\"base64\" or \"url\""),
            (user(image(json!({"type": "base64"}))), "messages[0].content[0].source.data", "missing"),
            (user(image(json!({"type": "url"}))), "messages[0].content[0].source.url", "missing"),
            (
                user(image(json!({"type": "base64", "data": "x"}))),
                "messages[0].content[0].source.data",
                "not valid base64",
            ),
            (
                user(image(json!({"type": "url", "url": "https://example.org/a.png"}))),
                "messages[0].content[0].source.url",
                "fetches nothing",
            ),
            (earlier(image(json!({}))), "messages[0].content[0].type", "cannot stand here"),
            (user(json!([{"text": "a"}])), "messages[0].content[0].type", "missing"),
            (user(json!([{"type": "text"}])), "messages[0].content[0].text", "missing"),
            (user(json!([{"type": "tool_use"}])), "messages[0].content[0].type", "cannot stand here"),
            (user(json!([{"type": "tool_result"}])), "messages[0].content[0].tool_use_id", "missing"),
            (user(in_result(json!([{"type": "image"}]))), "messages[0].content[0].content[0].source", "missing"),
            (
                user(in_result(in_result(json!("no result of a result")))),
                "messages[0].content[0].content[0].type",
                "cannot stand here",
            ),
            (earlier(json!([{"type": "tool_use", "id": "a"}])), "messages[0].content[0].name", "missing"),
            (earlier(json!([{"type": "thinking"}])), "messages[0].content[0].thinking", "missing"),
            (json!({"system": [{"type": "image"}]}), "system[0].type", "cannot stand here"),
            (json!({"temperature": 3}), "temperature", "from 0 to 2"),
            (json!({"stop_sequences": [""]}), "stop_sequences", "empty"),
            (json!({"tools": [{"name": "a b"}]}), "tools[0].name", "letters"),
            (json!({"tools": [{"name": "a", "input_schema": 1}]}), "tools[0].input_schema", "an object"),
            (json!({"tools": [{"type": "bash_20250124", "name": "a"}]}), "tools[0].type", "runs no tools"),
            (json!({"tools": [tool, tool]}), "tools[1].name", "another tool"),
            (json!({"tool_choice": {"type": "any"}}), "tool_choice", "there are no tools"),
            (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name", "missing"),
            (json!({"tool_choice": {"type": "maybe"}}), "tool_choice.type", "\"auto\""),
            (json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), "thinking", "template"),
            (json!({"output_config": {"format": {"type": "xml"}}}), "output_config.format.type", "json_schema"),
            (json!({"output_config": {"format": {"type": "json_schema"}}}), "output_config.format.schema", "object"),
            (json!({"mcp_servers": [{}]}), "mcp_servers", "not supported"),
        ];
        for (fields, param, part) in rows {
            let (named, message) = read(&fields).expect_err("it is bad");
            assert_eq!(named.as_deref(), Some(param), "{fields}: {message}");
            assert!(message.contains(part), "{fields}: {message}");
        }
    }

    /// Results of tools are messages of their own, before what the user says beside them.
    #[test]
    fn blocks_become_messages() {
        let taken = read(&json!({
            "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "where?"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": ""},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "c", "name": "look", "input": {"at": 1}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c", "content": "no door", "is_error": true},
                    {"type": "text", "text": "and now?"},
                ]},
            ],
            "tools": [{"name": "look", "description": "looks", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true},
            "temperature": 0, "top_k": 0, "stop_sequences": ["END"], "stream": true, "metadata": {"user_id": "me"},
        }))
        .expect("a good request");
        let call = ToolCall { id: "c".into(), name: "look".into(), arguments: "{\"at\":1}".into() };
        let answer = ChatMessage {
            reasoning: Some("hm".into()),
            tool_calls: vec![call],
            ..ChatMessage::new(Role::Assistant, "I look.")
        };
        let result = ChatMessage { tool_call_id: Some("c".into()), ..ChatMessage::new(Role::Tool, "Error: no door") };
        let said = ChatMessage::new;
        let messages =
            [said(Role::System, "be brief"), said(Role::User, "where?"), answer, result, said(Role::User, "and now?")];
        assert_eq!(taken.conversation.messages, messages);
        assert_eq!(taken.conversation.tool_choice, ToolChoice::Named("look".into()));
        assert!(taken.conversation.single_call && taken.stream);
        assert!(taken.asked.options.sampling.is_greedy() && taken.asked.options.sampling.top_k == 0);
        assert_eq!((taken.asked.max_tokens, taken.asked.options.stop), (Some(9), vec!["END".to_owned()]));
    }

    /// Method: places are counted in bytes of the text; the results of tools come first, and their pictures with them.
    #[test]
    fn pictures_stand_where_they_were_in_what_users_say_and_tools_return() {
        const DOT: &str = "R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";
        let inline = json!({"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": DOT}});
        let url = json!({"type": "image", "source": {"type": "url", "url": format!("data:image/gif;base64,{DOT}")}});
        let text = |text: &str| json!({"type": "text", "text": text});
        let result = json!({"type": "tool_result", "tool_use_id": "c", "content": [text("a"), url], "is_error": true});
        let content = json!([inline, text("What"), inline, result, text("is it?")]);
        let taken = read(&json!({"messages": [{"role": "user", "content": content}]})).expect("a good request");
        let said: Vec<_> = taken.conversation.messages.iter().map(|said| (said.role, said.content.as_str())).collect();
        assert_eq!(said, [(Role::Tool, "Error: a\n"), (Role::User, "\nWhat\n\nis it?")]);
        let places =
            taken.conversation.messages.iter().map(|said| said.images.iter().map(|placed| placed.at).collect());
        assert_eq!(places.collect::<Vec<Vec<_>>>(), [vec![9], vec![0, 6]]);
        let too_many = json!({"messages": [{"role": "user", "content": vec![inline; 17]}]});
        let (named, message) = read(&too_many).expect_err("16 are the most");
        assert_eq!(named.as_deref(), Some("messages[0].content[16].source.data"), "{message}");
    }

    #[test]
    fn a_schema_is_a_constraint() {
        let format = json!({"type": "json_schema", "schema": {"type": "object"}});
        let taken = read(&json!({"output_config": {"format": format}})).expect("a good request");
        assert_eq!(taken.asked.options.constraint, Some(Constraint::JsonSchema("{\"type\":\"object\"}".into())));
    }
}

//! What a chat of EDISON's protocol says. Fields that nobody knows are passed over: its clients send some. So are those
//! about its memory, which is outside of this server (`remember`, `chat_id`, `global_memory_search`): what it holds comes
//! as `context`, and the answer's `context_used` says what was there. Those that would make another answer of it, and that
//! cannot be honoured, are refused.

use backend::{ChatMessage, Image, Role};
use serde_json::{Value, json};

use crate::edison::router::{Depth, Mode, Wish};
use crate::error::ApiError;
use crate::limits::MODEL_MAX_BYTES;
use crate::validate::Pictures;

/// A chat that can be answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) message: String,
    /// How it is to be answered.
    pub(super) wish: Wish,
    /// The pictures that came with the message.
    pub(crate) images: Vec<Image>,
    /// The model that the person chose, instead of that of the mode.
    pub(super) selected: Option<String>,
    /// What was said before, oldest first.
    pub(super) history: Vec<ChatMessage>,
    /// What the caller found that may help.
    pub(super) context: Vec<String>,
}

impl Ask {
    /// The turns before this one. Some clients send the message itself as the last of them.
    pub(crate) fn earlier(&self) -> &[ChatMessage] {
        match self.history.split_last() {
            Some((last, before)) if last.role == Role::User && last.content == self.message => before,
            _ => &self.history,
        }
    }
}

/// Reads any JSON.
///
/// # Errors
/// What is wrong with it, in the form that the original's clients know.
pub(super) fn any_json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not JSON: {error}");
        ApiError::Fields(json!([{"type": "json_invalid", "loc": ["body"], "msg": message}]))
    })
}

/// Unpacks pictures, which takes a while.
///
/// # Errors
/// Every field that is wrong, in the form that the original's clients know.
pub(crate) fn ask(body: &[u8], messages_max: usize, seen: &mut Pictures) -> Result<Ask, ApiError> {
    let body = &any_json(body)?;
    let mut problems = Vec::new();
    let mut wrong = |field: &str, message: &str| {
        problems.push(json!({"type": "value_error", "loc": ["body", field], "msg": message}));
    };
    let message = body["message"].as_str();
    if message.is_none() {
        wrong("message", "a text is required");
    }
    let mode = mode(&body["mode"]);
    if mode.is_none() {
        wrong("mode", if body["mode"] == "swarm" { NO_SWARM } else { MODES });
    }
    let depth = named(&body["thinking_depth"], Depth::from_name);
    if depth.is_none() {
        wrong("thinking_depth", "must be fast, balanced or deep");
    }
    for (field, why) in ELSEWHERE {
        // The page sends all of them with every message, and something in them only where its user chose it.
        if !matches!(&body[field], Value::Null) && body[field] != "" {
            wrong(field, why);
        }
    }
    let selected = selected(&body["selected_model"]);
    if selected.is_none() {
        wrong("selected_model", "must be the name of a model");
    }
    let images =
        list(&body["images"]).ok_or_else(|| "must be a list".to_owned()).and_then(|items| pictures(items, seen));
    if let Err(message) = &images {
        wrong("images", message);
    }
    let history = list(&body["conversation_history"]).filter(|turns| turns.len() <= messages_max).and_then(turns);
    if history.is_none() {
        wrong(
            "conversation_history",
            &format!("must be a list of at most {messages_max} objects with role and content"),
        );
    }
    let context = list(&body["context"]).and_then(chunks);
    if context.is_none() {
        wrong("context", "must be a list of texts, or of objects with a text");
    }
    match (message, mode, depth, selected, images, history, context) {
        (Some(message), Some(mode), Some(depth), Some(selected), Ok(images), Some(history), Some(context))
            if problems.is_empty() =>
        {
            let wish = Wish { mode, depth };
            Ok(Ask { message: message.to_owned(), wish, images, selected, history, context })
        }
        _ => Err(ApiError::Fields(Value::Array(problems))),
    }
}

const MODES: &str = "must be auto, chat, reasoning, agent, code or work";

const NO_SWARM: &str = "a swarm is several models that talk to each other, and this server answers with one at a time; \
                        choose auto, chat, reasoning, agent, code or work";

/// What would change the answer, and is kept outside of this server.
const ELSEWHERE: [(&str, &str); 2] = [
    ("swarm_session_id", "must be left out: this server has no swarms that could go on"),
    ("assistant_profile_id", "must be left out: this server keeps no profiles; say it in the message, or in context"),
];

/// `None` inside is `auto`.
fn mode(value: &Value) -> Option<Option<Mode>> {
    if value == "auto" { Some(None) } else { named(value, Mode::from_name) }
}

/// An absent name is none.
fn named<T>(value: &Value, from_name: fn(&str) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Null => Some(None),
        Value::String(name) => from_name(name).map(Some),
        _ => None,
    }
}

/// None is chosen where the page sends nothing, or an empty text.
fn selected(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::String(name) if name.len() <= MODEL_MAX_BYTES => {
            Some(Some(name.clone()).filter(|name| !name.is_empty()))
        }
        _ => None,
    }
}

/// An absent list is empty.
fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Null => Some(&[]),
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// Turns of the person and of the model; others are passed over, as in the original.
fn turns(items: &[Value]) -> Option<Vec<ChatMessage>> {
    let mut turns = Vec::new();
    for item in items {
        let role = match item.as_object()?.get("role").and_then(Value::as_str) {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            _ => continue,
        };
        turns.push(ChatMessage::new(role, item["content"].as_str()?));
    }
    Some(turns)
}

/// What is no text is passed over, as in the original.
fn pictures(items: &[Value], seen: &mut Pictures) -> Result<Vec<Image>, String> {
    let texts = items.iter().enumerate().filter_map(|(at, item)| Some((at, item.as_str()?)));
    texts.map(|(at, text)| seen.either(text).map_err(|reason| format!("picture {} {reason}", at + 1))).collect()
}

fn chunks(items: &[Value]) -> Option<Vec<String>> {
    let text = |item: &Value| item.as_str().or_else(|| item["text"].as_str()).map(str::to_owned);
    items.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Ask, Wish};
    use crate::error::ApiError;
    use crate::validate::Pictures;

    fn ask(body: &[u8], messages_max: usize) -> Result<Ask, ApiError> {
        super::ask(body, messages_max, &mut Pictures::default())
    }

    fn wrong(body: &Value) -> Vec<String> {
        match ask(body.to_string().as_bytes(), 3) {
            Err(ApiError::Fields(problems)) => {
                let problems = problems.as_array().expect("a list").iter();
                problems.map(|problem| problem["loc"][1].as_str().expect("a field").to_owned()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(wrong(&json!([])), ["message"]);
        assert_eq!(wrong(&json!({"message": null, "mode": "swarm"})), ["message", "mode"]);
        assert_eq!(wrong(&json!({"message": "", "images": 1, "context": [1]})), ["images", "context"]);
        assert_eq!(wrong(&json!({"message": "", "conversation_history": ["x"]})), ["conversation_history"]);
        assert_eq!(wrong(&json!({"message": "", "selected_model": 7})), ["selected_model"]);
        assert_eq!(wrong(&json!({"message": "", "selected_model": "x".repeat(257)})), ["selected_model"]);
        for depth in [json!("Deep"), json!(""), json!(1)] {
            assert_eq!(wrong(&json!({"message": "", "thinking_depth": depth})), ["thinking_depth"]);
        }
        let long = json!({"message": "", "conversation_history": [{}, {}, {}, {}]});
        assert_eq!(wrong(&long), ["conversation_history"]);
    }

    /// They would be another answer: a profile has its own instructions, a swarm its own history.
    #[test]
    fn what_is_chosen_and_cannot_be_honoured_is_refused_and_what_is_not_chosen_is_not() {
        for field in ["swarm_session_id", "assistant_profile_id"] {
            for chosen in [json!("a"), json!(7), json!(false), json!({})] {
                assert_eq!(wrong(&json!({"message": "", field: chosen})), [field]);
            }
            for none in [json!(null), json!("")] {
                assert!(ask(json!({"message": "", field: none}).to_string().as_bytes(), 3).is_ok(), "{field}");
            }
        }
    }

    #[test]
    fn unknown_fields_and_roles_are_passed_over_and_an_empty_message_is_taken() {
        let body = json!({"message": "", "session_id": 7, "remember": null, "images": null,
            "conversation_history": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]});
        let ask = ask(body.to_string().as_bytes(), 3).expect("a chat");
        assert_eq!((ask.history.len(), ask.images.len(), ask.wish), (1, 0, Wish::default()));
    }

    #[test]
    fn pictures_come_in_base64_or_in_data_urls_and_what_is_none_is_named() {
        let dot = "R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";
        let body = json!({"message": "?", "images": [dot, 7, format!("data:image/gif;base64,{dot}")]});
        let read = ask(body.to_string().as_bytes(), 3).expect("a chat");
        assert_eq!(read.images.iter().map(|image| (image.width(), image.height())).collect::<Vec<_>>(), [(1, 1); 2]);
        assert_eq!(wrong(&json!({"message": "?", "images": [dot, "aGk="]})), ["images"]);
        assert_eq!(wrong(&json!({"message": "?", "images": vec![dot; 17]})), ["images"]);
    }
}

//! Requests about texts and tokens alone.

use backend::{Chat, TokenId};

use super::{BadRequest, Pictures, input, messages, model, read, tools, unsupported};
use crate::limits::TOKENS_MAX;
use crate::wire::tokens::{DetokenizeRequest, TemplateRequest, TokenizeRequest};

/// A text whose tokens are wanted.
#[derive(Debug, PartialEq)]
pub(crate) struct Tokenize {
    pub(crate) model: Option<String>,
    pub(crate) content: String,
    pub(crate) as_prompt: bool,
    pub(crate) specials: bool,
    pub(crate) with_pieces: bool,
}

/// Reads and checks the body of `/tokenize`.
pub(crate) fn tokenize(body: &[u8]) -> Result<Tokenize, BadRequest> {
    let request: TokenizeRequest = read::request(body, &[])?;
    let content = request.content.ok_or_else(|| BadRequest::field("content", "content is missing"))?;
    Ok(Tokenize {
        model: some(request.model)?,
        content,
        as_prompt: request.add_special.unwrap_or(false),
        specials: request.parse_special.unwrap_or(true),
        with_pieces: request.with_pieces.unwrap_or(false),
    })
}

/// Reads and checks the body of `/detokenize`: the model, and the tokens.
pub(crate) fn detokenize(body: &[u8]) -> Result<(Option<String>, Vec<TokenId>), BadRequest> {
    let request: DetokenizeRequest = read::request(body, &[])?;
    let tokens = request.tokens.ok_or_else(|| BadRequest::field("tokens", "tokens is missing"))?;
    if tokens.len() > TOKENS_MAX {
        let message = format!("tokens has {} tokens, and {TOKENS_MAX} are the most", tokens.len());
        return Err(BadRequest::field("tokens", message));
    }
    Ok((some(request.model)?, input::tokens("tokens", tokens)?))
}

/// Reads and checks the body of `/apply-template`: the model, and the conversation, which is without pictures: the text would
/// not show that there were any.
pub(crate) fn template(
    body: &[u8],
    messages_max: usize,
    pictures: &mut Pictures,
) -> Result<(Option<String>, Chat), BadRequest> {
    let request: TemplateRequest = read::request(body, unsupported::CHAT)?;
    let (model, tools) = (some(request.model)?, tools::tools(request.tools)?);
    let messages = messages::check(request.messages, messages_max, pictures)?;
    if let Some(index) = messages.iter().position(|message| !message.images.is_empty()) {
        let path = format!("messages[{index}].content");
        return Err(BadRequest::about(&path, "has a picture, for which a text has no place: leave it out"));
    }
    Ok((model, Chat { messages, tools, ..Chat::default() }))
}

/// The name of a model, where there is one.
fn some(name: Option<String>) -> Result<Option<String>, BadRequest> {
    name.map(|name| model(Some(name))).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{detokenize, template, tokenize};
    use crate::limits::TOKENS_MAX;
    use crate::validate::pictures::DOT;
    use crate::validate::{BadRequest, Pictures};

    #[test]
    fn a_bad_field_is_refused_by_name() {
        type Refuse = fn(&[u8]) -> Option<BadRequest>;
        let tokenize: Refuse = |body| tokenize(body).err();
        let detokenize: Refuse = |body| detokenize(body).err();
        let template: Refuse = |body| template(body, 9, &mut Pictures::default()).err();
        let dot = format!("data:image/gif;base64,{DOT}");
        let picture = json!([{"type": "image_url", "image_url": {"url": dot}}]);
        let user = |content: Value| json!({"role": "user", "content": content});
        let rows = [
            (tokenize, json!({}), "content"),
            (tokenize, json!({"content": 7}), "content"),
            (tokenize, json!({"content": "a", "model": ""}), "model"),
            (detokenize, json!({"model": "m"}), "tokens"),
            (detokenize, json!({"tokens": [-1]}), "tokens[0]"),
            (detokenize, json!({"tokens": vec![1; TOKENS_MAX + 1]}), "tokens"),
            (template, json!({"messages": []}), "messages"),
            (template, json!({"messages": [user(json!("a"))], "tools": [{}]}), "tools[0].type"),
            (template, json!({"messages": [user(json!("a")), user(picture)]}), "messages[1].content"),
        ];
        for (refuse, body, param) in rows {
            let refused = refuse(body.to_string().as_bytes());
            assert_eq!(refused.and_then(|bad| bad.param).as_deref(), Some(param), "{body}");
        }
    }

    /// llama-server's defaults.
    #[test]
    fn what_is_left_out_is_as_in_llama_server() {
        let taken = tokenize(br#"{"content": ""}"#).expect("good");
        assert_eq!((taken.model, taken.as_prompt, taken.specials, taken.with_pieces), (None, false, true, false));
    }
}

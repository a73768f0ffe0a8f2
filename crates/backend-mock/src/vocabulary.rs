//! Tokens: one to three bytes of text each, or a mark of the chat template.
//!
//! The answer of the mock depends on the tokens of a prompt and on nothing else, as a real model's does.

use std::ops::Range;

use backend::{Chat, ChatMessage, IMAGE_TOKENS, Pair, Prompt, Role, TokenId};

/// Opens a message of the system; the ids up to [`BETWEEN`] are the marks.
const SYSTEM: TokenId = 0;
const USER: TokenId = 1;
const ASSISTANT: TokenId = 2;
/// Closes a message.
const END: TokenId = 3;
/// Opens a message of a tool.
const TOOL: TokenId = 4;
/// Stands between a query and a document.
const BETWEEN: TokenId = 5;

/// Text tokens hold their number of bytes here, and the bytes themselves below.
const LENGTH_SHIFT: u32 = 24;

/// Pictures that a prompt can have: more than any request may bring.
const PICTURES: Range<TokenId> = IMAGE_TOKENS..IMAGE_TOKENS + (1 << 16);

/// What a picture takes, whatever its size.
pub(crate) const TOKENS_PER_PICTURE: usize = 16;

/// Bytes that fit a token.
pub(crate) const TOKEN_BYTES_MAX: usize = 3;

/// A token that stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownToken(pub(crate) TokenId);

/// The tokens of a prompt. Text never becomes a mark, whatever it says.
pub(crate) fn tokens_of(prompt: &Prompt, bytes_per_token: usize) -> Vec<TokenId> {
    match prompt {
        Prompt::Text(text) => text_tokens(text, bytes_per_token).collect(),
        Prompt::Pair(Pair { query, document }) => {
            let document = text_tokens(document, bytes_per_token);
            text_tokens(query, bytes_per_token).chain([BETWEEN]).chain(document).collect()
        }
        Prompt::Chat(Chat { messages, .. }) if messages.is_empty() => Vec::new(),
        Prompt::Chat(Chat { messages, .. }) => {
            let mut pictures = PICTURES;
            let message = |m: &ChatMessage| {
                // Before the words, wherever they stand among them: nothing here depends on it.
                let seen: Vec<TokenId> = pictures.by_ref().take(m.images.len()).collect();
                let seen = seen.into_iter().flat_map(|token| [token; TOKENS_PER_PICTURE]);
                let text = text_tokens(&m.content, bytes_per_token).collect::<Vec<_>>();
                std::iter::once(opening(m.role)).chain(seen).chain(text).chain([END])
            };
            messages.iter().flat_map(message).chain([ASSISTANT]).collect()
        }
    }
}

/// What a prompt asks: its last user message, or all of its text where it has no messages.
pub(crate) fn question_of(tokens: &[TokenId]) -> Result<String, UnknownToken> {
    let mut role = None;
    let mut text = Vec::new();
    let mut question = None;
    for &token in tokens {
        match token {
            SYSTEM | USER | ASSISTANT | TOOL => {
                role = Some(token);
                text.clear();
            }
            END if role == Some(USER) => question = Some(std::mem::take(&mut text)),
            END | BETWEEN => {}
            _ if is_picture(token) => {}
            _ => text.extend(text_bytes(token)?),
        }
    }
    Ok(String::from_utf8_lossy(&question.unwrap_or(text)).into_owned())
}

/// The query and the document of a pair; `None` where these are no pair's.
///
/// # Errors
/// One of them is in no vocabulary.
pub(crate) fn pair_of(tokens: &[TokenId]) -> Result<Option<(String, String)>, UnknownToken> {
    let Some(at) = tokens.iter().position(|&token| token == BETWEEN) else { return Ok(None) };
    let text = |tokens: &[TokenId]| {
        let bytes = tokens.iter().map(|&token| bytes_of(token)).collect::<Result<Vec<_>, _>>()?;
        Ok(String::from_utf8_lossy(&bytes.concat()).into_owned())
    };
    Ok(Some((text(&tokens[..at])?, text(&tokens[at + 1..])?)))
}

pub(crate) fn is_picture(token: TokenId) -> bool {
    PICTURES.contains(&token)
}

fn opening(role: Role) -> TokenId {
    match role {
        Role::System => SYSTEM,
        Role::User => USER,
        Role::Assistant => ASSISTANT,
        Role::Tool => TOOL,
    }
}

pub(crate) fn text_tokens(text: &str, bytes_per_token: usize) -> impl Iterator<Item = TokenId> {
    debug_assert!((1..=TOKEN_BYTES_MAX).contains(&bytes_per_token), "the config was clamped");
    text.as_bytes().chunks(bytes_per_token).map(|bytes| {
        let length = (bytes.len() as TokenId) << LENGTH_SHIFT;
        bytes.iter().fold(0, |id, byte| id << 8 | TokenId::from(*byte)) | length
    })
}

/// The bytes of a text token; a mark has none, and neither has a picture.
pub(crate) fn bytes_of(token: TokenId) -> Result<Vec<u8>, UnknownToken> {
    if token <= BETWEEN || is_picture(token) { Ok(Vec::new()) } else { text_bytes(token).map(Iterator::collect) }
}

/// The bytes of a text token.
fn text_bytes(token: TokenId) -> Result<impl Iterator<Item = u8>, UnknownToken> {
    let length = (token >> LENGTH_SHIFT) as usize;
    let [_, bytes @ ..] = token.to_be_bytes();
    let (unused, used) = bytes.split_at(TOKEN_BYTES_MAX.saturating_sub(length));
    if (1..=TOKEN_BYTES_MAX).contains(&length) && unused.iter().all(|byte| *byte == 0) {
        let start = TOKEN_BYTES_MAX - used.len();
        Ok(bytes.into_iter().skip(start))
    } else {
        Err(UnknownToken(token))
    }
}

#[cfg(test)]
mod tests {
    use backend::{Chat, ChatMessage, Image, PlacedImage, Prompt, Role, TokenId};

    use super::{TOKENS_PER_PICTURE, UnknownToken, question_of, tokens_of};

    fn message(role: Role, content: &str) -> ChatMessage {
        ChatMessage::new(role, content)
    }

    #[test]
    fn text_survives_any_token_size() {
        let text = "naïve 日本 🦀\0end";
        for size in 1..=3 {
            let tokens = tokens_of(&Prompt::Text(text.into()), size);
            assert_eq!(tokens.len(), text.len().div_ceil(size), "{size} bytes a token");
            assert_eq!(question_of(&tokens), Ok(text.into()), "{size} bytes a token");
        }
    }

    #[test]
    fn a_picture_takes_tokens_and_says_nothing() {
        let mut seen = message(Role::User, "?");
        let words = tokens_of(&Prompt::Chat(Chat::new(vec![seen.clone()])), 1).len();
        let image = Image::new(1, 1, [0; 3]).expect("a pixel");
        seen.images = vec![PlacedImage { at: 0, image: image.clone() }, PlacedImage { at: 1, image }];
        let tokens = tokens_of(&Prompt::Chat(Chat::new(vec![seen])), 1);
        assert_eq!(tokens.len(), words + 2 * TOKENS_PER_PICTURE);
        assert_eq!(question_of(&tokens), Ok("?".into()));
    }

    #[test]
    fn a_chat_asks_what_its_last_user_message_says() {
        let chat = Prompt::Chat(Chat::new(vec![
            message(Role::System, "be brief"),
            message(Role::User, "first"),
            message(Role::Assistant, "yes"),
            message(Role::User, "second"),
            message(Role::Tool, "42"),
            message(Role::System, "be kind"),
        ]));
        assert_eq!(question_of(&tokens_of(&chat, 1)), Ok("second".into()));
    }

    #[test]
    fn an_empty_last_message_is_not_the_one_before() {
        let chat = Prompt::Chat(Chat::new(vec![message(Role::User, "first"), message(Role::User, "")]));
        assert_eq!(question_of(&tokens_of(&chat, 1)), Ok(String::new()));
    }

    #[test]
    fn tokens_that_no_text_has_are_unknown() {
        for token in [TokenId::MAX, 6, 0x0001_0000, 0x0101_0041, 0x0201_4141, 0x0400_0000] {
            assert_eq!(question_of(&[token]), Err(UnknownToken(token)), "{token:#x}");
        }
    }
}

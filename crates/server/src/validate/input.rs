//! Texts and tokens that a model is given as they are.

use backend::{Prompt, TokenId};
use serving::Input;

use super::BadRequest;
use crate::wire::input::InputEntry;

/// Reads the field `path`, which has at most `max` inputs and at least one.
pub(super) fn inputs(path: &str, entry: Option<InputEntry>, max: usize) -> Result<Vec<Input>, BadRequest> {
    let text = |text| Input::Prompt(Prompt::Text(text));
    let inputs: Vec<Input> = match entry {
        None => Vec::new(),
        Some(InputEntry::Text(one)) => vec![text(one)],
        Some(InputEntry::Texts(several)) => several.into_iter().map(text).collect(),
        Some(InputEntry::Tokens(one)) => vec![Input::Tokens(tokens(path, one)?)],
        Some(InputEntry::TokenLists(several)) => several
            .into_iter()
            .enumerate()
            .map(|(index, one)| Ok(Input::Tokens(tokens(&format!("{path}[{index}]"), one)?)))
            .collect::<Result<_, BadRequest>>()?,
    };
    if inputs.is_empty() {
        return Err(BadRequest::field(path, format!("{path} must have at least one text")));
    }
    if inputs.len() > max {
        return Err(BadRequest::field(path, format!("{path} has {} texts, and {max} are the most", inputs.len())));
    }
    Ok(inputs)
}

/// Reads tokens, whatever vocabulary they are of.
pub(super) fn tokens(path: &str, tokens: Vec<i64>) -> Result<Vec<TokenId>, BadRequest> {
    let token = |(index, token)| {
        TokenId::try_from(token).map_err(|_| {
            let path = format!("{path}[{index}]");
            BadRequest::field(path.clone(), format!("{path} must be a token: an integer from 0 to {}", TokenId::MAX))
        })
    };
    tokens.into_iter().enumerate().map(token).collect()
}

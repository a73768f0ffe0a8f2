//! Everything that one choice says, collected.

use backend::{Token, TokenLogprob, ToolCall};

/// What was said so far.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Tokens that made more of the reasoning visible.
    pub(crate) reasoning_tokens: u32,
    pub(crate) calls: Vec<ToolCall>,
    /// Of every token, where that was asked for.
    pub(crate) logprobs: Vec<TokenLogprob>,
}

impl Said {
    /// Takes one more token.
    pub(crate) fn push(&mut self, token: Token) {
        self.text.push_str(&token.text);
        self.reasoning.push_str(&token.reasoning);
        self.reasoning_tokens += u32::from(!token.reasoning.is_empty());
        for part in token.calls {
            // Parts come in the order of their calls, and the first of each has its id and its name.
            if self.calls.len() <= part.index as usize {
                let (id, name) = (part.id.unwrap_or_default(), part.name.unwrap_or_default());
                self.calls.push(ToolCall { id, name, arguments: String::new() });
            }
            if let Some(call) = self.calls.last_mut() {
                call.arguments.push_str(&part.arguments);
            }
        }
        self.logprobs.extend(token.logprob);
    }
}

#[cfg(test)]
mod tests {
    use backend::{CallPart, Token, ToolCall};

    use super::Said;

    #[test]
    fn parts_of_calls_become_calls() {
        let part = |index, id: Option<&str>, arguments: &str| CallPart {
            index,
            id: id.map(Into::into),
            name: id.map(|_| "look".into()),
            arguments: arguments.into(),
        };
        let mut said = Said::default();
        for calls in [vec![part(0, Some("a"), "{\"x\"")], vec![part(0, None, ":1}"), part(1, Some("b"), "{}")]] {
            said.push(Token { calls, ..Token::default() });
        }
        let call =
            |id: &str, arguments: &str| ToolCall { id: id.into(), name: "look".into(), arguments: arguments.into() };
        assert_eq!(said.calls, [call("a", "{\"x\":1}"), call("b", "{}")]);
    }
}

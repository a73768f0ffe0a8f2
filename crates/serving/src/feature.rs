//! What a request wants of a model, and whether the model has it.

use backend::{Capabilities, GenerateOptions, Prompt};

/// Something that not every model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Answers: continuing conversations and texts.
    Generation,
    /// Calling tools.
    Tools,
    /// Answers of a given form.
    Constraints,
    /// Telling how likely a token was.
    Logprobs,
    /// Embeddings.
    Embeddings,
    /// Embeddings or scores that an adapter changes. No model has them.
    AdaptedEmbeddings,
    /// Ranking documents by a query.
    Rerank,
    /// Pictures in the prompt.
    Vision,
}

impl Feature {
    /// The feature's name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generation => "answers: it embeds or ranks texts and does not continue them",
            Self::Tools => "tools",
            Self::Constraints => "constrained answers",
            Self::Logprobs => "log probabilities",
            Self::Embeddings => "embeddings",
            Self::AdaptedEmbeddings => "embeddings or scores that an adapter changes",
            Self::Rerank => "head to rank documents with: it is no reranker",
            Self::Vision => "eyes for pictures",
        }
    }

    /// What is asked for and not there: the first such thing.
    pub(crate) fn missing(has: Capabilities, prompt: &Prompt, options: &GenerateOptions) -> Option<Self> {
        let tools = matches!(prompt, Prompt::Chat(chat) if chat.may_call());
        let pictures = matches!(prompt, Prompt::Chat(chat) if chat.images().next().is_some());
        let asked = [
            (Self::Generation, true, has.generation),
            (Self::Vision, pictures, has.vision),
            (Self::Tools, tools, has.tools),
            (Self::Constraints, options.constraint.is_some(), has.constraints),
            (Self::Logprobs, options.logprobs.is_some(), has.logprobs),
        ];
        asked.into_iter().find(|&(_, asked, has)| asked && !has).map(|(feature, ..)| feature)
    }
}

#[cfg(test)]
mod tests {
    use backend::{
        Capabilities, Chat, ChatMessage, Constraint, GenerateOptions, Image, PlacedImage, Prompt, Role, Tool,
        ToolChoice,
    };

    use super::Feature;

    fn chat(tool_choice: ToolChoice) -> Prompt {
        let tools = vec![Tool { name: "t".into(), description: None, parameters: None }];
        Prompt::Chat(Chat { tools, tool_choice, ..Chat::default() })
    }

    #[test]
    fn what_is_asked_for_and_missing_is_named() {
        let text = Prompt::Text("t".into());
        let plain = GenerateOptions::default();
        let likely = GenerateOptions { logprobs: Some(0), ..plain.clone() };
        let formed = GenerateOptions { constraint: Some(Constraint::JsonObject), ..plain.clone() };
        let mut message = ChatMessage::new(Role::User, "?");
        message.images.push(PlacedImage { at: 0, image: Image::new(1, 1, [0; 3]).expect("a pixel") });
        let picture = Prompt::Chat(Chat::new(vec![message]));
        let nothing = Capabilities { generation: false, ..Capabilities::default() };
        let cases = [
            (&text, &plain, None),
            (&picture, &plain, Some(Feature::Vision)),
            (&text, &likely, Some(Feature::Logprobs)),
            (&text, &formed, Some(Feature::Constraints)),
            (&chat(ToolChoice::Auto), &plain, Some(Feature::Tools)),
            (&chat(ToolChoice::None), &plain, None),
        ];
        for (prompt, options, missing) in cases {
            assert_eq!(Feature::missing(Capabilities::default(), prompt, options), missing, "{prompt:?} {options:?}");
            assert_eq!(Feature::missing(Capabilities::ALL, prompt, options), None);
            assert_eq!(Feature::missing(nothing, prompt, options), Some(Feature::Generation));
        }
    }
}

//! Which lane a conversation was on, for models with several.
//!
//! A lane remembers the prompt that it computed last, so a conversation is best continued where it was. What is kept
//! here is a hint and no more: where it is missing, or of another conversation, a prompt takes longer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use backend::{Prompt, Role};
use model_locks::LaneId;

/// Conversations that are remembered at most. One more takes the place of another.
const PLACES: usize = 1024;
/// As much of a text as tells it from others.
const TEXT_BYTES: usize = 512;

/// A conversation, as told by how it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conversation(u64);

impl Conversation {
    /// The same for a prompt and for those that continue it.
    pub(crate) fn of(prompt: &Prompt) -> Self {
        let mut hasher = DefaultHasher::new();
        match prompt {
            Prompt::Chat(chat) => {
                // What stands before the person's first words is the same for many, and what follows is still to come.
                let first = chat.messages.iter().position(|message| message.role == Role::User);
                let beginning = first.map_or(&chat.messages[..], |first| &chat.messages[..=first]);
                beginning.iter().for_each(|message| (message.role.as_str(), &message.content).hash(&mut hasher));
            }
            Prompt::Text(text) => text.as_bytes()[..text.len().min(TEXT_BYTES)].hash(&mut hasher),
            // Nothing of it is remembered.
            Prompt::Pair(_) => {}
        }
        Self(hasher.finish())
    }

    fn place(self) -> usize {
        usize::try_from(self.0 % PLACES as u64).unwrap_or(0)
    }
}

/// The lanes of conversations. Bounded: each has one place where it can be.
#[derive(Debug)]
pub(crate) struct Affinity(Mutex<Vec<Option<(Conversation, LaneId)>>>);

impl Default for Affinity {
    fn default() -> Self {
        Self(Mutex::new(vec![None; PLACES]))
    }
}

impl Affinity {
    /// The lane on which this conversation was last.
    pub(crate) fn lane(&self, conversation: Conversation) -> Option<LaneId> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places[conversation.place()].filter(|(known, _)| *known == conversation).map(|(_, lane)| lane)
    }

    /// Remembers that it is on this one now.
    pub(crate) fn remember(&self, conversation: Conversation, lane: LaneId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[conversation.place()] = Some((conversation, lane));
    }
}

#[cfg(test)]
mod tests {
    use backend::{Chat, ChatMessage, Prompt, Role};

    use super::Conversation;

    fn chat(messages: &[(Role, &str)]) -> Conversation {
        let messages = messages.iter().map(|(role, content)| ChatMessage::new(*role, *content)).collect();
        Conversation::of(&Prompt::Chat(Chat::new(messages)))
    }

    #[test]
    fn a_conversation_stays_the_same_while_it_goes_on() {
        let begun = [(Role::System, "Be brief."), (Role::User, "Hello")];
        let gone_on = [begun[0], begun[1], (Role::Assistant, "Hi."), (Role::User, "Bye")];
        assert_eq!(chat(&begun), chat(&gone_on));
        assert_ne!(chat(&begun), chat(&[begun[0], (Role::User, "Good day")]));
        assert_ne!(chat(&begun), chat(&begun[1..]));
    }

    #[test]
    fn a_text_is_told_by_its_beginning() {
        let text = |text: &str| Conversation::of(&Prompt::Text(text.to_string()));
        assert_eq!(text(&"é".repeat(300)), text(&"é".repeat(301)));
        assert_ne!(text("a"), text("ab"));
    }
}

//! The chats that can be cancelled, by their ids.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The chats under way. A chat is in it exactly as long as its [`Entry`] lives, so that nothing has to be swept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Active(Arc<Mutex<Table>>);

/// By id; several where clients chose the same.
type Table = HashMap<String, Vec<CancellationToken>>;

/// One chat's place in the table.
pub(crate) struct Entry {
    active: Active,
    id: String,
    token: CancellationToken,
}

impl Active {
    pub(crate) fn enter(&self, id: &str) -> Entry {
        let token = CancellationToken::new();
        self.lock().entry(id.to_owned()).or_default().push(token.clone());
        Entry { active: self.clone(), id: id.to_owned(), token }
    }

    /// Ends every chat of this id, in whatever phase. Tells whether there was one.
    pub(crate) fn cancel(&self, id: &str) -> bool {
        // Woken after unlocking: whoever wakes may drop its entry at once.
        let tokens = self.lock().get(id).cloned().unwrap_or_default();
        tokens.iter().for_each(CancellationToken::cancel);
        !tokens.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing inside panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Resolves when the chat is to end.
    pub(crate) async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut table = self.active.lock();
        // The token that is cancelled here is this entry's own, and tells it from others of the same id.
        self.token.cancel();
        if let Some(tokens) = table.get_mut(&self.id) {
            if let Some(at) = tokens.iter().position(CancellationToken::is_cancelled) {
                tokens.swap_remove(at);
            }
            if tokens.is_empty() {
                table.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Active;

    #[test]
    fn a_chat_can_be_cancelled_as_long_as_it_is_under_way() {
        let active = Active::default();
        let (first, second) = (active.enter("a"), active.enter("a"));
        drop(first);
        assert!(active.cancel("a") && second.token.is_cancelled());
        drop(second);
        assert!(!active.cancel("a") && active.lock().is_empty());
    }
}

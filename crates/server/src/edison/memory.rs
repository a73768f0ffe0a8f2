//! What of a conversation is remembered where not all of it fits.

use backend::{Chat, ChatMessage};

/// Leaves out the oldest of what was said between the instructions, which come first, and the message, which comes last.
/// Tells how many turns; 0 when there is none left.
pub(crate) fn make_room(chat: &mut Chat, tokens: u32, context_len: u32) -> usize {
    let turns = 1..chat.messages.len().saturating_sub(1).max(1);
    if turns.is_empty() {
        return 0;
    }
    let had = turns.len();
    let mut history: Vec<_> = chat.messages.drain(turns).collect();
    drop_oldest(&mut history, tokens, context_len);
    let n_dropped = had - history.len();
    chat.messages.splice(1..1, history);
    n_dropped
}

/// Drops at least one turn, and otherwise as many as hold half of what is too much: a long history is fitted in a few
/// goes, and never by more than it must.
fn drop_oldest(history: &mut Vec<ChatMessage>, tokens: u32, context_len: u32) {
    let bytes: usize = history.iter().map(|turn| turn.content.len()).sum();
    let excess = f64::from(tokens.saturating_sub(context_len)) / f64::from(tokens.max(1));
    let mut due = bytes as f64 * excess / 2.0;
    let mut n_dropped = 0;
    while n_dropped < history.len() && (n_dropped == 0 || due > 0.0) {
        due -= history[n_dropped].content.len() as f64;
        n_dropped += 1;
    }
    history.drain(..n_dropped);
}

#[cfg(test)]
mod tests {
    use backend::{Chat, ChatMessage, Role};

    use super::{drop_oldest, make_room};

    #[test]
    fn the_instructions_and_the_message_stay() {
        let message = |text: &str| ChatMessage::new(Role::User, text);
        let chat = |texts: &[&str]| Chat::new(texts.iter().map(|text| message(text)).collect());
        let mut talk = chat(&["system", "a", "b", "message"]);
        assert_eq!((make_room(&mut talk, 20, 19), &talk), (1, &chat(&["system", "b", "message"])));
        assert_eq!((make_room(&mut talk, 20, 19), &talk), (1, &chat(&["system", "message"])));
        for texts in [&["system", "message"][..], &["message"], &[]] {
            let mut rest = chat(texts);
            assert_eq!((make_room(&mut rest, 20, 1), rest), (0, chat(texts)));
        }
    }

    /// Method: a token is a byte, so that the fewest turns that must go can be counted.
    #[test]
    fn as_many_turns_go_as_must_whatever_their_lengths() {
        let lengths = [
            [50; 10],
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 400],
            [400, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            [3, 90, 7, 60, 1, 1, 80, 2, 9, 40],
        ];
        for lengths in lengths {
            let history: Vec<_> = lengths.map(|len| ChatMessage::new(Role::User, "x".repeat(len))).into();
            let rest = |n: usize| lengths[n..].iter().sum::<usize>() as u32;
            for context_len in 1..=rest(0) {
                let must = (0..=10).find(|&n| rest(n) < context_len).expect("nothing fits");
                let mut kept = history.clone();
                while rest(10 - kept.len()) >= context_len {
                    let before = kept.len();
                    drop_oldest(&mut kept, rest(10 - before), context_len);
                    assert!(kept.len() < before, "or it would never fit");
                }
                assert_eq!(10 - kept.len(), must, "{lengths:?} in {context_len}");
                assert_eq!(kept, history[must..], "the newest stay");
            }
        }
    }
}

//! Where the pictures of a conversation stand once it is rendered.
//!
//! Templates know text. So each picture goes through the template as a character that occurs nowhere else in the
//! conversation, and the rendered text is cut where these characters are.

use backend::{Chat, ChatMessage};

use crate::specials::NoPlaceholder;

/// The characters that stand for the pictures of one conversation, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marks(Vec<char>);

/// A stretch of a rendered conversation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stretch<'a> {
    Text(&'a str),
    /// The picture of this number.
    Picture(usize),
}

impl Marks {
    /// Marks for `n` pictures, out of characters that occur nowhere else.
    ///
    /// # Errors
    /// [`NoPlaceholder`], which takes messages made for it.
    pub(crate) fn new(unused: impl Iterator<Item = char>, n: usize) -> Result<Self, NoPlaceholder> {
        let marks: Vec<char> = unused.take(n).collect();
        if marks.len() == n { Ok(Self(marks)) } else { Err(NoPlaceholder) }
    }

    /// The same conversation with a mark in the place of each picture.
    pub(crate) fn set(&self, chat: &Chat) -> Chat {
        let mut left = self.0.iter();
        let messages = chat.messages.iter().map(|message| mark(message, &mut left)).collect();
        Chat { messages, ..chat.clone() }
    }

    /// Cuts a text at the marks.
    pub(crate) fn cut<'a>(&self, text: &'a str) -> Vec<Stretch<'a>> {
        let mut stretches = Vec::new();
        let mut begin = 0;
        for (at, c) in text.char_indices() {
            let Some(number) = self.0.iter().position(|mark| *mark == c) else {
                continue;
            };
            stretches.push(Stretch::Text(&text[begin..at]));
            stretches.push(Stretch::Picture(number));
            begin = at + c.len_utf8();
        }
        stretches.push(Stretch::Text(&text[begin..]));
        stretches.retain(|stretch| *stretch != Stretch::Text(""));
        stretches
    }
}

fn mark<'a>(message: &ChatMessage, marks: &mut impl Iterator<Item = &'a char>) -> ChatMessage {
    let mut content = String::with_capacity(message.content.len() + 4 * message.images.len());
    let mut begin = 0;
    for (placed, mark) in message.images.iter().zip(marks) {
        // A place that is none, inside a character or beyond the end, counts as the end.
        let at = if message.content.is_char_boundary(placed.at) { placed.at } else { message.content.len() };
        content.push_str(&message.content[begin..at.max(begin)]);
        content.push(*mark);
        begin = at.max(begin);
    }
    content.push_str(&message.content[begin..]);
    ChatMessage { content, images: Vec::new(), ..message.clone() }
}

#[cfg(test)]
mod tests {
    use backend::{Chat, ChatMessage, Image, PlacedImage, Role};

    use super::{Marks, Stretch};

    fn message(content: &str, places: &[usize]) -> ChatMessage {
        let image = Image::new(1, 1, [0; 3]).expect("a pixel");
        let images = places.iter().map(|&at| PlacedImage { at, image: image.clone() }).collect();
        ChatMessage { images, ..ChatMessage::new(Role::User, content) }
    }

    fn set(chat: &Chat) -> (Vec<ChatMessage>, Marks) {
        let marks = Marks::new('\u{f0001}'..='\u{f00ff}', chat.images().count()).expect("characters are left");
        (marks.set(chat).messages, marks)
    }

    #[test]
    fn marks_may_run_out() {
        assert!(Marks::new(['a', 'b'].into_iter(), 2).is_ok());
        assert_eq!(Marks::new(['a', 'b'].into_iter(), 3), Err(crate::specials::NoPlaceholder));
    }

    /// Method: join the marked messages as a template would, in the other order, and cut.
    #[test]
    fn pictures_are_found_wherever_the_template_puts_them() {
        let chat = Chat::new(vec![message("ab", &[0, 1, 2]), message("\u{f0000}é", &[4])]);
        let (messages, marks) = set(&chat);
        let rendered = format!("<{}>{}", messages[1].content, messages[0].content);
        use Stretch::{Picture, Text};
        let expected =
            [Text("<\u{f0000}"), Picture(3), Text("é>"), Picture(0), Text("a"), Picture(1), Text("b"), Picture(2)];
        assert_eq!(marks.cut(&rendered), expected);
    }

    /// Nobody checks places before; a wrong one must not panic in the middle of a character.
    #[test]
    fn a_place_that_is_none_is_the_end() {
        for (content, places) in [("é", [1].as_slice()), ("a", &[9]), ("ab", &[2, 1])] {
            let (messages, _) = set(&Chat::new(vec![message(content, places)]));
            assert!(messages[0].content.starts_with(content), "{:?}", messages[0].content);
        }
    }
}

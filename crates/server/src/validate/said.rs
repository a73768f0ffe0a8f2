//! What a message says, part by part.

use backend::{ChatMessage, Image, PlacedImage, Role};

/// A message that grows. Its parts are joined by line breaks, as other servers do, and pictures are placed among them.
pub(super) struct Said {
    message: ChatMessage,
    n_parts: usize,
}

impl Said {
    pub(super) fn new(role: Role) -> Self {
        Self { message: ChatMessage::new(role, ""), n_parts: 0 }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.begin();
        self.message.content.push_str(text);
    }

    pub(super) fn picture(&mut self, image: Image) {
        self.begin();
        self.message.images.push(PlacedImage { at: self.message.content.len(), image });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_parts == 0
    }

    pub(super) fn finish(self) -> ChatMessage {
        self.message
    }

    fn begin(&mut self) {
        if self.n_parts > 0 {
            self.message.content.push('\n');
        }
        self.n_parts += 1;
    }
}

#[cfg(test)]
mod tests {
    use backend::{Image, Role};

    use super::Said;

    #[test]
    fn parts_are_joined_and_pictures_stand_where_they_were_among_them() {
        let mut said = Said::new(Role::User);
        assert!(said.is_empty());
        let image = Image::new(1, 1, [0; 3]).expect("a pixel");
        said.picture(image.clone());
        said.text("a");
        said.text("");
        said.picture(image);
        said.text("b");
        assert!(!said.is_empty());
        let message = said.finish();
        assert_eq!(message.content, "\na\n\n\nb");
        assert_eq!(message.images.iter().map(|placed| placed.at).collect::<Vec<_>>(), [0, 4]);
    }
}

//! Titles of conversations, at most [`TITLE_MAX`] characters.

/// Characters that a title may have.
const TITLE_MAX: usize = 50;

/// The title that a model's words make; the message's own where they make none.
pub(crate) fn title(answer: &str, message: &str) -> String {
    let around = |letter: char| letter.is_whitespace() || "\"'.,;:*#".contains(letter);
    let title = answer.trim().lines().next().unwrap_or_default().trim_matches(around);
    match title.chars().count() {
        0..3 => of_message(message),
        3..=TITLE_MAX => title.to_owned(),
        _ => first_words(title),
    }
}

/// The title of a message that no model looked at.
pub(crate) fn of_message(message: &str) -> String {
    first_words(message)
}

fn first_words(text: &str) -> String {
    let words = text.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    if words.chars().count() <= TITLE_MAX {
        return words;
    }
    let begun: String = words.chars().take(TITLE_MAX - 3).collect();
    begun + "..."
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn titles_are_bare_and_short() {
        assert_eq!(title(" \"Rust Locks.\" \nmore", "m"), "Rust Locks");
        assert_eq!(title("..", "one two three four five six"), "one two three four five");
        assert_eq!(title(&"word ".repeat(20), "m"), "word word word word word");
        let long = title("", &"ä".repeat(99));
        assert_eq!((long.chars().count(), long.ends_with("...")), (50, true));
    }
}

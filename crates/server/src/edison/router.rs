//! Which mode and tier answer a message of EDISON's own protocol: a plain function over the tables of `patterns`.
//!
//! Not here: which model a tier means, and what stands in for it (`serving`).

use serving::Tier;

use super::patterns::{AGENT, CODE, ENDINGS, REASONING, WORK};

/// How a message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Conversation.
    Chat,
    /// Step by step.
    Reasoning,
    /// With what a search found, where the caller brings it.
    Agent,
    /// Programs.
    Code,
    /// A plan first, then the work.
    Work,
    /// About pictures. Cannot be asked for: pictures ask for it.
    Image,
}

impl Mode {
    /// The modes that a client can ask for by name, besides `auto`.
    pub(crate) const NAMED: [Self; 5] = [Self::Chat, Self::Reasoning, Self::Agent, Self::Code, Self::Work];

    /// What later versions of the original's page call some of them. `swarm` is none of these: it is several models that
    /// talk to each other.
    const LATER: [(&'static str, Self); 5] = [
        ("instant", Self::Chat),
        ("safety", Self::Chat),
        ("thinking", Self::Reasoning),
        ("research", Self::Agent),
        ("builder", Self::Work),
    ];

    /// The mode that a client asks for by this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let later = || Self::LATER.into_iter().find(|(later, _)| *later == name).map(|(_, mode)| mode);
        Self::NAMED.into_iter().find(|mode| mode.as_str() == name).or_else(later)
    }

    /// The mode's name in requests and answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Reasoning => "reasoning",
            Self::Agent => "agent",
            Self::Code => "code",
            Self::Work => "work",
            Self::Image => "image",
        }
    }

    /// The tier that answers in this mode.
    fn tier(self) -> Tier {
        match self {
            Self::Chat => Tier::Fast,
            Self::Reasoning | Self::Agent | Self::Code | Self::Work => Tier::Deep,
            Self::Image => Tier::Vision,
        }
    }
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// How it is answered.
    pub(crate) mode: Mode,
    /// The tier that is asked.
    pub(crate) tier: Tier,
    /// Whether tools may be of use: only where the message itself asks for what a search could tell.
    pub(crate) tools_allowed: bool,
    /// The rule that decided, for the log.
    pub(crate) rule: &'static str,
}

/// More words than this ask for more than small talk.
const WORDS_MAX: usize = 15;

/// Decides. `asked` is the mode that the client asked for, `None` for `auto`; pictures win over it.
pub(crate) fn route(message: &str, asked: Option<Mode>, has_images: bool) -> Route {
    let (mode, rule) = match asked {
        _ if has_images => (Mode::Image, "pictures"),
        Some(mode) => (mode, "asked for"),
        None => guess(message),
    };
    Route { mode, tier: mode.tier(), tools_allowed: asked.is_none() && mode == Mode::Agent, rule }
}

fn guess(message: &str) -> (Mode, &'static str) {
    let words = words(message);
    let lists = [
        (WORK, Mode::Work, "words of work"),
        (CODE, Mode::Code, "words of code"),
        (AGENT, Mode::Agent, "words of search"),
        (REASONING, Mode::Reasoning, "words of reasoning"),
    ];
    let found = lists.into_iter().find(|(patterns, ..)| patterns.iter().any(|pattern| contains(&words, pattern)));
    match found {
        Some((_, mode, rule)) => (mode, rule),
        None if message.contains('?') => (Mode::Reasoning, "a question"),
        None if message.split_whitespace().count() > WORDS_MAX => (Mode::Reasoning, "many words"),
        None => (Mode::Chat, "nothing else"),
    }
}

/// The words in lower case: what stands between characters that are neither letters nor digits.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether the words of the pattern stand in the message one after the other.
fn contains(message: &[String], pattern: &str) -> bool {
    let pattern = words(pattern);
    let Some((last, before)) = pattern.split_last() else { return false };
    let ends = |word: &String| word.strip_prefix(last.as_str()).is_some_and(|ending| ENDINGS.contains(&ending));
    message.windows(pattern.len()).any(|found| match found.split_last() {
        Some((word, first)) => first == before && ends(word),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use serving::Tier;

    use super::super::patterns::{AGENT, CODE, REASONING, WORK};
    use super::{Mode, Route, route};

    fn auto(message: &str) -> (Mode, Tier, bool) {
        let Route { mode, tier, tools_allowed, .. } = route(message, None, false);
        (mode, tier, tools_allowed)
    }

    /// What the original was seen to answer.
    #[test]
    fn golden_cases_of_the_original_are_kept() {
        for (message, expected) in [
            ("Write a Python function", (Mode::Code, Tier::Deep, false)),
            ("What is gravity?", (Mode::Reasoning, Tier::Deep, false)),
            ("Hello there", (Mode::Chat, Tier::Fast, false)),
            ("Create a project plan", (Mode::Work, Tier::Deep, false)),
            ("Search the internet for latest AI news", (Mode::Agent, Tier::Deep, true)),
            ("Build an app that manages tasks", (Mode::Work, Tier::Deep, false)),
            ("What's my name?", (Mode::Reasoning, Tier::Deep, false)),
            ("Her death", (Mode::Chat, Tier::Fast, false)),
            ("", (Mode::Chat, Tier::Fast, false)),
        ] {
            assert_eq!(auto(message), expected, "{message}");
        }
    }

    /// Each of these had a pattern of another mode inside a longer word. ARCHITECTURE.md lists them.
    #[test]
    fn parts_of_words_no_longer_decide() {
        for (message, mode) in [
            ("I like planets", Mode::Chat),
            ("an explanation", Mode::Chat),
            ("classical music", Mode::Chat),
            ("a nice description", Mode::Chat),
            ("an airplane", Mode::Chat),
            ("a cobweb", Mode::Chat),
            ("Python programming", Mode::Chat),
            ("a gynecologic word", Mode::Chat),
        ] {
            assert_eq!(auto(message).0, mode, "{message}");
        }
    }

    #[test]
    fn inflected_words_still_decide() {
        for (message, mode) in [
            ("planning a trip", Mode::Work),
            ("He manages a shop", Mode::Work),
            ("managing people", Mode::Work),
            ("multi-step", Mode::Work),
            ("two classes", Mode::Code),
            ("debugging all day", Mode::Code),
            ("create an image viewer", Mode::Code),
            ("searching", Mode::Agent),
            ("the website", Mode::Agent),
            ("explained", Mode::Reasoning),
        ] {
            assert_eq!(auto(message).0, mode, "{message}");
        }
    }

    #[test]
    fn every_pattern_decides_for_its_list_or_for_an_earlier_one() {
        let lists = [(WORK, Mode::Work), (CODE, Mode::Code), (AGENT, Mode::Agent), (REASONING, Mode::Reasoning)];
        for (at, (patterns, _)) in lists.iter().enumerate() {
            for pattern in *patterns {
                let found = auto(&format!("So, {} then.", pattern.to_uppercase())).0;
                assert!(lists[..=at].iter().any(|(_, mode)| *mode == found), "{pattern}: {found:?}");
            }
        }
    }

    #[test]
    fn sixteen_words_are_reasoned_about_and_fifteen_are_not() {
        assert_eq!(auto(&"so ".repeat(15)).0, Mode::Chat);
        assert_eq!(auto(&"so ".repeat(16)).0, Mode::Reasoning);
    }

    #[test]
    fn names_of_later_pages_are_understood() {
        for mode in Mode::NAMED {
            assert_eq!(Mode::from_name(mode.as_str()), Some(mode));
        }
        assert_eq!(Mode::from_name("thinking"), Some(Mode::Reasoning));
        assert_eq!(["image", "swarm", "auto", "Chat", ""].map(Mode::from_name), [None; 5]);
    }

    #[test]
    fn what_is_asked_for_wins_and_allows_no_tools_and_pictures_win_over_it() {
        for mode in Mode::NAMED {
            let routed = route("search the internet", Some(mode), false);
            assert_eq!((routed.mode, routed.tools_allowed), (mode, false));
            let pictured = route("search the internet", Some(mode), true);
            assert_eq!((pictured.mode, pictured.tier, pictured.tools_allowed), (Mode::Image, Tier::Vision, false));
        }
        assert_eq!(route("", Some(Mode::Chat), false).tier, Tier::Fast);
        assert_eq!(route("", Some(Mode::Agent), false).tier, Tier::Deep);
    }
}

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

/// How long the person is willing to wait for a better answer. Later pages send one with every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// At once: the fast tier, without a plan or steps.
    Fast,
    /// The middle of the road: the medium tier for work, code and agents.
    Balanced,
    /// The deep tier for everything.
    Deep,
}

impl Depth {
    /// The depths by name.
    pub(crate) const NAMED: [(&'static str, Self); 3] =
        [("fast", Self::Fast), ("balanced", Self::Balanced), ("deep", Self::Deep)];

    /// The depth that a client asks for by this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, depth)| depth)
    }

    /// What it makes of a mode and its tier. Pictures have their own model, whatever the depth.
    ///
    /// The original asked its medium slot wherever that was meant, and its fast model where there was none; here the
    /// deep tier goes on answering then, so that nobody gets less for having no third model.
    fn applied(self, mode: Mode, has_medium: bool) -> (Mode, Tier) {
        match (self, mode) {
            (_, Mode::Image) => (mode, mode.tier()),
            (Self::Fast, Mode::Reasoning | Mode::Work) => (Mode::Chat, Tier::Fast),
            (Self::Fast, _) => (mode, Tier::Fast),
            (Self::Balanced, Mode::Work | Mode::Code | Mode::Agent) if has_medium => (mode, Tier::Medium),
            (Self::Balanced, _) => (mode, mode.tier()),
            (Self::Deep, _) => (mode, Tier::Deep),
        }
    }
}

/// What the client says of the way to answer, besides the message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// `None` is `auto`.
    pub(crate) mode: Option<Mode>,
    /// `None` leaves it to the mode.
    pub(crate) depth: Option<Depth>,
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

/// Decides. Pictures win over what the client asked for. `has_medium` says whether there is a model for that tier.
pub(crate) fn route(message: &str, wish: Wish, has_images: bool, has_medium: bool) -> Route {
    let (mode, rule) = match wish.mode {
        _ if has_images => (Mode::Image, "pictures"),
        Some(mode) => (mode, "asked for"),
        None => guess(message),
    };
    let tools_allowed = wish.mode.is_none() && mode == Mode::Agent;
    let (mode, tier) = wish.depth.map_or((mode, mode.tier()), |depth| depth.applied(mode, has_medium));
    Route { mode, tier, tools_allowed, rule }
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
    use super::{Depth, Mode, Route, Wish, route};

    fn auto(message: &str) -> (Mode, Tier, bool) {
        let Route { mode, tier, tools_allowed, .. } = route(message, Wish::default(), false, true);
        (mode, tier, tools_allowed)
    }

    fn asked(message: &str, mode: Mode, has_images: bool) -> Route {
        route(message, Wish { mode: Some(mode), depth: None }, has_images, true)
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
            let routed = asked("search the internet", mode, false);
            assert_eq!((routed.mode, routed.tools_allowed), (mode, false));
            let pictured = asked("search the internet", mode, true);
            assert_eq!((pictured.mode, pictured.tier, pictured.tools_allowed), (Mode::Image, Tier::Vision, false));
        }
        assert_eq!(asked("", Mode::Chat, false).tier, Tier::Fast);
        assert_eq!(asked("", Mode::Agent, false).tier, Tier::Deep);
    }

    /// Method: every mode at every depth, with a model for the tier medium and without.
    #[test]
    fn a_depth_chooses_the_tier_and_a_fast_one_leaves_out_plans_and_steps() {
        use Depth::Balanced;
        use Tier::{Deep, Fast, Medium};
        for (mode, fast, balanced, without_medium) in [
            (Mode::Chat, Mode::Chat, Fast, Fast),
            (Mode::Reasoning, Mode::Chat, Deep, Deep),
            (Mode::Agent, Mode::Agent, Medium, Deep),
            (Mode::Code, Mode::Code, Medium, Deep),
            (Mode::Work, Mode::Chat, Medium, Deep),
        ] {
            let at = |depth, has_medium| {
                let Route { mode, tier, .. } =
                    route("", Wish { mode: Some(mode), depth: Some(depth) }, false, has_medium);
                (mode, tier)
            };
            for has_medium in [true, false] {
                assert_eq!(at(Depth::Fast, has_medium), (fast, Fast));
                assert_eq!(at(Depth::Deep, has_medium), (mode, Deep));
            }
            assert_eq!((at(Balanced, true), at(Balanced, false)), ((mode, balanced), (mode, without_medium)));
        }
        for (name, depth) in Depth::NAMED {
            assert_eq!(Depth::from_name(name), Some(depth));
            let pictured = route("", Wish { mode: None, depth: Some(depth) }, true, true);
            assert_eq!((pictured.mode, pictured.tier), (Mode::Image, Tier::Vision), "{name}");
        }
        assert_eq!(["", "Deep", "medium"].map(Depth::from_name), [None; 3]);
    }
}

//! What words of a message say about the kind of work it asks for. Data only; [`route`](super::router::route) reads it.
//!
//! The lists are those of the original. It looked for them anywhere in the text, so that "planets" was a plan. Here a
//! pattern is a sequence of whole words, of which the last may have one of [`ENDINGS`]; the words that this would lose
//! although they were meant stand in the lists under "also".

/// What the last word of a pattern may end with: "manages", "classes", "explained", "searching".
pub(crate) const ENDINGS: [&str; 6] = ["", "s", "es", "d", "ed", "ing"];

/// Several steps, one after the other.
pub(crate) const WORK: &[&str] = &[
    "create a project",
    "build an app",
    "design a system",
    "plan",
    "multi-step",
    "workflow",
    "organize",
    "manage",
    "help me with",
    "work on",
    "collaborate",
    "break down this",
    // Also: forms that whole words would lose.
    "planning",
    "organizing",
    "managing",
    "management",
];

/// Programs.
pub(crate) const CODE: &[&str] = &[
    "code",
    "program",
    "function",
    "implement",
    "script",
    "write",
    "create a",
    "build",
    "develop",
    "algorithm",
    "class",
    "method",
    "debug",
    "fix this",
    "syntax",
    "refactor",
    // Also: forms that whole words would lose.
    "create an",
    "debugging",
    "coding",
];

/// What only a search could tell.
pub(crate) const AGENT: &[&str] = &[
    "search",
    "internet",
    "web",
    "find on",
    "lookup",
    "google",
    "current",
    "latest",
    "news about",
    "information on",
    "tell me about",
    "research",
    "browse",
    // Also: forms that whole words would lose.
    "currently",
    "website",
    "browsing",
];

/// Thinking before answering.
pub(crate) const REASONING: &[&str] = &[
    "explain",
    "why",
    "how does",
    "what is",
    "analyze",
    "detail",
    "understand",
    "break down",
    "elaborate",
    "clarify",
    "reasoning",
    "think through",
    "step by step",
    "logic",
    "rationale",
    // Also: forms that whole words would lose.
    "analyzing",
    "elaborating",
    "clarification",
];

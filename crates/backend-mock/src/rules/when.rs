//! Which requests a rule answers.

use backend::{Chat, ChatMessage, Role};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ask, Objection, Wants};

/// Which requests a rule answers. All that is given must hold; nothing given holds for every request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct When {
    /// The model's name.
    pub model: Option<String>,
    /// The name of the adapter that the request asks for.
    pub adapter: Option<String>,
    /// The last user message is this.
    pub user: Option<String>,
    /// The last user message has this in it.
    pub user_contains: Option<String>,
    /// This regular expression finds something in the last user message.
    pub user_regex: Option<String>,
    /// The system message is this; several are joined by line breaks. An empty text where there is to be none.
    pub system: Option<String>,
    /// The system message has this in it.
    pub system_contains: Option<String>,
    /// This regular expression finds something in the system message.
    pub system_regex: Option<String>,
    /// The request offers this tool.
    pub tool: Option<String>,
    /// Whether the last message is the result of a tool.
    pub after_tool: Option<bool>,
    /// The last message is the result of a call of this tool.
    pub result_of: Option<String>,
    /// The last message is the result of a tool, and is this.
    pub result: Option<String>,
    /// The last message is the result of a tool, and this is in it.
    pub result_contains: Option<String>,
    /// This regular expression finds something in the last message, which is the result of a tool.
    pub result_regex: Option<String>,
    /// How many user messages there are: 1 is the first turn of a conversation, and 0 a text that is to be continued.
    pub turn: Option<u32>,
    /// The number of the call, from 1, by model and by test.
    pub call: Option<u64>,
    /// Whether the answer must be JSON (`response_format`).
    pub json: Option<bool>,
    /// How many pictures there are in the conversation.
    pub images: Option<u32>,
    /// Whether it is a text whose embedding is asked for, each text of a request by itself; `user` is the text then.
    /// Default false: an answer is asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub embedding: bool,
    /// Whether it is a document that is to be ranked, each document of a request by itself; `user` is the document then, and
    /// `system` the query. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rerank: bool,
}

impl When {
    /// Every request whose last user message has this in it.
    pub fn user_contains(text: impl Into<String>) -> Self {
        Self { user_contains: Some(text.into()), ..Self::default() }
    }

    /// What is asked for in the requests that it is about.
    pub(super) fn wants(&self) -> Wants {
        match self {
            Self { embedding: true, .. } => Wants::Embedding,
            Self { rerank: true, .. } => Wants::Score,
            Self { .. } => Wants::Answer,
        }
    }

    pub(super) fn check(&self, path: &str) -> Vec<Objection> {
        let expressions = [
            ("user_regex", &self.user_regex),
            ("system_regex", &self.system_regex),
            ("result_regex", &self.result_regex),
        ];
        let given = expressions.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
        let wrong = given.filter_map(|(key, text)| {
            let error = Regex::new(text).err()?.to_string();
            let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Some(Objection { key: format!("{path}.{key}"), message: format!("is no regular expression: {last}") })
        });
        let mut found: Vec<Objection> = wrong.collect();
        if self.wants() != Wants::Answer {
            let has = if self.embedding {
                "a text to embed has only model, user and call"
            } else {
                "a document to rank has only model, user, system and call"
            };
            let of_answers = [
                ("adapter", self.adapter.is_some()),
                ("system", self.embedding && self.system.is_some()),
                ("system_contains", self.embedding && self.system_contains.is_some()),
                ("system_regex", self.embedding && self.system_regex.is_some()),
                ("rerank", self.embedding && self.rerank),
                ("tool", self.tool.is_some()),
                ("after_tool", self.after_tool.is_some()),
                ("result_of", self.result_of.is_some()),
                ("result", self.result.is_some()),
                ("result_contains", self.result_contains.is_some()),
                ("result_regex", self.result_regex.is_some()),
                ("turn", self.turn.is_some()),
                ("json", self.json.is_some()),
                ("images", self.images.is_some()),
            ];
            let given = of_answers.into_iter().filter(|(_, given)| *given);
            found.extend(given.map(|(key, _)| Objection {
                key: format!("{path}.{key}"),
                message: format!("is of other requests; {has}"),
            }));
        }
        found
    }

    /// How many conditions there are, and why some do not hold.
    pub(crate) fn mismatches(&self, ask: &Ask<'_>) -> (usize, Vec<String>) {
        let mut look = Look { given: 0, failed: Vec::new() };
        let said = Said::of(ask);
        look.equal("the model", self.model.as_deref(), Some(ask.model));
        look.equal("the adapter", self.adapter.as_deref(), ask.adapter);
        look.text("the last user message", said.user.as_deref(), [&self.user, &self.user_contains, &self.user_regex]);
        let none = self.system.as_deref().filter(|wanted| wanted.is_empty());
        look.text(
            "the system message",
            said.system.as_deref().or(none),
            [&self.system, &self.system_contains, &self.system_regex],
        );
        look.text(
            "the last message, of a tool,",
            said.result.map(|message| message.content.as_str()),
            [&self.result, &self.result_contains, &self.result_regex],
        );
        if let Some(tool) = &self.tool {
            let names: Vec<&str> = said.tools().map(|tool| tool.name.as_str()).collect();
            look.holds(names.contains(&tool.as_str()), || {
                format!("the tool \"{tool}\" is not offered ({})", listed(&names))
            });
        }
        if let Some(wanted) = self.after_tool {
            let is = said.result.is_some();
            look.holds(is == wanted, || {
                format!("the last message is {}the result of a tool", if is { "" } else { "not " })
            });
        }
        look.equal("the tool whose result came last", self.result_of.as_deref(), said.result_of());
        look.number("the turn", self.turn.map(u64::from), said.turn);
        look.number("the number of the call", self.call, ask.call);
        if let Some(wanted) = self.json {
            let is = ask.options.constraint.is_some();
            look.holds(is == wanted, || format!("the answer is {}asked for as JSON", if is { "" } else { "not " }));
        }
        look.number("the number of pictures", self.images.map(u64::from), said.images);
        (look.given, look.failed)
    }
}

/// What a request says, as far as rules look at it.
pub(crate) struct Said<'a> {
    chat: Option<&'a Chat>,
    pub(crate) user: Option<String>,
    pub(crate) system: Option<String>,
    /// The last message, if a tool says it.
    pub(crate) result: Option<&'a ChatMessage>,
    pub(crate) turn: u64,
    images: u64,
}

impl<'a> Said<'a> {
    pub(crate) fn of(ask: &Ask<'a>) -> Self {
        let messages = ask.chat.map(|chat| chat.messages.as_slice()).unwrap_or_default();
        let of = |role: Role| messages.iter().filter(move |message| message.role == role);
        let system: Vec<&str> = of(Role::System).map(|message| message.content.as_str()).collect();
        Self {
            chat: ask.chat,
            user: if messages.is_empty() || of(Role::User).next().is_some() { Some(ask.text.to_owned()) } else { None },
            system: ask.query.map(str::to_owned).or_else(|| (!system.is_empty()).then(|| system.join("\n"))),
            result: messages.last().filter(|message| message.role == Role::Tool),
            turn: of(Role::User).count() as u64,
            images: messages.iter().map(|message| message.images.len() as u64).sum(),
        }
    }

    fn tools(&self) -> impl Iterator<Item = &'a backend::Tool> {
        self.chat.map(|chat| chat.tools.as_slice()).unwrap_or_default().iter()
    }

    /// The tool whose call the last message answers.
    pub(crate) fn result_of(&self) -> Option<&'a str> {
        let id = self.result?.tool_call_id.as_deref()?;
        let calls = self.chat?.messages.iter().rev().flat_map(|message| &message.tool_calls);
        calls.into_iter().find(|call| call.id == id).map(|call| call.name.as_str())
    }
}

/// Collects what does not hold.
struct Look {
    given: usize,
    failed: Vec<String>,
}

impl Look {
    fn holds(&mut self, holds: bool, why_not: impl FnOnce() -> String) {
        self.given += 1;
        if !holds {
            self.failed.push(why_not());
        }
    }

    fn equal(&mut self, what: &str, wanted: Option<&str>, is: Option<&str>) {
        if let Some(wanted) = wanted {
            self.holds(is == Some(wanted), || match is {
                Some(is) => format!("{what} is \"{}\", not \"{wanted}\"", short(is)),
                None => format!("there is no {}", what.trim_start_matches("the ")),
            });
        }
    }

    fn number(&mut self, what: &str, wanted: Option<u64>, is: u64) {
        if let Some(wanted) = wanted {
            self.holds(is == wanted, || format!("{what} is {is}, not {wanted}"));
        }
    }

    fn text(&mut self, what: &str, is: Option<&str>, [exact, part, regex]: [&Option<String>; 3]) {
        self.equal(what, exact.as_deref(), is);
        let shown = || {
            is.map_or_else(
                || format!("there is no {}", what.trim_start_matches("the ")),
                |is| format!("{what} is \"{}\"", short(is)),
            )
        };
        if let Some(part) = part {
            let holds = is.is_some_and(|is| is.contains(part.as_str()));
            self.holds(holds, || format!("{}, in which \"{part}\" does not occur", shown()));
        }
        if let Some(regex) = regex {
            // Checked when the rules were taken in; one that was not finds nothing.
            let found = |is: &str| Regex::new(regex).is_ok_and(|regex| regex.is_match(is));
            self.holds(is.is_some_and(found), || format!("{}, in which /{regex}/ finds nothing", shown()));
        }
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none is".to_owned() } else { names.join(", ") }
}

/// A text, or its beginning.
pub(crate) fn short(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

//! What a rule answers.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{FaultScript, Objection, Time, UsageScript, Wants};

/// One reply. At most one of `text`, `template`, `echo`, `json`, `pieces`, `embedding` and `score`; calls and thoughts can
/// come with each but the last two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReplyScript {
    /// This text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What this template makes of the request. It knows `user`, `system`, `model`, `messages`, `tools`, `result`, `turn`,
    /// `call`, `n` (which match of the rule it is, from 1), `test_id`, `seed`, `temperature` and `max_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The last user message.
    #[serde(skip_serializing_if = "is_false")]
    pub echo: bool,
    /// JSON that the request's schema accepts, always the same for the same request.
    #[serde(skip_serializing_if = "is_false")]
    pub json: bool,
    /// These tokens at their times, as a recording has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
    /// The vector of the text, in a rule for embeddings: one whose `when` says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embedding: Vec<f32>,
    /// The score of the document, in a rule for documents: one whose `when` says `rerank`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Thoughts that come before the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The same as tokens at their times, as a recording has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasoning_pieces: Vec<Piece>,
    /// Calls of tools that the request offers; they come after the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call>,
    /// Why the answer ends; by default as a model's would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<FinishName>,
    /// How long the whole prompt takes, instead of the model's time per token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Time>,
    /// How long each token takes, instead of the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_per_token: Option<Time>,
    /// What is told of its tokens, instead of what is counted.
    #[serde(skip_serializing_if = "UsageScript::is_empty")]
    pub usage: UsageScript,
    /// What goes wrong.
    #[serde(skip_serializing_if = "FaultScript::is_empty")]
    pub fault: FaultScript,
}

/// A token of a recording: how long it took, and its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Piece(pub Time, pub String);

/// A call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its arguments. Without them, and without `arguments_template`, ones that the tool's schema accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Map<String, Value>>,
    /// What this template makes of the request, as JSON text; any text is taken, as from a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments_template: Option<String>,
    /// Its arguments as text: these tokens at their times, as a recording has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
    /// Its id; by default made from the number of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishName {
    /// By itself.
    Stop,
    /// The bound on tokens was reached.
    Length,
    /// It waits for the result of its calls.
    ToolCalls,
}

/// The replies of a rule: a text, a reply, or an array of these.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replies(pub Vec<ReplyScript>);

impl ReplyScript {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// A call of this tool with these arguments, an object.
    pub fn tool_call(name: impl Into<String>, arguments: Value) -> Self {
        let arguments = if let Value::Object(arguments) = arguments { Some(arguments) } else { None };
        Self { tool_calls: vec![Call { name: name.into(), arguments, ..Call::default() }], ..Self::default() }
    }

    /// Everything that is wrong with it; `wants` says whose reply it is.
    pub(super) fn check(&self, path: &str, wants: Wants) -> Vec<Objection> {
        let object = |key: &str, message: &str| Objection { key: format!("{path}.{key}"), message: message.into() };
        let nothing = |wants: &str| Objection { key: path.into(), message: format!("says nothing; give {wants}") };
        let mut found = self.fault.check(&format!("{path}.fault"));
        found.extend(self.usage.check(&format!("{path}.usage")));
        let contents = self.contents();
        if let [first, rest @ ..] = contents.as_slice()
            && !rest.is_empty()
        {
            found.push(object(first, &format!("and {} exclude each other; give one", rest.join(", "))));
        }
        let thinks = self.reasoning.is_some() || !self.reasoning_pieces.is_empty();
        let says = !contents.is_empty() || thinks || !self.tool_calls.is_empty();
        let (fits, foreign) = match wants {
            Wants::Answer => ("text, template, echo, json, pieces, tool_calls or a fault", ""),
            Wants::Embedding => ("embedding or a fault", "is no reply to embeddings; give embedding, or a fault"),
            Wants::Score => ("score or a fault", "is no reply to documents; give score, or a fault"),
        };
        if !says && self.fault.is_empty() {
            found.push(nothing(fits));
        }
        for (key, of) in [("embedding", Wants::Embedding), ("score", Wants::Score)] {
            if of != wants && contents.contains(&key) {
                let needs = if of == Wants::Score { "rerank" } else { "embedding" };
                found.push(object(key, &format!("needs `{needs} = true` in the rule's `when`")));
            }
        }
        if wants != Wants::Answer {
            let besides = contents.iter().copied().filter(|key| !["embedding", "score"].contains(key));
            let besides = besides.chain(thinks.then_some("reasoning"));
            let besides = besides.chain((!self.tool_calls.is_empty()).then_some("tool_calls"));
            found.extend(besides.map(|key| object(key, foreign)));
        }
        if self.embedding.iter().any(|value| !value.is_finite()) {
            found.push(object("embedding", "must have finite numbers"));
        }
        if self.score.is_some_and(|score| !score.is_finite()) {
            found.push(object("score", "must be a finite number"));
        }
        if self.reasoning.is_some() && !self.reasoning_pieces.is_empty() {
            found.push(object("reasoning", "and reasoning_pieces exclude each other; give one"));
        }
        if let Some(error) = self.template.as_deref().and_then(template_error) {
            found.push(object("template", &error));
        }
        for (index, call) in self.tool_calls.iter().enumerate() {
            found.extend(call.check(&format!("{path}.tool_calls[{index}]")));
        }
        found
    }

    /// The keys that say what is answered.
    fn contents(&self) -> Vec<&'static str> {
        let contents = [
            ("text", self.text.is_some()),
            ("template", self.template.is_some()),
            ("echo", self.echo),
            ("json", self.json),
            ("pieces", !self.pieces.is_empty()),
            ("embedding", !self.embedding.is_empty()),
            ("score", self.score.is_some()),
        ];
        contents.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }
}

impl Call {
    fn check(&self, path: &str) -> Vec<Objection> {
        let object = |key: &str, message: String| Objection { key: format!("{path}.{key}"), message };
        let mut found = Vec::new();
        if self.name.is_empty() {
            found.push(object("name", "is missing".into()));
        }
        if let Some(error) = self.arguments_template.as_deref().and_then(template_error) {
            found.push(object("arguments_template", error));
        }
        if !self.pieces.is_empty() && (self.arguments.is_some() || self.arguments_template.is_some()) {
            found.push(object("pieces", "are the arguments already; give them once".into()));
        }
        found
    }
}

fn template_error(template: &str) -> Option<String> {
    let error = minijinja::Environment::new().template_from_str(template).err()?;
    Some(format!("is no template: {error}"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl From<&str> for Replies {
    fn from(text: &str) -> Self {
        Self(vec![ReplyScript::text(text)])
    }
}

impl From<ReplyScript> for Replies {
    fn from(reply: ReplyScript) -> Self {
        Self(vec![reply])
    }
}

impl From<Vec<ReplyScript>> for Replies {
    fn from(replies: Vec<ReplyScript>) -> Self {
        Self(replies)
    }
}

/// One reply of an array, or the only one: a text stands for itself.
struct OneReply(ReplyScript);

struct RepliesVisitor;

impl<'de> Visitor<'de> for RepliesVisitor {
    type Value = Replies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a reply, or an array of these")
    }

    fn visit_str<E>(self, text: &str) -> Result<Replies, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Replies, A::Error> {
        ReplyScript::deserialize(MapAccessDeserializer::new(map)).map(Replies::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Replies, A::Error> {
        let replies = Vec::<OneReply>::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(Replies(replies.into_iter().map(|OneReply(reply)| reply).collect()))
    }
}

impl<'de> Deserialize<'de> for OneReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneVisitor;
        impl<'de> Visitor<'de> for OneVisitor {
            type Value = OneReply;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a reply")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneReply, E> {
                Ok(OneReply(ReplyScript::text(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneReply, A::Error> {
                ReplyScript::deserialize(MapAccessDeserializer::new(map)).map(OneReply)
            }
        }
        deserializer.deserialize_any(OneVisitor)
    }
}

/// By hand, because an untagged enum forgets where in the script an error was.
impl<'de> Deserialize<'de> for Replies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RepliesVisitor)
    }
}

impl Serialize for Replies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl JsonSchema for Replies {
    fn schema_name() -> Cow<'static, str> {
        "Replies".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reply = generator.subschema_for::<ReplyScript>();
        json_schema!({
            "description": "A text, a reply, or an array of these, which are given one after the other.",
            "anyOf": [
                { "type": "string" },
                reply,
                { "type": "array", "items": { "anyOf": [{ "type": "string" }, reply] } },
            ],
        })
    }
}

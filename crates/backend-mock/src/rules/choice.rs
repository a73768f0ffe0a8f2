//! From a request and the rules to what is answered. Plain data: no time, no engine.

use std::collections::BTreeMap;

use backend::{Chat, Constraint, FinishReason, GenerateOptions, Tool, ToolChoice};
use minijinja::{Environment, UndefinedBehavior, context};

use super::when::Said;
use super::{Call, FinishName, Piece, ReplyScript, Rule, Rules, UsageScript, chance_draw, closest};
use crate::chance::hash;
use crate::json;
use crate::{Fault, Wire};

/// A request, as far as an answer may depend on it.
pub(crate) struct Ask<'a> {
    pub(crate) model: &'a str,
    /// The name of the adapter at work.
    pub(crate) adapter: Option<&'a str>,
    pub(crate) test_id: &'a str,
    /// The number of the call, from 1, by model and by test.
    pub(crate) call: u64,
    /// What the user said last; the text to embed, or the document to rank.
    pub(crate) text: &'a str,
    /// What the document is ranked by.
    pub(crate) query: Option<&'a str>,
    /// The conversation, where the prompt is one.
    pub(crate) chat: Option<&'a Chat>,
    pub(crate) options: &'a GenerateOptions,
    pub(crate) max_tokens: u32,
    /// The script's.
    pub(crate) seed: u64,
    pub(crate) wants: Wants,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Answer,
    /// Of a text.
    Embedding,
    /// Of a document.
    Score,
}

/// What is to be generated.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) reasoning: String,
    /// In place of the thoughts: each token with its time.
    pub(crate) reasoning_pieces: Vec<Piece>,
    pub(crate) text: String,
    /// In place of the text: each token with its time.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) calls: Vec<PlannedCall>,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) prefill: Option<std::time::Duration>,
    pub(crate) time_per_token: Option<std::time::Duration>,
    pub(crate) usage: UsageScript,
}

/// A call, with everything decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    /// In place of the arguments: each token with its time.
    pub(crate) pieces: Vec<Piece>,
}

/// What the rules say to a request.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The rule that matched.
    pub(crate) rule: Option<String>,
    /// `Ok(None)` where no rule matches and the model's own reply answers; `Err` where there can be no answer.
    pub(crate) plan: Result<Option<Plan>, String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) wires: Vec<Wire>,
}

/// Chooses. `matched` counts how often each rule has matched, by its place.
pub(crate) fn choose(rules: &Rules, matched: &mut BTreeMap<usize, u64>, ask: &Ask<'_>) -> Chosen {
    let (faults, wires) = scheduled(rules, ask.seed, ask.test_id, ask.model, ask.call);
    let mut chosen = Chosen { rule: None, plan: Ok(None), faults, wires };
    let Some((index, rule, n)) = matching(rules, matched, ask) else {
        if rules.strict {
            chosen.plan = Err(objection(rules, matched, ask));
        }
        return chosen;
    };
    let title = rule.name.clone().unwrap_or_else(|| rule.title(index));
    if let Some(reply) = rule.reply_at(n) {
        let (faults, wires) = reply.fault.faults();
        chosen.faults.extend(faults);
        chosen.wires.extend(wires);
        chosen.plan = plan(reply, ask, n + 1).map(Some).map_err(|error| format!("{}: {error}", rule.title(index)));
    }
    chosen.rule = Some(title);
    chosen
}

/// The first rule that matches, with its place and with how often it did before; it is counted.
pub(super) fn matching<'a>(
    rules: &'a Rules,
    matched: &mut BTreeMap<usize, u64>,
    ask: &Ask<'_>,
) -> Option<(usize, &'a Rule, u64)> {
    let seen = |index: usize| matched.get(&index).copied().unwrap_or(0);
    let fits = |index: usize, rule: &Rule| {
        rule.when.wants() == ask.wants && seen(index) < rule.times_max() && rule.when.mismatches(ask).1.is_empty()
    };
    let (index, rule) = rules.rules.iter().enumerate().find(|(index, rule)| fits(*index, rule))?;
    let n = seen(index);
    matched.insert(index, n + 1);
    Some((index, rule, n))
}

/// Why no rule matches.
pub(super) fn objection(rules: &Rules, matched: &BTreeMap<usize, u64>, ask: &Ask<'_>) -> String {
    let spent = |index: usize| {
        let (seen, max) = (matched.get(&index).copied().unwrap_or(0), rules.rules[index].times_max());
        (seen >= max).then(|| format!("it has answered {seen} times and no longer matches"))
    };
    closest::objection(&rules.rules, ask, spent)
}

/// What goes wrong in a call by its number, or by chance.
pub(crate) fn scheduled(rules: &Rules, seed: u64, test_id: &str, model: &str, call: u64) -> (Vec<Fault>, Vec<Wire>) {
    let (mut faults, mut wires) = (Vec::new(), Vec::new());
    for (index, scheduled) in rules.faults.iter().enumerate() {
        if scheduled.strikes(model, call, chance_draw(seed, test_id, model, call, index)) {
            let (of_engine, of_wire) = scheduled.fault.faults();
            faults.extend(of_engine);
            wires.extend(of_wire);
        }
    }
    (faults, wires)
}

/// What a model answers by itself: this text, or what the request's constraint or tool choice demands.
pub(crate) fn own(text: impl FnOnce() -> String, ask: &Ask<'_>) -> Result<Plan, String> {
    let demanded = match ask.chat.map(|chat| (&chat.tool_choice, chat.tools.first())) {
        Some((ToolChoice::Named(name), _)) => Some(name.as_str()),
        Some((ToolChoice::Required, Some(tool))) => Some(tool.name.as_str()),
        _ => None,
    };
    if let Some(name) = demanded {
        let call = Call { name: name.to_owned(), ..Call::default() };
        return Ok(Plan { calls: vec![planned(0, &call, ask, 1)?], ..Plan::default() });
    }
    match &ask.options.constraint {
        Some(_) => Ok(Plan { text: constrained(ask)?, ..Plan::default() }),
        None => Ok(Plan { text: text(), ..Plan::default() }),
    }
}

fn plan(reply: &ReplyScript, ask: &Ask<'_>, n: u64) -> Result<Plan, String> {
    let text = match reply {
        ReplyScript { text: Some(text), .. } => text.clone(),
        ReplyScript { template: Some(template), .. } => render(template, ask, n)?,
        ReplyScript { echo: true, .. } => ask.text.to_owned(),
        ReplyScript { json: true, .. } => constrained(ask)?,
        _ => String::new(),
    };
    let calls = reply.tool_calls.iter().enumerate().map(|(index, call)| planned(index, call, ask, n));
    Ok(Plan {
        reasoning: reply.reasoning.clone().unwrap_or_default(),
        reasoning_pieces: reply.reasoning_pieces.clone(),
        text,
        pieces: reply.pieces.clone(),
        calls: calls.collect::<Result<_, _>>()?,
        finish: reply.finish.map(FinishReason::from),
        prefill: reply.prefill.map(|time| time.0),
        time_per_token: reply.time_per_token.map(|time| time.0),
        usage: reply.usage,
    })
}

/// JSON of the form that is asked for; any object where none is.
fn constrained(ask: &Ask<'_>) -> Result<String, String> {
    let seed = hash(&[ask.text.as_bytes(), &ask.options.sampling.seed.to_le_bytes()]);
    let seed = if ask.options.sampling.is_greedy() { 0 } else { seed };
    match &ask.options.constraint {
        Some(Constraint::JsonSchema(schema)) => json::for_schema(schema, seed),
        Some(Constraint::Grammar(_)) => Err("the mock does not play grammars; give a rule with the text".to_owned()),
        Some(Constraint::JsonObject) | None => json::for_schema(r#"{"type":"object"}"#, seed),
    }
}

fn planned(index: usize, call: &Call, ask: &Ask<'_>, n: u64) -> Result<PlannedCall, String> {
    let tools = ask.chat.filter(|chat| chat.may_call()).map(|chat| chat.tools.as_slice()).unwrap_or_default();
    let tool = tools.iter().find(|tool| tool.name == call.name).ok_or_else(|| {
        let offered: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        let offered = if offered.is_empty() { "no tool".to_owned() } else { offered.join(", ") };
        format!("it calls the tool \"{}\", and the request offers {offered}", call.name)
    })?;
    let arguments = match (&call.arguments, &call.arguments_template) {
        (_, Some(template)) => render(template, ask, n)?,
        (Some(arguments), None) => serde_json::Value::Object(arguments.clone()).to_string(),
        (None, None) if !call.pieces.is_empty() => String::new(),
        (None, None) => arguments_for(tool)?,
    };
    let id = call.id.clone().unwrap_or_else(|| {
        let made = hash(&[ask.test_id.as_bytes(), ask.model.as_bytes(), &ask.call.to_le_bytes(), &index.to_le_bytes()]);
        format!("call_{made:016x}")
    });
    Ok(PlannedCall { id, name: call.name.clone(), arguments, pieces: call.pieces.clone() })
}

fn arguments_for(tool: &Tool) -> Result<String, String> {
    json::for_schema(tool.parameters.as_deref().unwrap_or(r#"{"type":"object"}"#), 0)
}

fn render(template: &str, ask: &Ask<'_>, n: u64) -> Result<String, String> {
    let said = Said::of(ask);
    let message = |m: &backend::ChatMessage| context! { role => m.role.as_str(), content => m.content.clone() };
    let messages: Vec<_> = ask.chat.iter().flat_map(|chat| &chat.messages).map(message).collect();
    let tools: Vec<String> = ask.chat.iter().flat_map(|chat| &chat.tools).map(|tool| tool.name.clone()).collect();
    let request = context! {
        user => ask.text,
        system => said.system.clone().unwrap_or_default(),
        result => said.result.map(|message| message.content.clone()).unwrap_or_default(),
        model => ask.model,
        adapter => ask.adapter,
        messages,
        tools,
        turn => said.turn,
        call => ask.call,
        n,
        test_id => ask.test_id,
        seed => ask.options.sampling.seed,
        temperature => ask.options.sampling.temperature,
        max_tokens => ask.max_tokens,
    };
    let mut environment = Environment::new();
    // A name that is misspelt would otherwise be an empty text, and the test that relies on it would pass.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_str(template, request).map_err(|error| format!("its template fails: {error}"))
}

impl From<FinishName> for FinishReason {
    fn from(name: FinishName) -> Self {
        match name {
            FinishName::Stop => Self::Stop,
            FinishName::Length => Self::Length,
            FinishName::ToolCalls => Self::ToolCalls,
        }
    }
}

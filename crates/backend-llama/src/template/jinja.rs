//! The Jinja that chat templates are written for: Python's, as Hugging Face's tools set it up.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::{date, json};

/// The kind of error that `raise_exception` makes; nothing else in a render makes it.
pub(super) const RAISED: ErrorKind = ErrorKind::EvalBlock;

/// Steps that one render may take, or 64 bytes each that it may make: enough for long conversations,
/// and an end for a template that loops.
const FUEL: u64 = 4_000_000;

/// An environment with everything that chat templates expect and no template.
///
/// `strftime_now` is left undefined, since the day must not change a prompt; templates that ask for
/// it first then use the date they carry. The others get [it](give_date).
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the default delimiters are valid"));
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.add_function("raise_exception", raise_exception);
    environment.add_filter("tojson", to_json);
    environment
}

/// Defines `strftime_now` for a template that cannot do without the date: it never looks whether it can have it.
pub(super) fn give_date(environment: &mut Environment<'static>, source: &str) {
    let asks = source.contains("strftime_now is defined") || source.contains("strftime_now is not defined");
    if source.contains("strftime_now") && !asks {
        environment.add_function("strftime_now", |format: &str| date::now(format));
    }
}

fn raise_exception(reason: String) -> Result<Value, Error> {
    Err(Error::new(RAISED, reason))
}

/// Python's `json.dumps` as chat templates call it. Arguments other than `indent` have no effect here:
/// text is never escaped to ASCII, and keys keep their order.
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    Ok(Value::from_safe_string(json::dump(value, indent)?))
}

/// Replaces tags that only training uses, which minijinja does not know, by ones that do nothing.
pub(super) fn adapt(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        let Some(end) = tag.find("%}") else { break };
        let (tag, after) = tag.split_at(end);
        out.push_str(before);
        match tag["{%".len()..].trim_matches(['-', '+', ' ', '\n', '\t', '\r']) {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

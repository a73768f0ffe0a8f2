//! Fields of the protocol that this server knows and cannot honour.

use serde_json::{Map, Value};

use super::BadRequest;

/// A field, what may stand in it because it asks for nothing, and what to do otherwise.
pub(super) struct Rule {
    pub(super) field: &'static str,
    pub(super) is_neutral: fn(&Value) -> bool,
    pub(super) instead: &'static str,
}

const TOOLS: &str = "this is an older or another form; give tools and tool_choice";
const TEXT_ONLY: &str = "this server answers with text only; leave it out";
const NO_TEMPLATE: &str = "the template is the model's own or the configuration's; leave it out";
const NO_SAMPLER: &str = "this server has no such sampler; leave it out";
const WHOLE: &str = "documents are taken whole; shorten them, and leave it out";
const GUIDED: &str = "give response_format or grammar";
const NO_STORE: &str = "this server keeps no conversation; leave it out";

/// Those of a chat.
pub(super) const CHAT: &[Rule] = &[
    Rule { field: "functions", is_neutral: is_empty, instead: TOOLS },
    Rule { field: "function_call", is_neutral: asks_for_no_tool, instead: TOOLS },
    Rule {
        field: "web_search_options",
        is_neutral: Value::is_null,
        instead: "this server searches nothing; leave it out",
    },
    Rule { field: "audio", is_neutral: Value::is_null, instead: TEXT_ONLY },
    Rule { field: "modalities", is_neutral: is_text_only, instead: TEXT_ONLY },
    Rule {
        field: "prediction",
        is_neutral: Value::is_null,
        instead: "predicted answers are not supported; leave it out",
    },
    Rule { field: "reasoning_effort", is_neutral: is_none, instead: "no model here takes it; leave it out" },
    Rule { field: "verbosity", is_neutral: is_medium, instead: "no model here takes it; leave it out" },
    Rule { field: "store", is_neutral: is_false, instead: NO_STORE },
    Rule {
        field: "service_tier",
        is_neutral: is_usual_service,
        instead: "x-edison-class says how urgent a request is; leave it out",
    },
    Rule { field: "chat_template_kwargs", is_neutral: is_empty, instead: NO_TEMPLATE },
    Rule { field: "chat_template", is_neutral: Value::is_null, instead: NO_TEMPLATE },
    Rule { field: "samplers", is_neutral: is_empty, instead: "the order of the samplers is fixed; leave it out" },
    Rule { field: "dynatemp_range", is_neutral: is_zero, instead: NO_SAMPLER },
    Rule { field: "top_n_sigma", is_neutral: is_zero_or_less, instead: NO_SAMPLER },
    Rule { field: "min_keep", is_neutral: is_zero, instead: NO_SAMPLER },
    Rule { field: "best_of", is_neutral: is_one, instead: "every answer is given, and none chosen; give n" },
    Rule { field: "guided_json", is_neutral: Value::is_null, instead: GUIDED },
    Rule { field: "guided_regex", is_neutral: Value::is_null, instead: GUIDED },
    Rule { field: "guided_choice", is_neutral: Value::is_null, instead: GUIDED },
    Rule { field: "guided_grammar", is_neutral: Value::is_null, instead: GUIDED },
];

/// Those of documents to rank.
pub(super) const RERANK: &[Rule] = &[
    Rule { field: "texts", is_neutral: Value::is_null, instead: "it is another form; give documents" },
    Rule {
        field: "rank_fields",
        is_neutral: is_empty,
        instead: "documents have a text and nothing else; leave it out",
    },
    Rule { field: "max_chunks_per_doc", is_neutral: Value::is_null, instead: WHOLE },
    Rule { field: "max_tokens_per_doc", is_neutral: Value::is_null, instead: WHOLE },
];

/// Those of a text that is continued.
pub(super) const COMPLETION: &[Rule] = &[
    Rule { field: "suffix", is_neutral: is_empty_text, instead: "no model here fills a gap; leave it out" },
    Rule { field: "samplers", is_neutral: is_empty, instead: "the order of the samplers is fixed; leave it out" },
    Rule { field: "dynatemp_range", is_neutral: is_zero, instead: NO_SAMPLER },
    Rule { field: "top_n_sigma", is_neutral: is_zero_or_less, instead: NO_SAMPLER },
    Rule { field: "min_keep", is_neutral: is_zero, instead: NO_SAMPLER },
    Rule { field: "guided_json", is_neutral: Value::is_null, instead: GUIDED },
    Rule { field: "guided_regex", is_neutral: Value::is_null, instead: GUIDED },
    Rule { field: "guided_choice", is_neutral: Value::is_null, instead: GUIDED },
    Rule { field: "guided_grammar", is_neutral: Value::is_null, instead: GUIDED },
];

const NOTHING_KEPT: &str = "this server keeps nothing; send the whole conversation";
const NO_MODEL: &str = "no model here takes it; leave it out";

const ADAPTED: &str = "name the adapter behind the model: \"model:adapter\"";

/// Those of `/v1/responses`.
pub(super) const RESPONSES: &[Rule] = &[
    Rule { field: "lora", is_neutral: is_empty, instead: ADAPTED },
    Rule { field: "previous_response_id", is_neutral: Value::is_null, instead: NOTHING_KEPT },
    Rule { field: "conversation", is_neutral: Value::is_null, instead: NOTHING_KEPT },
    Rule { field: "store", is_neutral: is_false, instead: NOTHING_KEPT },
    Rule { field: "background", is_neutral: is_false, instead: NOTHING_KEPT },
    Rule { field: "prompt", is_neutral: Value::is_null, instead: NOTHING_KEPT },
    Rule {
        field: "truncation",
        is_neutral: |value| value == "disabled",
        instead: "what does not fit is refused; leave it out",
    },
    Rule { field: "reasoning", is_neutral: has_only_nulls, instead: NO_MODEL },
    Rule { field: "max_tool_calls", is_neutral: Value::is_null, instead: "this server runs no tools; leave it out" },
    Rule {
        field: "service_tier",
        is_neutral: is_usual_service,
        instead: "x-edison-class says how urgent a request is; leave it out",
    },
];

const NO_SLOTS: &str = "requests get their lanes in order; leave it out";

/// Those of llama-server's `/completion`.
pub(super) const LLAMA: &[Rule] = &[
    Rule { field: "samplers", is_neutral: is_empty, instead: "the order of the samplers is fixed; leave it out" },
    Rule { field: "dynatemp_range", is_neutral: is_zero, instead: NO_SAMPLER },
    Rule { field: "top_n_sigma", is_neutral: is_zero_or_less, instead: NO_SAMPLER },
    Rule { field: "min_keep", is_neutral: is_zero, instead: NO_SAMPLER },
    Rule { field: "image_data", is_neutral: is_empty, instead: TEXT_ONLY },
    Rule { field: "id_slot", is_neutral: |value| value == -1, instead: NO_SLOTS },
    Rule { field: "n_indent", is_neutral: is_zero, instead: "no model here takes it; leave it out" },
    Rule { field: "n_keep", is_neutral: is_zero_or_less, instead: "what does not fit is refused; leave it out" },
    Rule { field: "t_max_predict_ms", is_neutral: is_zero, instead: "give n_predict" },
    Rule { field: "return_tokens", is_neutral: is_false, instead: "POST /tokenize tells tokens; leave it out" },
    Rule {
        field: "return_progress",
        is_neutral: is_false,
        instead: "x-edison-keep-alive-ms asks for it; leave it out",
    },
    Rule { field: "post_sampling_probs", is_neutral: is_false, instead: "n_probs tells them as the model gave them" },
    Rule { field: "response_fields", is_neutral: is_empty, instead: "all fields are told; leave it out" },
];

/// Those of a conversation of the Anthropic protocol.
pub(super) const MESSAGES: &[Rule] = &[
    Rule { field: "lora", is_neutral: is_empty, instead: ADAPTED },
    Rule { field: "mcp_servers", is_neutral: is_empty, instead: "this server runs no tools; leave it out" },
    Rule { field: "container", is_neutral: Value::is_null, instead: "this server runs no tools; leave it out" },
    Rule { field: "context_management", is_neutral: is_empty, instead: "what does not fit is refused; leave it out" },
    Rule {
        field: "service_tier",
        is_neutral: |value| value == "auto" || value == "standard_only",
        instead: "x-edison-class says how urgent a request is; leave it out",
    },
];

/// Takes the fields out of the request, so that nobody reads them later.
pub(super) fn take_out(fields: &mut Map<String, Value>, rules: &[Rule]) -> Result<(), BadRequest> {
    for rule in rules {
        let asks = fields.remove(rule.field).filter(|value| !value.is_null() && !(rule.is_neutral)(value));
        if asks.is_some() {
            return Err(BadRequest::field(rule.field, format!("{} is not supported: {}", rule.field, rule.instead)));
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

fn asks_for_no_tool(value: &Value) -> bool {
    // "auto" without tools is a choice among none.
    value == "none" || value == "auto"
}

fn is_text_only(value: &Value) -> bool {
    value.as_array().is_some_and(|kinds| kinds.iter().all(|kind| kind == "text"))
}

fn is_false(value: &Value) -> bool {
    value == false
}

/// An object in which nothing is asked for.
fn has_only_nulls(value: &Value) -> bool {
    let asks_nothing = |value: &Value| value.is_null() || value == "none";
    value.as_object().is_some_and(|fields| fields.values().all(asks_nothing))
}

fn is_empty_text(value: &Value) -> bool {
    value == ""
}

fn is_zero(value: &Value) -> bool {
    value.as_f64() == Some(0.0)
}

fn is_one(value: &Value) -> bool {
    value.as_f64() == Some(1.0)
}

/// At 0 and below, it is off.
fn is_zero_or_less(value: &Value) -> bool {
    value.as_f64().is_some_and(|value| value <= 0.0)
}

/// What is the same for everybody.
fn is_usual_service(value: &Value) -> bool {
    value == "auto" || value == "default"
}

fn is_none(value: &Value) -> bool {
    value == "none"
}

fn is_medium(value: &Value) -> bool {
    value == "medium"
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{CHAT, take_out};

    fn refused(field: &str, value: Value) -> Option<String> {
        let mut fields = Map::from_iter([(field.to_owned(), value)]);
        let refused = take_out(&mut fields, CHAT).err().and_then(|error| error.param);
        assert!(refused.is_some() || fields.is_empty(), "{field} stayed");
        refused
    }

    #[test]
    fn null_asks_for_nothing_in_every_field() {
        for rule in CHAT {
            assert_eq!(refused(rule.field, Value::Null), None, "{}", rule.field);
        }
    }

    #[test]
    fn what_asks_for_something_is_refused_by_name_in_every_field() {
        for rule in CHAT {
            assert_eq!(refused(rule.field, json!({"type": "x"})).as_deref(), Some(rule.field));
        }
    }

    #[test]
    fn values_that_clients_send_by_habit_are_taken() {
        let habits = json!({
            "functions": [],
            "function_call": "none",
            "modalities": ["text"],
            "reasoning_effort": "none",
            "verbosity": "medium",
            "store": false,
            "service_tier": "auto",
            "chat_template_kwargs": {},
            "dynatemp_range": 0.0,
            "top_n_sigma": -1.0,
            "min_keep": 0,
            "best_of": 1,
        });
        for (field, value) in habits.as_object().expect("an object") {
            assert_eq!(refused(field, value.clone()), None, "{field}");
        }
    }
}

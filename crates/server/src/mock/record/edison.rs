//! The answers of EDISON's `/chat` and `/chat/stream`.

use backend_mock::{FinishName, ReplyScript};
use serde_json::Value;

use super::heard::Heard;

/// What an answer tells beside its words.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The tier that answered, or the model where no tier means it.
    model: Option<String>,
    /// The steps of the work.
    steps: Vec<String>,
    /// Why it cannot be played.
    objection: Option<&'static str>,
}

impl Told {
    /// An answer in one piece.
    pub(super) fn whole(&mut self, heard: &mut Heard, body: &Value) {
        heard.text(0, body["response"].as_str().unwrap_or_default());
        self.last(heard, body);
        heard.finished(0, FinishName::Stop);
    }

    /// One event of a streamed answer.
    pub(super) fn event(&mut self, heard: &mut Heard, name: &str, event: &Value) {
        match name {
            "token" => heard.text(0, event["t"].as_str().unwrap_or_default()),
            "done" if event["ok"] == true => {
                self.last(heard, event);
                heard.finished(0, FinishName::Stop);
            }
            "done" if event["stopped"] == true => self.objection = Some("its client has cancelled it"),
            "done" => heard.fail(),
            _ => {}
        }
    }

    fn last(&mut self, heard: &mut Heard, answer: &Value) {
        self.model = answer["model_used"].as_str().map(str::to_owned);
        let steps = answer["work_steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.steps = steps.iter().filter_map(|step| step.as_str().map(str::to_owned)).collect();
        // With a plan they are those of two calls together.
        if self.steps.is_empty() {
            usage(heard, &answer["timings"]);
        }
        if !answer["vision_error"].is_null() {
            self.objection = Some("no model has seen its picture, and a scripted one would");
        }
    }

    /// # Errors
    /// Why it cannot be played.
    pub(super) fn objection(&self) -> Result<(), String> {
        self.objection.map_or(Ok(()), |why| Err(why.to_owned()))
    }

    pub(super) fn model(&self) -> Option<String> {
        self.model.clone()
    }

    /// What the model said when it was asked for the steps of the work, where it was.
    pub(super) fn plan(&self) -> Option<ReplyScript> {
        let numbered = |(at, step): (usize, &String)| format!("{}. {step}", at + 1);
        let lines: Vec<String> = self.steps.iter().enumerate().map(numbered).collect();
        (!lines.is_empty()).then(|| ReplyScript::text(lines.join("\n")))
    }
}

/// What it cost, as far as its times tell.
fn usage(heard: &mut Heard, timings: &Value) {
    let cached = &timings["cache_n"];
    let prompt = timings["prompt_n"].as_u64().map(|computed| computed + cached.as_u64().unwrap_or_default());
    heard.usage(&prompt.map_or(Value::Null, Value::from), cached, &timings["predicted_n"]);
}

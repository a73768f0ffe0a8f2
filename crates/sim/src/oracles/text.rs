//! S3: everybody reads the answer to its own question, as it would be alone.

use super::{Verdict, object};
use crate::facts::{Case, End, Facts};
use crate::world::{Ask, Model};

/// A model repeats what it is told, and every request is told something else. So the text alone is known without asking.
pub(super) fn own_text(facts: &Facts<'_>) -> Verdict {
    for case in facts.cases.values() {
        let Some((at, head)) = case.head.filter(|(_, head)| head.status == 200) else { continue };
        let Some(model) = head.model.as_deref().and_then(|id| facts.world.model(id)) else {
            return object(at, format!("{} is answered by nobody that exists: {head:?}", case.id));
        };
        let alone = alone(case.ask, case.id, model);
        if !alone.text.starts_with(&case.text) {
            return object(case.last, differs(case, &alone));
        }
        let Some((at, End::Done(why, tokens))) = case.end() else { continue };
        if case.text != alone.text || why != alone.why || tokens.is_some_and(|tokens| tokens != alone.tokens) {
            return object(at, differs(case, &alone));
        }
    }
    Ok(())
}

fn differs(case: &Case<'_>, alone: &Answer) -> String {
    format!("{} reads {:?}, ended {:?}, and alone it would be {alone:?}", case.id, case.text, case.end())
}

/// What a request is answered when it is alone.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    text: String,
    why: &'static str,
    tokens: u64,
}

/// The answer, from what tokens are: so many bytes each, and one more for the end.
fn alone(ask: &Ask, id: &str, model: &Model) -> Answer {
    let echo = ask.echo(id);
    let size = usize::from(model.bytes_per_token);
    let room = u64::from(model.context_len).saturating_sub(prompt_tokens(ask, id, model));
    let most = u64::from(ask.max_tokens.unwrap_or(model.max_tokens)).min(room);
    for tokens in 1..=most {
        let end = (tokens as usize * size).min(echo.len());
        let is_end_token = (tokens as usize - 1) * size >= echo.len();
        let text = String::from_utf8_lossy(&echo.as_bytes()[..end]).into_owned();
        let whole = text.trim_end_matches('\u{fffd}');
        if let Some(at) = ask.stop.as_ref().and_then(|stop| whole.find(stop)).filter(|_| !is_end_token) {
            return Answer { text: whole[..at].to_owned(), why: "stop", tokens };
        }
        if is_end_token {
            return Answer { text, why: "stop", tokens };
        }
        if tokens == most {
            return Answer { text, why: "length", tokens };
        }
    }
    Answer { text: String::new(), why: "length", tokens: 0 }
}

/// Tokens of the prompt: each message has a mark before and behind it, and one opens the answer.
pub(super) fn prompt_tokens(ask: &Ask, id: &str, model: &Model) -> u64 {
    let message = |text: &str| text.len().div_ceil(model.bytes_per_token.into()) as u64 + 2;
    ask.system_text().map_or(0, |text| message(&text)) + message(&ask.says(id)) + 1
}

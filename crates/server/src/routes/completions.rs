//! `POST /v1/completions`.

use std::iter::repeat_n;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use backend::{Prompt, Token, Usage};
use serving::{Completed, Input, Refusal, Service, Started};

use crate::answer::{self, Answer, Events, Timed};
use crate::error::ApiError;
use crate::routes::chat::Caller;
use crate::sse::{DONE, frame};
use crate::state::App;
use crate::validate;
use crate::wire::completions::{Completion, CompletionChoice, Offsets};
use crate::wire::response::{self, reason};

/// Continues each prompt, each choice as a request of its own.
///
/// # Cancel safety
/// Dropping the future, or the body of its answer, is how a client leaves.
pub(crate) async fn complete(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = Caller::of(&head)?;
    let request = app.bodies.read(body, &app.limits, validate::completion).await?;
    let (asked, fields) = (request.asked, request.fields);
    let per_prompt = asked.choices;
    let n = per_prompt as usize;
    let mut begin = Vec::new();
    for prompt in &request.prompts {
        let echoed = if request.echo { text_of(&app.service, &asked.model, prompt).await } else { Ok(String::new()) };
        begin.extend(repeat_n(echoed.map_err(|refusal| ApiError::refused(refusal, fields))?, n));
    }
    let inputs = (0..).zip(request.prompts.into_iter().flat_map(|prompt| repeat_n(prompt, n)));
    let submitted = inputs.map(|(choice, input)| caller.submit(&app.service, &asked, choice, input));
    let mut answer = Answer::of(submitted, fields)?;

    let (id, created) = (format!("cmpl-{}", caller.id()), app.clock.unix_seconds());
    let head = Head { id, created, model: String::new(), per_prompt };
    if let Some(streaming) = request.stream {
        let events = Pieces::new(head, begin, streaming.include_usage);
        return answer::stream(answer, events, caller.keep_alive(&app.limits)).await;
    }
    let started = answer.started().await?;
    let choices = answer::collect(answer).await?;
    let usage: Vec<_> = choices.iter().map(|choice| choice.completed.finish.usage).collect();
    let texts: Vec<_> =
        begin.iter().zip(&choices).map(|(begin, choice)| format!("{begin}{}", choice.said.text)).collect();
    let head = Head { model: started.model.clone(), ..head };
    let written = (0..).zip(choices.iter().zip(&texts)).map(|(index, (choice, text))| CompletionChoice {
        text,
        index,
        logprobs: Offsets::default().write(&choice.said.logprobs),
        finish_reason: Some(reason(choice.completed.finish.reason)),
    });
    let usage = response::Usage::of(&usage, per_prompt);
    let (n_choices, first) = (choices.len(), &choices[0].completed);
    let headers = answer::whole_headers(&started, first);
    let completion = head.piece(written.collect(), Some(Some(usage)));
    Ok((headers, Json(Timed::new(completion, n_choices, first))).into_response())
}

/// The prompt as text.
async fn text_of(service: &Service, model: &str, prompt: &Input) -> Result<String, Refusal> {
    match prompt {
        Input::Prompt(Prompt::Text(text)) => Ok(text.clone()),
        Input::Prompt(Prompt::Chat(_) | Prompt::Pair(_)) => Ok(String::new()),
        Input::Tokens(tokens) => {
            let bytes = service.encoding(model).await?.token_bytes(tokens.clone()).await?.concat();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

/// What every piece of an answer says.
struct Head {
    id: String,
    created: u64,
    model: String,
    /// Choices of each prompt.
    per_prompt: u32,
}

impl Head {
    fn piece<'a>(
        &'a self,
        choices: Vec<CompletionChoice<'a>>,
        usage: Option<Option<response::Usage>>,
    ) -> Completion<'a> {
        let Self { id, created, model, .. } = self;
        Completion { id, object: "text_completion", created: *created, model, choices, usage }
    }
}

/// Writes the pieces of one answer.
struct Pieces {
    head: Head,
    /// What each choice begins with.
    begin: Vec<String>,
    include_usage: bool,
    offsets: Vec<Offsets>,
    /// Of each choice, once that is complete.
    usage: Vec<Usage>,
}

impl Pieces {
    fn new(head: Head, begin: Vec<String>, include_usage: bool) -> Self {
        let offsets = begin.iter().map(|_| Offsets::default()).collect();
        let usage = vec![Usage::default(); begin.len()];
        Self { head, begin, include_usage, offsets, usage }
    }

    fn piece(&self, out: &mut Vec<u8>, choice: CompletionChoice<'_>) {
        frame(out, &self.head.piece(vec![choice], self.include_usage.then_some(None)));
    }
}

impl Events for Pieces {
    fn begin(&mut self, out: &mut Vec<u8>, started: &Started) {
        self.head.model.clone_from(&started.model);
        for (index, text) in (0..).zip(&self.begin).filter(|(_, text)| !text.is_empty()) {
            self.piece(out, CompletionChoice { text, index, logprobs: None, finish_reason: None });
        }
    }

    fn token(&mut self, out: &mut Vec<u8>, choice: usize, token: &Token) {
        let logprobs = self.offsets[choice].write(&token.logprob);
        let index = choice as u32;
        self.piece(out, CompletionChoice { text: &token.text, index, logprobs, finish_reason: None });
    }

    fn completed(&mut self, out: &mut Vec<u8>, choice: usize, completed: &Completed) {
        let finish_reason = Some(reason(completed.finish.reason));
        let last = CompletionChoice { text: "", index: choice as u32, logprobs: None, finish_reason };
        let last = self.head.piece(vec![last], self.include_usage.then_some(None));
        frame(out, &Timed::new(last, self.usage.len(), completed));
        self.usage[choice] = completed.finish.usage;
    }

    /// What it cost if that was asked for, and the end.
    fn end(&mut self, out: &mut Vec<u8>) {
        if self.include_usage {
            let usage = response::Usage::of(&self.usage, self.head.per_prompt);
            frame(out, &self.head.piece(Vec::new(), Some(Some(usage))));
        }
        out.extend_from_slice(DONE.as_bytes());
    }

    /// Without `[DONE]`.
    fn error(&mut self, out: &mut Vec<u8>, error: &ApiError) {
        frame(out, &error.object());
    }
}

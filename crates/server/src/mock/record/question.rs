//! What was asked, as far as a rule can match it.
//!
//! It is read as the server that plays the script will read it, so what that would refuse is not recorded.

use backend::{Chat, Prompt, Role};
use backend_mock::When;
use serving::Input;

use super::face::Face;
use crate::edison::instructions::{ANSWERS, PLANS};
use crate::limits::HttpLimits;
use crate::routes::edison;
use crate::validate::{self, BadRequest, Pictures};

/// What was asked.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) face: Face,
    /// The model that was asked for. EDISON's clients name none.
    pub(super) model: Option<String>,
    /// What each choice of the answer is an answer to, or each vector or score, by its index.
    pub(super) whens: Vec<When>,
    /// Choices of each prompt.
    pub(super) per_prompt: usize,
    /// What each choice begins with, because the client wants to hear its prompt again.
    pub(super) echoes: Vec<String>,
    /// Documents that a ranking has at most.
    pub(super) top_n: usize,
}

impl Question {
    /// One choice of each prompt, with nothing repeated or left out.
    fn new(face: Face, model: Option<String>, whens: Vec<When>) -> Self {
        Self { face, model, whens, per_prompt: 1, echoes: Vec::new(), top_n: usize::MAX }
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// Why no script can answer it.
    pub(super) fn read(face: Face, body: &[u8]) -> Result<Self, String> {
        let messages_max = HttpLimits::default().messages_max;
        let refused = |error: BadRequest| error.message;
        let mut pictures = Pictures::default();
        match face {
            Face::Chat => {
                let chat = validate::chat(body, messages_max, &mut pictures).map_err(refused)?;
                Ok(Self::chat(face, chat.asked.model, &chat.conversation, chat.asked.choices as usize))
            }
            Face::Messages => {
                let asked = validate::anthropic_messages(body, messages_max, &mut pictures).map_err(refused)?;
                Ok(Self::chat(face, asked.asked.model, &asked.conversation, 1))
            }
            Face::Responses => {
                let asked = validate::responses(body, messages_max, &mut pictures).map_err(refused)?;
                Ok(Self::chat(face, asked.asked.model, &asked.conversation, 1))
            }
            Face::Completions => {
                let asked = validate::completion(body).map_err(refused)?;
                let prompts = texts(asked.prompts)?;
                let per_prompt = asked.asked.choices as usize;
                let several = |text: &String| std::iter::repeat_n(text.clone(), per_prompt);
                let prompts: Vec<String> = prompts.iter().flat_map(several).collect();
                let model = Some(asked.asked.model);
                // No message of a user: a text that is continued, and not a chat of the same words.
                let when = |text: &String| When { turn: Some(0), ..of(model.clone(), text.clone()) };
                let whens = prompts.iter().map(when).collect();
                let echoes = if asked.echo { prompts } else { Vec::new() };
                Ok(Self { per_prompt, echoes, ..Self::new(face, model, whens) })
            }
            Face::Embeddings => {
                let asked = validate::embeddings(body).map_err(refused)?;
                let model = Some(asked.model);
                let when = |text| When { embedding: true, ..of(model.clone(), text) };
                let whens = texts(asked.inputs)?.into_iter().map(when).collect();
                Ok(Self::new(face, model, whens))
            }
            Face::Rerank => {
                let asked = validate::rerank(body).map_err(refused)?;
                let (model, query) = (Some(asked.model), Some(asked.query.to_string()));
                let when = |text| When { rerank: true, system: query.clone(), ..of(model.clone(), text) };
                let whens = asked.documents.into_iter().map(when).collect();
                Ok(Self { top_n: asked.top_n, ..Self::new(face, model, whens) })
            }
            Face::Edison => {
                let asked = edison::ask(body, messages_max, &mut pictures)
                    .map_err(|_| "it is no chat of EDISON's".to_owned())?;
                let earlier = asked.earlier().iter().filter(|message| message.role == Role::User).count();
                let when = When {
                    turn: count(earlier + 1),
                    images: count(asked.images.len()),
                    // No client of another face is told this.
                    system_contains: Some(ANSWERS.to_owned()),
                    ..of(None, asked.message)
                };
                Ok(Self::new(face, None, vec![when]))
            }
        }
    }

    fn chat(face: Face, model: String, chat: &Chat, choices: usize) -> Self {
        let messages = chat.messages.as_slice();
        let said = |role: Role| messages.iter().filter(move |message| message.role == role);
        let system: Vec<&str> = said(Role::System).map(|message| message.content.as_str()).collect();
        let result = messages.last().filter(|message| message.role == Role::Tool);
        let when = When {
            model: Some(model.clone()),
            user: said(Role::User).next_back().map(|message| message.content.clone()),
            // Also where there is none: EDISON's clients may say the same, and the model is told more then.
            system: Some(system.join("\n")),
            turn: count(said(Role::User).count()),
            // Both the question and the results of its tools have the same last words of the user.
            after_tool: Some(result.is_some()),
            result: result.map(|message| message.content.clone()),
            // Also where there is none: the same may be asked about a picture.
            images: count(chat.images().count()),
            ..When::default()
        };
        Self { per_prompt: choices, ..Self::new(face, Some(model), vec![when; choices]) }
    }

    /// What the call for the steps of the work asks that this is an answer to.
    pub(super) fn of_plan(&self) -> When {
        let user = self.whens.first().and_then(|when| when.user.clone());
        When { user, system_contains: Some(PLANS.to_owned()), ..When::default() }
    }
}

fn of(model: Option<String>, user: String) -> When {
    When { model, user: Some(user), ..When::default() }
}

fn count(n: usize) -> Option<u32> {
    u32::try_from(n).ok()
}

/// Tokens are of the vocabulary of the server that is recorded, and say nothing to another one.
fn texts(inputs: Vec<Input>) -> Result<Vec<String>, String> {
    let text = |input| match input {
        Input::Prompt(Prompt::Text(text)) => Ok(text),
        Input::Prompt(Prompt::Chat(_) | Prompt::Pair(_)) | Input::Tokens(_) => {
            Err("it gives tokens, which are of that server's vocabulary; give texts".to_owned())
        }
    };
    inputs.into_iter().map(text).collect()
}

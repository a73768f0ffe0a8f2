//! A model's chat template: Jinja text from its file, compiled once.
//!
//! llama.cpp's own function for this guesses the family from the text and is wrong for most; the
//! template itself is what the model was trained with, so it is run, by minijinja.

mod jinja;
mod json;

use backend::ChatMessage;
use minijinja::{Environment, Value, context};

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are the texts of the tokens that begin and end a text, or empty.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub(crate) fn compile(source: &str, bos: String, eos: String) -> Result<Self, String> {
        let mut environment = jinja::environment();
        environment.add_template_owned(NAME, jinja::adapt(source)).map_err(|error| explain(&error))?;
        Ok(Self { environment, bos, eos })
    }

    /// Renders a conversation up to where the model's answer begins.
    ///
    /// # Errors
    /// What the template objected to.
    pub(crate) fn render(&self, messages: &[ChatMessage]) -> Result<String, String> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => message.role.as_str(), content => message.content.as_str() })
            .collect();
        let input = context! {
            messages,
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        let template = self.environment.get_template(NAME).map_err(|error| explain(&error))?;
        template.render(input).map_err(|error| explain(&error))
    }
}

/// The template's own words where it has some.
fn explain(error: &minijinja::Error) -> String {
    match (error.detail(), error.line()) {
        (Some(detail), _) if error.kind() == jinja::RAISED => detail.to_string(),
        (Some(detail), Some(line)) => format!("{} in line {line}: {detail}", error.kind()),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;

//! A model's chat template: Jinja text from its file, compiled once.
//!
//! llama.cpp's own function for this guesses the family from the text and is wrong for most; the
//! template itself is what the model was trained with, so it is run, by minijinja.

mod date;
mod input;
mod jinja;
mod json;

use backend::{Chat, ChatMessage, Role, Tool, ToolCall};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use self::input::Habits;
pub(crate) use self::input::Input;

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    habits: Habits,
    knows_tools: bool,
}

/// The text of a model's template, and of the one for conversations with tools where that is another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) chat: &'a str,
    pub(crate) tools: Option<&'a str>,
}

const CHAT: &str = "chat";
const TOOLS: &str = "tools";

/// A word that no template holds, to be looked for in what it renders.
const PROBE: &str = "zq7probe";

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are the texts of the tokens that begin and end a text, or empty.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub(crate) fn compile(source: Source<'_>, bos: String, eos: String) -> Result<Self, String> {
        let mut environment = jinja::environment();
        for (name, text) in [(CHAT, Some(source.chat)), (TOOLS, source.tools)] {
            if let Some(text) = text {
                environment.add_template_owned(name, jinja::adapt(text)).map_err(|error| explain(&error))?;
                jinja::give_date(&mut environment, text);
            }
        }
        let habits = Habits { arguments_as_text: false, content_as_text: false };
        let mut template = Self { environment, bos, eos, habits, knows_tools: false };
        template.knows_tools = template.tells_of_tools();
        template.habits = template.find_habits();
        Ok(template)
    }

    /// Whether it tells the model of tools.
    pub(crate) fn knows_tools(&self) -> bool {
        self.knows_tools
    }

    /// What the template is to be given of a conversation.
    pub(crate) fn input(&self, chat: &Chat) -> Input {
        Input::new(chat, self.habits)
    }

    /// Renders a conversation up to where the model's answer begins.
    ///
    /// # Errors
    /// What the template objected to.
    pub(crate) fn render(&self, input: &Input) -> Result<String, String> {
        let with_tools = !input.tools.is_null();
        let tools = if with_tools { Value::from(Serde(&input.tools)) } else { Value::UNDEFINED };
        let name = if with_tools && self.environment.get_template(TOOLS).is_ok() { TOOLS } else { CHAT };
        let input = context! {
            messages => Value::from(Serde(&input.messages)),
            tools,
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        let template = self.environment.get_template(name).map_err(|error| explain(&error))?;
        template.render(input).map_err(|error| explain(&error))
    }

    /// Tries a conversation with a tool: where the template knows tools, the prompt holds its name.
    fn tells_of_tools(&self) -> bool {
        let mut chat = Chat::new(vec![ChatMessage::new(Role::User, "a")]);
        chat.tools.push(Tool { name: PROBE.into(), description: Some("b".into()), parameters: None });
        self.render(&self.input(&chat)).is_ok_and(|prompt| prompt.contains(PROBE))
    }

    /// Tries a conversation with a call in the shapes that templates expect, the usual one first.
    fn find_habits(&self) -> Habits {
        let mut calling = ChatMessage::new(Role::Assistant, "");
        let arguments = format!("{{\"{PROBE}\": 1}}");
        // Some templates insist on an id of nine characters.
        calling.tool_calls.push(ToolCall { id: "abc123def".into(), name: "b".into(), arguments });
        let mut result = ChatMessage::new(Role::Tool, "c");
        result.tool_call_id = Some("abc123def".into());
        let chat = Chat::new(vec![ChatMessage::new(Role::User, "a"), calling, result]);
        let usual = Habits { arguments_as_text: false, content_as_text: false };
        let tried = [(false, false), (false, true), (true, false), (true, true)];
        let tried = tried.map(|(arguments_as_text, content_as_text)| Habits { arguments_as_text, content_as_text });
        let works = |habits: &Habits| {
            let rendered = self.render(&Input::new(&chat, *habits));
            // An object that is added to a text by Python's rules is an error, or reads like Python and not like JSON.
            rendered.is_ok_and(|prompt| prompt.contains(&format!("\"{PROBE}\"")) && !prompt.contains("None"))
        };
        tried.into_iter().find(works).unwrap_or(usual)
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
mod golden;
#[cfg(test)]
mod tests;

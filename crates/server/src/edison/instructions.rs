//! What the model is told, and how its words are drawn.

use backend::Sampling;

use super::router::Mode;

/// How whatever is told to a model that answers begins.
pub(crate) const ANSWERS: &str = "You are EDISON, a helpful assistant.";

/// How whatever is told to a model begins that only plans.
pub(crate) const PLANS: &str = "Plan the task.";

/// How an answer is sampled.
pub(crate) fn answering() -> Sampling {
    Sampling {
        temperature: 0.7,
        top_p: 0.9,
        frequency_penalty: 0.3,
        presence_penalty: 0.2,
        repeat_penalty: 1.1,
        ..Sampling::default()
    }
}

/// What is in a picture is to be found, not invented.
pub(crate) fn looking() -> Sampling {
    Sampling { temperature: 0.1, ..Sampling::default() }
}

/// What the model is told before the conversation.
pub(crate) fn system(mode: Mode, sees: bool, context: &[String], steps: &[String]) -> String {
    let tail = match mode {
        Mode::Chat => "Be conversational.",
        Mode::Reasoning => "Think step by step.",
        Mode::Agent => "Give detailed and accurate answers.",
        Mode::Code => "Write complete, working code and explain it.",
        Mode::Work => "Work through the task thoroughly, step by step.",
        Mode::Image if sees => "Say only what the picture shows. Where you cannot make something out, say so.",
        Mode::Image => "You cannot see the picture that came with the message. Say so, and do not guess what it shows.",
    };
    let mut text = format!("{ANSWERS} Mind what was said before. {tail}");
    if !context.is_empty() {
        text += "\n\nWhat follows may help; rely on it where it fits, and invent nothing:";
        context.iter().for_each(|chunk| text += &format!("\n- {chunk}"));
    }
    if !steps.is_empty() {
        text += "\n\nTask plan, to be followed step by step:";
        steps.iter().enumerate().for_each(|(at, step)| text += &format!("\n{}. {step}", at + 1));
    }
    text
}

/// What the model is told that plans the steps of the work.
pub(crate) fn planning() -> String {
    format!("{PLANS} Answer with a short numbered list of 3 to 7 clear steps, and nothing else.")
}

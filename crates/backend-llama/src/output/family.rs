//! How a family of models writes calls and thoughts, told from its chat template.

use super::channels;
use super::elements::Elements;

/// How calls are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFormat {
    /// `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`: Hermes, Qwen, and many after them.
    Tagged,
    /// `{"name": ..., "parameters": {...}}` in place of an answer, maybe after `<|python_tag|>`: Llama 3.
    Llama,
    /// `[TOOL_CALLS][{"name": ..., "arguments": {...}}]`: Mistral to version 7.
    Mistral,
    /// `[TOOL_CALLS]name[ARGS]{...}`: Mistral from version 11.
    MistralNamed,
    /// `<|tool_call|>[{"name": ..., "arguments": {...}}]`: Granite, Phi-4-mini.
    Listed,
    /// `<|START_ACTION|>[{"tool_name": ..., "parameters": {...}}]<|END_ACTION|>`: Command R7B.
    Action,
    /// `{"name": ..., "arguments": {...}}` in place of an answer.
    Bare,
    /// `<｜tool▁call▁begin｜>name<｜tool▁sep｜>{...}<｜tool▁call▁end｜>` in a section: DeepSeek from V3.1.
    DeepSeek,
    /// The same with `function<｜tool▁sep｜>name` and the arguments in a fence: DeepSeek V3 and R1.
    DeepSeekFenced,
    /// `<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{...}<|tool_call_end|>` in a section: Kimi K2.
    Kimi,
    /// `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`: Qwen3-Coder.
    Coder,
    /// `<tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>`: GLM-4.5.
    Glm,
    /// Messages to `functions.name`: Harmony. See [`channels`].
    Harmony,
}

/// The marks of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Begins a call, or a list or section of them. Empty where nothing does.
    pub(crate) begin: &'static str,
    /// Begins one call of a section. Empty where nothing does.
    pub(crate) item: &'static str,
    /// Ends what `begin` began. Empty where nothing does.
    pub(crate) end: &'static str,
    /// What else may stand between two calls.
    pub(crate) over: &'static [&'static str],
    /// Whether an object that an answer begins with is a call too.
    pub(crate) bare: bool,
}

/// What follows the marks that begin a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object with the name and the arguments, or a list of them.
    Object,
    /// The name, this mark or none, and the object of the arguments.
    Named(&'static str),
    /// The name, and an element for each argument.
    Elements(&'static Elements),
}

const CODER: Elements = Elements {
    name_ends: &['>'],
    key: ["<parameter=", ">"],
    value: ["", "</parameter>"],
    lines: true,
    end: "</function>",
};

const GLM: Elements = Elements {
    name_ends: &['\n', '<'],
    key: ["<arg_key>", "</arg_key>"],
    value: ["<arg_value>", "</arg_value>"],
    lines: false,
    end: "</tool_call>",
};

impl CallFormat {
    /// The format of the models that this template belongs to, where it is one of those that are understood.
    pub(crate) fn of(template: &str) -> Option<Self> {
        let has = |text: &str| template.contains(text);
        match () {
            () if has("<|channel|>") => Some(Self::Harmony).filter(|_| has("functions")),
            () if has("<function=") => Some(Self::Coder).filter(|_| has("<parameter=")),
            () if has("<arg_key>") => Some(Self::Glm),
            () if has("<｜tool▁call▁begin｜>") && has("```json") => Some(Self::DeepSeekFenced),
            () if has("<｜tool▁call▁begin｜>") => Some(Self::DeepSeek),
            () if has("<|tool_call_argument_begin|>") => Some(Self::Kimi),
            () if has("<tool_call>") => Some(Self::Tagged),
            () if has("[TOOL_CALLS]") && has("[ARGS]") => Some(Self::MistralNamed),
            () if has("[TOOL_CALLS]") => Some(Self::Mistral),
            () if has("<|START_ACTION|>") => Some(Self::Action),
            () if has("<|tool_call|>") => Some(Self::Listed),
            () if has("<|python_tag|>") || (has("ipython") && has("parameters")) => Some(Self::Llama),
            // Marks of formats that are not understood, Functionary among them.
            () if ["<｜tool", "<|tool_calls", "<function", "<|recipient|>"].iter().any(|t| has(t)) => None,
            () if has("tools") && has("name") && (has("arguments") || has("parameters")) => Some(Self::Bare),
            () => None,
        }
    }

    pub(crate) fn marks(self) -> Marks {
        let marks = |begin, end, bare| Marks { begin, item: "", end, over: &[], bare };
        match self {
            Self::Tagged | Self::Glm => marks("<tool_call>", "</tool_call>", false),
            Self::Llama => marks("<|python_tag|>", "", true),
            Self::Mistral | Self::MistralNamed => marks("[TOOL_CALLS]", "", false),
            Self::Listed => marks("<|tool_call|>", "<|/tool_call|>", false),
            Self::Action => marks("<|START_ACTION|>", "<|END_ACTION|>", false),
            Self::Bare => marks("", "", true),
            Self::Harmony => marks("", "", false),
            Self::Coder => Marks { item: "<function=", ..Self::Tagged.marks() },
            Self::Kimi => Marks {
                item: "<|tool_call_begin|>",
                over: &["<|tool_call_end|>"],
                ..marks("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", false)
            },
            Self::DeepSeek | Self::DeepSeekFenced => Marks {
                item: "<｜tool▁call▁begin｜>",
                over: &["<｜tool▁call▁end｜>", "```"],
                ..marks("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", false)
            },
        }
    }

    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Tagged | Self::Llama | Self::Mistral | Self::Listed | Self::Action | Self::Bare | Self::Harmony => {
                Shape::Object
            }
            Self::MistralNamed => Shape::Named("[ARGS]"),
            Self::DeepSeek | Self::DeepSeekFenced => Shape::Named("<｜tool▁sep｜>"),
            Self::Kimi => Shape::Named("<|tool_call_argument_begin|>"),
            Self::Coder => Shape::Elements(&CODER),
            Self::Glm => Shape::Elements(&GLM),
        }
    }

    /// The tool's name in what stands between the mark that begins a call and the brace of its arguments.
    pub(crate) fn name_in(self, text: &str) -> &str {
        let Shape::Named(mark) = self.shape() else { return text.trim() };
        let (before, after) = text.split_once(mark).unwrap_or((text, ""));
        let before = match self {
            // Before the mark stands what kind of tool it is.
            Self::DeepSeekFenced => after.lines().next().unwrap_or_default(),
            // An id may stand between the two.
            Self::MistralNamed => before.split("[CALL_ID]").next().unwrap_or_default(),
            Self::Kimi => {
                let before = before.trim();
                let name = before.rsplit_once(':').map_or(before, |(name, _number)| name);
                name.strip_prefix("functions.").unwrap_or(name)
            }
            _ => before,
        };
        before.trim()
    }
}

/// What stands around thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thoughts {
    pub(crate) begin: &'static str,
    pub(crate) end: &'static str,
}

impl Thoughts {
    const KNOWN: [Self; 3] = [
        Self { begin: "<think>", end: "</think>" },
        Self { begin: "[THINK]", end: "[/THINK]" },
        Self { begin: "<|START_THINKING|>", end: "<|END_THINKING|>" },
    ];

    /// How the models of this template think, where they do.
    pub(crate) fn of(template: &str) -> Option<Self> {
        // Some templates name only the end, to cut thoughts out of what was said.
        Self::KNOWN.into_iter().find(|known| template.contains(known.begin) || template.contains(known.end))
    }
}

/// How a model's answers are to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Family {
    /// `None` where the template knows no tools, or writes calls in another way.
    pub(crate) calls: Option<CallFormat>,
    pub(crate) thoughts: Option<Thoughts>,
    /// Whether answers are messages in [`channels`], which have thoughts among them.
    pub(crate) channels: bool,
}

impl Family {
    /// The family of this template. `knows_tools` says that it tells the model of tools.
    pub(crate) fn of(template: &str, knows_tools: bool) -> Self {
        let calls = CallFormat::of(template).filter(|_| knows_tools);
        let channels = template.contains("<|channel|>") && template.contains("analysis");
        Self { calls, thoughts: Thoughts::of(template).filter(|_| !channels), channels }
    }

    /// Texts that mean something in an answer, though they may be control tokens.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &'static str> {
        let calls = self.calls.into_iter().flat_map(|format| {
            let Marks { begin, item, end, over, bare: _ } = format.marks();
            let inner = match format.shape() {
                Shape::Object => Vec::new(),
                Shape::Named(mark) => vec![mark],
                Shape::Elements(Elements { key, value, end, .. }) => [&key[..], &value[..], &[*end]].concat(),
            };
            [begin, item, end].into_iter().chain(over.iter().copied()).chain(inner)
        });
        let thoughts = self.thoughts.into_iter().flat_map(|thoughts| [thoughts.begin, thoughts.end]);
        let channels = channels::MARKS.into_iter().filter(|_| self.channels);
        calls.chain(thoughts).chain(channels).filter(|mark| !mark.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{CallFormat, Family, Thoughts};

    #[test]
    fn families_are_told_by_their_marks() {
        let cases = [
            ("... <tool_call>\\n{'name' ...", Some(CallFormat::Tagged)),
            ("<tool_call>\\n<function=' ~ name ~ '>\\n<parameter=", Some(CallFormat::Coder)),
            ("<tool_call>' ~ name ~ '\\n<arg_key>", Some(CallFormat::Glm)),
            ("<function=' ~ name ~ '>{", None),
            ("[AVAILABLE_TOOLS] [TOOL_CALLS]", Some(CallFormat::Mistral)),
            ("[TOOL_CALLS] name [ARGS]", Some(CallFormat::MistralNamed)),
            ("Environment: ipython {\"name\": , \"parameters\":", Some(CallFormat::Llama)),
            ("<|tool_call|>", Some(CallFormat::Listed)),
            ("<|channel|>commentary to=functions. tools name arguments", Some(CallFormat::Harmony)),
            ("<|channel|>final tools name arguments", None),
            (
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>' + name + '\\n```json",
                Some(CallFormat::DeepSeekFenced),
            ),
            ("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + name + '<｜tool▁sep｜>", Some(CallFormat::DeepSeek)),
            ("<｜tool▁outputs▁begin｜> tools name arguments", None),
            ("<|tool_call_begin|>' ~ id ~ '<|tool_call_argument_begin|>", Some(CallFormat::Kimi)),
            ("<|recipient|> tools name arguments", None),
            ("tools name arguments", Some(CallFormat::Bare)),
            ("{{ messages }}", None),
        ];
        for (template, format) in cases {
            assert_eq!(CallFormat::of(template), format, "{template}");
        }
        assert_eq!(Thoughts::of("split('</think>')").map(|t| t.begin), Some("<think>"));
        assert_eq!(Thoughts::of("plain"), None);
        let harmony = Family::of("{{ '<|channel|>analysis<|message|>' }} ... <think>", false);
        assert_eq!(harmony, Family { channels: true, ..Family::default() });
    }
}

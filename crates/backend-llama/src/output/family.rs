//! How a family of models writes calls and thoughts, told from its chat template.

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
}

/// The marks of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Begins a call, or a list of them. Empty where nothing does.
    pub(crate) begin: &'static str,
    /// Ends it. Empty where nothing does.
    pub(crate) end: &'static str,
    /// Whether an object that an answer begins with is a call too.
    pub(crate) bare: bool,
}

impl CallFormat {
    /// The format of the models that this template belongs to, where it is one of those that are understood.
    pub(crate) fn of(template: &str) -> Option<Self> {
        let has = |text: &str| template.contains(text);
        match () {
            // Written as XML by Qwen3-Coder and others.
            () if has("<function=") || has("<arg_key>") => None,
            () if has("<tool_call>") => Some(Self::Tagged),
            () if has("[TOOL_CALLS]") && has("[ARGS]") => Some(Self::MistralNamed),
            () if has("[TOOL_CALLS]") => Some(Self::Mistral),
            () if has("<|START_ACTION|>") => Some(Self::Action),
            () if has("<|tool_call|>") => Some(Self::Listed),
            () if has("<|python_tag|>") || (has("ipython") && has("parameters")) => Some(Self::Llama),
            // Marks of formats that are not understood: Harmony, DeepSeek, Functionary, Kimi.
            () if ["<|channel|>", "<｜tool", "<|tool_calls", "<function", "<|recipient|>"].iter().any(|t| has(t)) => {
                None
            }
            () if has("tools") && has("name") && (has("arguments") || has("parameters")) => Some(Self::Bare),
            () => None,
        }
    }

    pub(crate) fn marks(self) -> Marks {
        let marks = |begin, end, bare| Marks { begin, end, bare };
        match self {
            Self::Tagged => marks("<tool_call>", "</tool_call>", false),
            Self::Llama => marks("<|python_tag|>", "", true),
            Self::Mistral | Self::MistralNamed => marks("[TOOL_CALLS]", "", false),
            Self::Listed => marks("<|tool_call|>", "<|/tool_call|>", false),
            Self::Action => marks("<|START_ACTION|>", "<|END_ACTION|>", false),
            Self::Bare => marks("", "", true),
        }
    }
}

/// What stands around thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thoughts {
    pub(crate) begin: &'static str,
    pub(crate) end: &'static str,
    /// What may stand before either part and belongs to neither, such as a new header. Empty in most families.
    pub(crate) header: &'static str,
    /// What begins the part that is said. Empty in most families.
    pub(crate) says: &'static str,
}

impl Thoughts {
    const KNOWN: [Self; 4] = [
        Self::between("<think>", "</think>"),
        Self::between("[THINK]", "[/THINK]"),
        Self::between("<|START_THINKING|>", "<|END_THINKING|>"),
        // Harmony: each part is a message of its own, in a channel.
        Self {
            begin: "<|channel|>analysis<|message|>",
            end: "<|end|>",
            header: "<|start|>assistant",
            says: "<|channel|>final<|message|>",
        },
    ];

    const fn between(begin: &'static str, end: &'static str) -> Self {
        Self { begin, end, header: "", says: "" }
    }

    /// How the models of this template think, where they do.
    pub(crate) fn of(template: &str) -> Option<Self> {
        // Some templates name only the end, to cut thoughts out of what was said.
        let [think, brackets, thinking, harmony] = Self::KNOWN;
        if template.contains("<|channel|>") && template.contains("analysis") {
            return Some(harmony);
        }
        let mut known = [think, brackets, thinking].into_iter();
        known.find(|known| template.contains(known.begin) || template.contains(known.end))
    }
}

/// How a model's answers are to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Family {
    /// `None` where the template knows no tools, or writes calls in another way.
    pub(crate) calls: Option<CallFormat>,
    pub(crate) thoughts: Option<Thoughts>,
}

impl Family {
    /// The family of this template. `knows_tools` says that it tells the model of tools.
    pub(crate) fn of(template: &str, knows_tools: bool) -> Self {
        let calls = CallFormat::of(template).filter(|_| knows_tools);
        Self { calls, thoughts: Thoughts::of(template) }
    }

    /// Texts that mean something in an answer, though they may be control tokens.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &'static str> {
        let calls = self.calls.map(CallFormat::marks);
        let named = (self.calls == Some(CallFormat::MistralNamed)).then_some("[ARGS]");
        let calls = calls.into_iter().flat_map(|marks| [marks.begin, marks.end]);
        let channels = self.thoughts.is_some_and(|thoughts| !thoughts.says.is_empty());
        let channels = ["<|start|>", "<|channel|>", "<|message|>"].into_iter().filter(move |_| channels);
        let thoughts = self.thoughts.into_iter().flat_map(|thoughts| [thoughts.begin, thoughts.end]);
        calls.chain(thoughts).chain(channels).chain(named).filter(|mark| !mark.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{CallFormat, Thoughts};

    #[test]
    fn families_are_told_by_their_marks() {
        let cases = [
            ("... <tool_call>\\n{'name' ...", Some(CallFormat::Tagged)),
            ("<tool_call>\\n<function=", None),
            ("[AVAILABLE_TOOLS] [TOOL_CALLS]", Some(CallFormat::Mistral)),
            ("[TOOL_CALLS] name [ARGS]", Some(CallFormat::MistralNamed)),
            ("Environment: ipython {\"name\": , \"parameters\":", Some(CallFormat::Llama)),
            ("<|tool_call|>", Some(CallFormat::Listed)),
            ("<|channel|>commentary tools name arguments", None),
            ("<｜tool▁calls▁begin｜> tools name arguments", None),
            ("tools name arguments", Some(CallFormat::Bare)),
            ("{{ messages }}", None),
        ];
        for (template, format) in cases {
            assert_eq!(CallFormat::of(template), format, "{template}");
        }
        assert_eq!(Thoughts::of("split('</think>')").map(|t| t.begin), Some("<think>"));
        assert_eq!(Thoughts::of("plain"), None);
        let harmony = Thoughts::of("{{ '<|channel|>analysis<|message|>' }} ... <think>");
        assert_eq!(harmony.map(|thoughts| thoughts.end), Some("<|end|>"));
    }
}

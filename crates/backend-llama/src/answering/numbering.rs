//! The ids of calls.

use std::hash::{DefaultHasher, Hash, Hasher};

use backend::{CallPart, GenerateRequest, Prompt};

/// Gives calls their ids.
pub(super) struct Numbering {
    /// Of everything that decides the answer, so that no other conversation has the same ids.
    base: u64,
    /// Whether the answer ends with its first call.
    pub(super) single: bool,
}

impl Numbering {
    pub(super) fn new(request: &GenerateRequest) -> Self {
        let mut hasher = DefaultHasher::new();
        (&request.prompt.tokens, request.options.sampling.seed).hash(&mut hasher);
        let single = matches!(&request.prompt.prompt, Prompt::Chat(chat) if chat.single_call);
        Self { base: hasher.finish(), single }
    }

    /// Nine letters and digits: some templates take no other.
    pub(super) fn name(&self, part: CallPart) -> CallPart {
        if part.name.is_none() {
            return part;
        }
        let mut hasher = DefaultHasher::new();
        (self.base, part.index).hash(&mut hasher);
        let mut rest = hasher.finish();
        let digit = |_| {
            let digit = u32::try_from(rest % 36).expect("it is below 36");
            rest /= 36;
            char::from_digit(digit, 36).expect("it is a digit")
        };
        CallPart { id: Some((0..9).map(digit).collect()), ..part }
    }
}

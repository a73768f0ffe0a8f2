//! What must hold before llama.cpp sees a setting, a file or a request.
//!
//! llama.cpp answers several of these mistakes by ending the process or by filling the memory, and
//! most others with a null pointer that says nothing. Each is refused here with a reason.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use backend::{EncodedPrompt, GenerateOptions, IMAGE_TOKENS, LoadError, ModelSpec, TokenId};
use llama_cpp_2::context::params::LlamaPoolingType;
use llama_cpp_2::model::LlamaModel;

use crate::engine::Pooling;
use crate::gguf::{Head, Value};

/// Smallest context that may be asked for; llama.cpp rounds up to multiples of it anyway.
pub(crate) const CONTEXT_MIN: u32 = 256;
/// Largest context. llama.cpp does not refuse a thousand times more, it touches the memory page by page.
pub(crate) const CONTEXT_MAX: u32 = 1 << 20;
/// ggml's own bound on threads; far beyond it the process dies.
pub(crate) const THREADS_MAX: u32 = 512;
/// Sequences that one context has at most; llama.cpp ends the process beyond four times as many.
const LANES_MAX: u32 = 64;
/// Contexts over the same weights.
const REPLICAS_MAX: u32 = 16;
/// Smaller steps cost speed: a step of 32 tokens takes as long as one of 48.
const STEP_TOKENS_MIN: u32 = 16;
/// Larger steps gain nothing and reserve memory.
const STEP_TOKENS_MAX: u32 = 2048;
/// Longer drafts are rarely right to their end.
const DRAFT_TOKENS_MAX: u32 = 64;

/// A TiB.
const SAVED_STATE_MIB_MAX: u32 = 1 << 20;

/// Architectures whose attention looks both ways, and that answer with vectors. Asking one of them for the next token ends
/// the process.
const ENCODERS: [&str; 10] = [
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "llama-embed",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
];

/// Architectures that answer with sound or a diffusion, or that need an encoder pass or another model first.
const UNUSABLE: [&str; 11] = [
    "clip",
    "dflash",
    "dream",
    "eagle3",
    "gemma4-assistant",
    "llada",
    "llada-moe",
    "pockettts",
    "qwen3tts",
    "rnd1",
    "wavtokenizer-dec",
];

/// Checks what a [`ModelSpec`] says, without looking at the file.
pub(crate) fn settings(spec: &ModelSpec) -> Result<(), LoadError> {
    let step = STEP_TOKENS_MIN..=STEP_TOKENS_MAX;
    let draft = spec.tuning.draft_tokens;
    let rules: [(&'static str, bool, String); 8] = [
        ("lanes", (1..=LANES_MAX).contains(&spec.lanes), format!("must be 1 to {LANES_MAX}")),
        ("replicas", (1..=REPLICAS_MAX).contains(&spec.tuning.replicas), format!("must be 1 to {REPLICAS_MAX}")),
        (
            "step_tokens",
            step.contains(&spec.tuning.step_tokens),
            format!("must be {STEP_TOKENS_MIN} to {STEP_TOKENS_MAX}"),
        ),
        (
            "saved_state_mib",
            spec.tuning.saved_state_mib <= SAVED_STATE_MIB_MAX,
            format!("must be at most {SAVED_STATE_MIB_MAX}"),
        ),
        (
            "draft_tokens",
            draft <= DRAFT_TOKENS_MAX && draft < spec.tuning.step_tokens,
            format!("must be 0 to {DRAFT_TOKENS_MAX}, and less than step_tokens"),
        ),
        (
            "draft_tokens",
            draft == 0 || spec.lanes == 1,
            "is for a model with lanes = 1; leave it at 0 where lanes are computed together".to_string(),
        ),
        ("threads", (1..=THREADS_MAX).contains(&spec.threads), format!("must be 1 to {THREADS_MAX}")),
        (
            "context_len",
            spec.context_len == 0 || (CONTEXT_MIN..=CONTEXT_MAX).contains(&spec.context_len),
            format!("must be {CONTEXT_MIN} to {CONTEXT_MAX}, or 0 for the model's own"),
        ),
    ];
    match rules.into_iter().find(|(_, holds, _)| !holds) {
        None => Ok(()),
        Some((setting, _, reason)) => Err(LoadError::Setting { setting, reason }),
    }
}

/// Reads what a model file says of itself, and returns it with the path in the form llama.cpp takes.
pub(crate) fn model_file(path: &Path) -> Result<(&str, Head), LoadError> {
    let not_found = |reason: String| LoadError::NotFound { path: PathBuf::from(path), reason };
    let text = path.to_str().ok_or_else(|| not_found("the path is not valid UTF-8".to_string()))?;
    let mut file = File::open(path).map_err(|error| not_found(error.to_string()))?;
    let mut header = Vec::with_capacity(HEADER_LEN);
    file.by_ref().take(HEADER_LEN as u64).read_to_end(&mut header).map_err(|error| not_found(error.to_string()))?;
    let head = self::header(&header).and_then(|()| Head::read(&file)).and_then(|head| {
        description(&head)?;
        Ok(head)
    });
    let head = head.map_err(|reason| LoadError::Unusable { model: text.to_string(), reason })?;
    Ok((text, head))
}

/// Layers that a model has at most; llama.cpp asserts it.
const LAYERS_MAX: u32 = 512;
/// The tokenizer that looks for bytes where it knows no token, and ends the process where it finds none.
const SENTENCE_PIECE: &str = "llama";

/// Checks what a file says of itself, where llama.cpp takes its word.
fn description(head: &Head) -> Result<(), String> {
    let architecture = head.text("general.architecture").unwrap_or_default();
    if let Some(Value::Whole(n)) = head.get(&format!("{architecture}.block_count"))
        && !(1..=LAYERS_MAX).contains(n)
    {
        return Err(format!("it says that it has {n} layers, and there are 1 to {LAYERS_MAX}"));
    }
    if let Some(token) = head.token_twice() {
        return Err(format!("two of its tokens are {:?}", String::from_utf8_lossy(token)));
    }
    if head.text("tokenizer.ggml.model") == Some(SENTENCE_PIECE) && head.tokens().next().is_some() {
        let known: BTreeSet<&[u8]> = head.tokens().collect();
        let has = |byte: u8| known.contains(format!("<0x{byte:02X}>").as_bytes()) || known.contains(&[byte][..]);
        // Those that UTF-8 uses; a blank becomes another character before it is looked for.
        let missing = (0..=0xf4_u8).find(|&byte| !matches!(byte, b' ' | 0xc0 | 0xc1) && !has(byte));
        if let Some(byte) = missing {
            return Err(format!("it has no token for the byte {byte:02X}, which may stand in a text"));
        }
    }
    Ok(())
}

/// Magic, version, number of tensors.
const HEADER_LEN: usize = 16;

/// Checks that bytes begin like a GGUF file.
pub(crate) fn header(bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_string());
    }
    if !bytes.starts_with(b"GGUF") {
        return Err("it is not a GGUF file".to_string());
    }
    let (Some(version), Some(tensors)) = (bytes.get(4..8), bytes.get(8..HEADER_LEN)) else {
        return Err("it ends inside the GGUF header".to_string());
    };
    match version {
        [2 | 3, 0, 0, 0] => {}
        _ => return Err("its GGUF version is neither 2 nor 3".to_string()),
    }
    if tensors.iter().all(|&byte| byte == 0) {
        return Err("it has no tensors: a vocabulary, not a model".to_string());
    }
    Ok(())
}

/// Tokenizers that overflow the stack on ordinary text: this one matches words and the blanks between them as one.
const STACK_HUNGRY: [&str; 1] = ["exaone-moe"];

/// What a loaded model can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Whether it continues texts.
    pub(crate) generates: bool,
    /// How it makes vectors of texts, where its file says so.
    pub(crate) pooling: Option<Pooling>,
}

/// Finds out what a loaded model can be used for, and that its tokenizer survives a text. `head` is of its file.
pub(crate) fn uses(model: &LlamaModel, head: &Head) -> Result<Uses, String> {
    let architecture = model.meta_val_str("general.architecture").unwrap_or_default();
    if UNUSABLE.contains(&architecture.as_str()) || architecture.starts_with("t5") {
        return Err(format!("models of the architecture {architecture} neither generate text nor embed it here"));
    }
    let tokenizer = model.meta_val_str("tokenizer.ggml.pre").unwrap_or_default();
    if STACK_HUNGRY.contains(&tokenizer.as_str()) {
        return Err(format!("its tokenizer, {tokenizer}, would end the process on a long text"));
    }
    let said = |key: &str| model.meta_val_str(&format!("{architecture}.{key}")).ok();
    let both_ways =
        ENCODERS.contains(&architecture.as_str()) || said("attention.causal").is_some_and(|value| value == "false");
    let kind = match said("pooling_type").as_deref() {
        Some("1") => Some(LlamaPoolingType::Mean),
        Some("2") => Some(LlamaPoolingType::Cls),
        Some("3") => Some(LlamaPoolingType::Last),
        Some("4") => {
            ranking(head, model.n_cls_out())?;
            Some(LlamaPoolingType::Rank)
        }
        // A model that only embeds, and does not say how, is read as most are.
        _ => both_ways.then_some(LlamaPoolingType::Mean),
    };
    // A head may stand over the mean of all tokens.
    let of_all = kind == Some(LlamaPoolingType::Rank) && said("classifier.pooling_type").as_deref() == Some("1");
    let pooling = kind.map(|kind| Pooling { kind, at_once: both_ways || of_all });
    // One that ranks may be able to continue texts as well, and was trained to say something else.
    Ok(Uses { generates: !both_ways && kind != Some(LlamaPoolingType::Rank), pooling })
}

/// Checks that a model that says that it ranks has a head that gives this many numbers. Without one llama.cpp would take what
/// the last layer says for a score, and with a narrower one read beyond it, which ends the process.
fn ranking(head: &Head, n_scores: u32) -> Result<(), String> {
    let outputs = |name: &str| head.tensors.iter().find(|tensor| tensor.name == name).map(|tensor| tensor.shape[1]);
    match outputs("cls.output.weight").or_else(|| outputs("cls.weight")) {
        Some(n) if n == u64::from(n_scores) => Ok(()),
        Some(n) => Err(format!("it ranks texts with {n_scores} numbers, and its head gives {n}")),
        None => Err("it says that it ranks texts, and has no head to do so with (cls.output.weight)".to_string()),
    }
}

/// What a model has of what requests ask for by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) n_vocab: u32,
    pub(crate) context_len: u32,
    pub(crate) n_adapters: usize,
}

/// Checks a request against the model that is to run it.
///
/// An encoded prompt of another model, or one built by hand, can hold anything.
pub(crate) fn request(prompt: &EncodedPrompt, options: &GenerateOptions, bounds: Bounds) -> Result<(), String> {
    let Bounds { n_vocab, context_len, n_adapters } = bounds;
    options.sampling.check().map_err(|error| error.to_string())?;
    let tokens = &prompt.tokens;
    if tokens.is_empty() {
        return Err("the prompt is empty".to_string());
    }
    if tokens.len() >= context_len as usize {
        return Err(format!("the prompt has {} tokens and the context holds {context_len}", tokens.len()));
    }
    if options.logprobs.is_some_and(|n| n > GenerateOptions::LOGPROBS_MAX) {
        return Err(format!("logprobs may tell {} alternatives", GenerateOptions::LOGPROBS_MAX));
    }
    if let Some(adapter) = options.adapter.filter(|adapter| adapter.number as usize >= n_adapters) {
        return Err(format!("there is no adapter {}; the model has {n_adapters}", adapter.number));
    }
    // Something must come after a picture: its own tokens have no logits.
    if tokens.last().is_some_and(|&token| token >= IMAGE_TOKENS) {
        return Err("the prompt ends with a picture".to_string());
    }
    let n_pictures = prompt.prompt.images().count() as u64;
    let is_picture = |token: TokenId| token.checked_sub(IMAGE_TOKENS).is_some_and(|n| u64::from(n) < n_pictures);
    let words = tokens.iter().filter(|&&token| !is_picture(token));
    let biased = options.sampling.logit_bias.iter().map(|(token, _)| token);
    match words.chain(biased).find(|&&token| token >= n_vocab) {
        None => Ok(()),
        Some(token) => Err(format!("token {token} is not in the model's vocabulary of {n_vocab}")),
    }
}

/// Checks that there are tokens, all of the vocabulary.
pub(crate) fn tokens(tokens: &[TokenId], n_vocab: u32) -> Result<(), String> {
    if tokens.is_empty() {
        return Err("the text is empty".to_string());
    }
    match tokens.iter().find(|&&token| token >= n_vocab) {
        None => Ok(()),
        Some(token) => Err(format!("token {token} is not in the model's vocabulary of {n_vocab}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, header, model_file, ranking, request};
    use crate::gguf::Head;
    use crate::testing;
    use backend::{Adapter, EncodedPrompt, GenerateOptions, GenerateRequest, Prompt, Sampling, Scale};

    /// Every byte that UTF-8 uses may stand in a text; those that it does not use need no token.
    #[test]
    fn a_sentence_piece_vocabulary_must_have_the_bytes_of_any_text() {
        let good = testing::sentence_piece();
        for (byte, needed) in [("00", true), ("7F", true), ("80", true), ("F4", true), ("C0", false), ("FF", false)] {
            let file = tempfile::NamedTempFile::new().expect("a file can be made");
            let without = testing::replace(&good, &format!("<0x{byte}>"), "<none>");
            std::fs::write(file.path(), without).expect("it can be written");
            let refused = model_file(file.path()).err().map(|error| error.to_string());
            let expected = needed.then(|| format!("no token for the byte {byte}"));
            assert_eq!(refused.is_some(), needed, "{refused:?}");
            assert!(refused.unwrap_or_default().contains(&expected.unwrap_or_default()), "{byte}");
        }
    }

    #[test]
    fn a_head_must_give_as_many_numbers_as_are_read() {
        let (dense, narrow) = (("cls.weight", [8, 8, 1, 1], 0), ("cls.weight", [8, 1, 1, 1], 0));
        let output = |n| ("cls.output.weight", [8, n, 1, 1], 0);
        let check = |tensors: &[(&str, [u64; 4], u32)], n| ranking(&Head::of(&[], tensors), n);
        for (tensors, n) in [(&[dense, output(1)][..], 1), (&[output(2)], 2), (&[narrow], 1)] {
            assert_eq!(check(tensors, n), Ok(()), "{tensors:?}");
        }
        for (tensors, n, part) in [
            (&[][..], 1, "no head"),
            (&[dense], 1, "gives 8"),
            (&[narrow], 2, "with 2 numbers, and its head gives 1"),
            (&[narrow, output(3)], 1, "gives 3"),
        ] {
            let refused = check(tensors, n).expect_err("it does not fit");
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn only_a_gguf_header_with_tensors_passes() {
        let good = *b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0";
        assert_eq!(header(&good), Ok(()));
        let cases: [(&[u8], &str); 6] = [
            (b"", "the file is empty"),
            (b"\x89PNG\r\n\x1a\n", "it is not a GGUF file"),
            (b"GGU", "it is not a GGUF file"),
            (b"GGUF\x03\0\0\0\x01", "it ends inside the GGUF header"),
            (b"GGUF\0\0\0\x03\x01\0\0\0\0\0\0\0", "its GGUF version is neither 2 nor 3"),
            (b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0", "it has no tensors: a vocabulary, not a model"),
        ];
        for (bytes, reason) in cases {
            assert_eq!(header(bytes), Err(reason.to_string()), "{bytes:?}");
        }
    }

    /// Each of these would end the process, or decode what nobody asked for, if llama.cpp saw it.
    #[test]
    fn requests_that_the_engine_cannot_survive_are_refused() {
        let with = |tokens: Vec<u32>, sampling: Sampling| GenerateRequest {
            prompt: EncodedPrompt { prompt: Prompt::Text(String::new()), tokens },
            options: GenerateOptions { sampling, ..GenerateOptions::default() },
            max_tokens: 1,
        };
        let bounds = Bounds { n_vocab: 100, context_len: 8, n_adapters: 2 };
        let check = |r: &GenerateRequest| request(&r.prompt, &r.options, bounds);
        assert_eq!(check(&with(vec![0, 99], Sampling::default())), Ok(()));
        assert_eq!(check(&with(vec![1; 7], Sampling::default())), Ok(()));
        let biased = |token| Sampling { logit_bias: vec![(token, 1.0)], ..Sampling::default() };
        assert_eq!(check(&with(vec![1], biased(99))), Ok(()));
        let mut telling = with(vec![1], Sampling::default());
        telling.options.logprobs = Some(21);
        let adapted = |number| {
            let mut request = with(vec![1], Sampling::default());
            request.options.adapter = Some(Adapter { number, scale: Scale::ONE });
            request
        };
        assert_eq!(check(&adapted(1)), Ok(()));
        let nan = Sampling { temperature: f32::NAN, ..Sampling::default() };
        let refused = [
            with(vec![], Sampling::default()),
            with(vec![100], Sampling::default()),
            with(vec![u32::MAX], Sampling::default()),
            with(vec![1; 8], Sampling::default()),
            with(vec![1], nan),
            with(vec![1], biased(100)),
            telling,
            adapted(2),
            adapted(u32::MAX),
        ];
        for request in refused {
            assert!(check(&request).is_err(), "{request:?}");
        }
    }
}

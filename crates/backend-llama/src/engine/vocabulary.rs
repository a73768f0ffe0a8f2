//! Reading from a model what encoding needs of it.

use std::sync::Arc;

use backend::ModelSpec;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use llama_cpp_2::vocab::LlamaVocab;

use crate::answering::Answerer;
use crate::encoder::{Borders, Vocabulary};
use crate::output::Family;
use crate::specials::ControlTexts;
use crate::template::{ChatTemplate, Source};

/// What the model file says in `tokenizer.ggml.model` of SentencePiece vocabularies.
const SENTENCE_PIECE: &str = "llama";
/// The same of byte-pair vocabularies.
const BYTE_PAIRS: &str = "gpt2";

pub(super) fn vocabulary(model: LlamaModel, context_len: u32, spec: &ModelSpec) -> Vocabulary {
    let (name, chat_template) = (&spec.name, spec.chat_template.as_deref());
    let vocab = model.vocab();
    let known = |token: LlamaToken| (0..vocab.n_tokens()).contains(&token.0).then_some(token);
    let readable = |token| known(token).map(|token| String::from_utf8_lossy(&text(&vocab, token)).into_owned());
    let chat = chat_template.map(String::from).or_else(|| model.meta_val_str("tokenizer.chat_template").ok());
    // The file's own template for tools goes with the file's own.
    let tools = model.meta_val_str("tokenizer.chat_template.tool_use").ok().filter(|_| chat_template.is_none());
    let template = chat.as_deref().map(|chat| {
        let bos = readable(vocab.bos()).unwrap_or_default();
        let eos = readable(vocab.eos()).unwrap_or_default();
        ChatTemplate::compile(Source { chat, tools: tools.as_deref() }, bos, eos)
    });
    if let Some(Err(reason)) = &template {
        tracing::warn!(model = name, reason, "the chat template does not compile; chats will be refused");
    }
    let controls = vocab.tokens().filter(|&token| {
        // The tokenizer recognises these only where it is told to parse special tokens.
        vocab.attr(token).intersects(LlamaTokenAttr::Control | LlamaTokenAttr::Unknown)
    });
    let kind = model.meta_val_str("tokenizer.ggml.model").unwrap_or_default();
    let family = match (&template, tools.as_deref().or(chat.as_deref())) {
        (Some(Ok(template)), Some(source)) => Family::of(source, template.knows_tools()),
        _ => Family::default(),
    };
    let (controls, borders) = (ControlTexts::new(controls.map(|token| text(&vocab, token))), borders(&vocab));
    let token_bytes_max = token_bytes_max(&vocab, &kind);
    let bos = known(vocab.bos()).filter(|_| vocab.should_add_bos());
    let model = Arc::new(model);
    Vocabulary {
        answerer: Arc::new(Answerer::new(Arc::clone(&model), context_len, spec.adapters.len(), family)),
        template,
        controls,
        borders,
        token_bytes_max,
        bos,
        pairs: None,
        // SentencePiece takes text as it is.
        splits_words: !kind.is_empty() && kind != SENTENCE_PIECE,
        context_len,
        projector: None,
        saved_counts: Arc::default(),
        model,
        #[cfg(test)]
        n_calls: std::sync::atomic::AtomicUsize::default(),
    }
}

/// A token as it is shown.
fn text(vocab: &LlamaVocab<'_>, token: LlamaToken) -> Vec<u8> {
    vocab.token_to_piece(token, true, None)
}

/// A token as the tokenizer looks for it.
fn raw<'a>(vocab: &'a LlamaVocab<'_>, token: LlamaToken) -> &'a [u8] {
    vocab.text(token).map_or(&[], |text| text.to_bytes())
}

fn borders(vocab: &LlamaVocab<'_>) -> Borders {
    let special = LlamaTokenAttr::Control | LlamaTokenAttr::Unknown | LlamaTokenAttr::UserDefined;
    let specials = || vocab.tokens().filter(|&token| vocab.attr(token).intersects(special));
    // The two differ where a text holds a NUL or is escaped in the file; then what is looked for is not known for sure.
    if specials().any(|token| text(vocab, token) != raw(vocab, token)) {
        return Borders::default();
    }
    let strips_left = |token| vocab.attr(token).contains(LlamaTokenAttr::LStrip);
    Borders::new(specials().map(|token| (raw(vocab, token).to_vec(), strips_left(token))))
}

/// The most bytes of text that one token stands for, or `None` where some text may go without a token.
fn token_bytes_max(vocab: &LlamaVocab<'_>, kind: &str) -> Option<usize> {
    if vocab.tokens().any(|token| vocab.attr(token).intersects(LlamaTokenAttr::LStrip | LlamaTokenAttr::RStrip)) {
        return None;
    }
    let longest = match kind {
        // A blank may also be written as the three bytes that stand for it in the vocabulary.
        SENTENCE_PIECE => vocab.tokens().map(|token| raw(vocab, token).len()).max(),
        BYTE_PAIRS if has_all_bytes(vocab) => vocab.tokens().map(|token| text(vocab, token).len()).max(),
        // The others leave out blanks, merge them, or take a whole unknown word for one token.
        _ => None,
    };
    longest.filter(|&bytes| bytes > 0)
}

/// Whether every byte that UTF-8 uses is a token, so that nothing is dropped as unknown.
fn has_all_bytes(vocab: &LlamaVocab<'_>) -> bool {
    let mut missing = [true; 256];
    for token in vocab.tokens().filter(|&token| vocab.attr(token).contains(LlamaTokenAttr::Normal)) {
        if let [byte] = text(vocab, token)[..] {
            missing[usize::from(byte)] = false;
        }
    }
    (0..=0xf4_u8).filter(|byte| !matches!(byte, 0xc0 | 0xc1)).all(|byte| !missing[usize::from(byte)])
}

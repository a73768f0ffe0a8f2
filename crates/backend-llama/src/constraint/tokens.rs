//! A model's vocabulary, as the guard wants to see it.

use std::sync::Arc;

use backend::TokenId;
use llama_cpp_2::model::LlamaModel;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};

/// All tokens by their bytes. Control tokens are set apart, so that no text of a grammar is taken for one.
pub(super) fn environment(model: &LlamaModel) -> Result<TokEnv, String> {
    let vocab = model.vocab();
    let mut words = Vec::new();
    let mut ends: Vec<TokenId> = Vec::new();
    for token in vocab.tokens() {
        if vocab.is_eog(token) {
            ends.extend(TokenId::try_from(token.0));
        }
        let text = vocab.token_to_piece(token, false, None);
        words.push(if text.is_empty() { special(vocab.token_to_piece(token, true, None)) } else { text });
    }
    let n_vocab = TokenId::try_from(words.len()).map_err(|_| "the vocabulary is too large".to_string())?;
    let Some(&end) = ends.first() else {
        return Err("the model has no token that ends an answer, so none can be complete".to_string());
    };
    let trie = TokTrie::from(&TokRxInfo::new(n_vocab, end), &words).with_eos_tokens(&ends);
    Ok(Arc::new(ApproximateTokEnv::new(trie)))
}

fn special(text: Vec<u8>) -> Vec<u8> {
    if text.is_empty() { text } else { [&[TokTrie::SPECIAL_TOKEN_MARKER], text.as_slice()].concat() }
}

/// The control token of this text, where there is one.
pub(super) fn named(model: &LlamaModel, text: &str) -> Option<TokenId> {
    match model.vocab().tokenize(text.as_bytes(), false, true)[..] {
        [token] => TokenId::try_from(token.0).ok(),
        _ => None,
    }
}

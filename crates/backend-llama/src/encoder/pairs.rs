//! How a model that ranks is shown a query and a document: as one text, in the form that it was trained with.
//!
//! A file may have a template for it. Otherwise its tokenizer says which tokens stand before, between and behind the two, as
//! `[CLS] query [SEP] document [SEP]` in BERT. Both are text, whatever is written in them.

use backend::{Pair, PromptError};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use serde_json::Value;

use super::Vocabulary;
use crate::engine::CancelFlag;
use crate::specials::Piece;

/// Where the file has the template.
const TEMPLATE: &str = "tokenizer.chat_template.rerank";
/// What it replaces.
const QUERY: &str = "{query}";
const DOCUMENT: &str = "{document}";

/// How the two stand in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PairFormat {
    /// A text with places for both.
    Template(String),
    /// Tokens around both.
    Marks { begin: Vec<LlamaToken>, between: Vec<LlamaToken>, end: Vec<LlamaToken> },
}

impl PairFormat {
    /// That of a model that ranks.
    ///
    /// # Errors
    /// Its file does not say how.
    pub(crate) fn of(model: &LlamaModel) -> Result<Self, String> {
        if let Ok(template) = model.meta_val_str(TEMPLATE) {
            let has_both = template.contains(QUERY) && template.contains(DOCUMENT);
            let lacks = || format!("its {TEMPLATE} has no place for the {QUERY} or the {DOCUMENT}");
            return has_both.then_some(Self::Template(template)).ok_or_else(lacks);
        }
        let vocab = model.vocab();
        let known = |wanted: bool, token: LlamaToken| {
            let is_token = (0..vocab.n_tokens()).contains(&token.0);
            (wanted && is_token).then_some(token)
        };
        let (with_end, with_sep) = (vocab.should_add_eos(), vocab.should_add_sep());
        // BERT's tokenizer calls the end of a text its separator.
        let end = known(with_end, vocab.eos()).or_else(|| known(with_end, vocab.sep()));
        let sep = known(with_sep, vocab.sep());
        let between: Vec<_> = end.into_iter().chain(sep).collect();
        if between.is_empty() {
            return Err("its tokenizer has nothing that stands between a query and a document".to_string());
        }
        let begin = known(vocab.should_add_bos(), vocab.bos()).into_iter().collect();
        Ok(Self::Marks { begin, between, end: end.or(sep).into_iter().collect() })
    }
}

impl Vocabulary {
    /// The tokens of a pair. Those of a model that does not rank are refused.
    pub(super) fn pair(&self, pair: &Pair, cancelled: &CancelFlag) -> Result<Vec<LlamaToken>, PromptError> {
        let Pair { query, document } = pair;
        match &self.pairs {
            None => Err(PromptError::Template { reason: "it ranks no documents".to_string() }),
            Some(PairFormat::Marks { begin, between, end }) => {
                let query = self.tokenize(&[Piece::Literal(query)], cancelled)?;
                let document = self.tokenize(&[Piece::Literal(document)], cancelled)?;
                Ok([begin, &query, between, &document, end].into_iter().flatten().copied().collect())
            }
            Some(PairFormat::Template(template)) => {
                let (mut query, mut document) = (Value::from(&**query), Value::from(document.as_str()));
                let quoted = self.controls.quote(&mut [&mut query, &mut document]);
                let quoted = quoted.map_err(|error| PromptError::Template { reason: error.to_string() })?;
                let text = filled(template, query.as_str().unwrap_or_default(), document.as_str().unwrap_or_default());
                match quoted {
                    None => self.tokenize(&[Piece::Rendered(&text)], cancelled),
                    Some(quoted) => self.tokenize(&quoted.pieces(&text), cancelled),
                }
            }
        }
    }
}

/// The template with both in their places. What looks like a place in one of them is left as it is.
fn filled(template: &str, query: &str, document: &str) -> String {
    let mut out = String::with_capacity(template.len() + query.len() + document.len());
    let mut rest = template;
    let next = |rest: &str| [(QUERY, query), (DOCUMENT, document)].map(|(place, text)| (rest.find(place), place, text));
    while let Some((at, place, text)) =
        next(rest).into_iter().filter_map(|(at, place, text)| Some((at?, place, text))).min_by_key(|(at, ..)| *at)
    {
        out += &rest[..at];
        out += text;
        rest = &rest[at + place.len()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn each_stands_in_its_place_and_names_no_other() {
        let template = "<q>{query}</q><d>{document}</d> {query}";
        assert_eq!(filled(template, "a {document}", "b {query}"), "<q>a {document}</q><d>b {query}</d> a {document}");
        assert_eq!(filled("{document}{query}", "q", "d"), "dq");
        assert_eq!(filled("{quer", "q", "d"), "{quer");
    }
}

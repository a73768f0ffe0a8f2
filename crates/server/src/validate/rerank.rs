//! A request to rank documents.

use std::sync::Arc;

use backend::{Pair, Prompt};
use serving::Input;

use super::{BadRequest, model, read, unsupported};
use crate::limits::DOCUMENTS_MAX;
use crate::wire::rerank::{DocumentEntry, DocumentText, RerankRequest};

/// A request that can be run.
#[derive(Debug, PartialEq)]
pub(crate) struct Rerank {
    pub(crate) model: String,
    pub(crate) query: Arc<str>,
    /// At least one.
    pub(crate) documents: Vec<String>,
    /// Documents in the answer at most.
    pub(crate) top_n: usize,
    pub(crate) return_documents: bool,
}

/// Reads and checks a body.
pub(crate) fn rerank(body: &[u8]) -> Result<Rerank, BadRequest> {
    let request: RerankRequest = read::request(body, unsupported::RERANK)?;
    let top_n = match request.top_n.map(usize::try_from) {
        None => usize::MAX,
        Some(Ok(top_n)) if top_n >= 1 => top_n,
        Some(_) => return Err(BadRequest::field("top_n", "top_n must be an integer from 1 on")),
    };
    let model = model(request.model)?;
    let Some(query) = request.query.filter(|query| !query.is_empty()) else {
        return Err(BadRequest::field("query", "query is missing: give what the documents are to be ranked by"));
    };
    let text = |entry| match entry {
        DocumentEntry::Text(text) | DocumentEntry::Object(DocumentText { text }) => text,
    };
    let documents: Vec<String> = request.documents.unwrap_or_default().into_iter().map(text).collect();
    if documents.is_empty() {
        return Err(BadRequest::field("documents", "documents must have at least one text"));
    }
    if documents.len() > DOCUMENTS_MAX {
        let message = format!("documents has {} texts, and {DOCUMENTS_MAX} are the most", documents.len());
        return Err(BadRequest::field("documents", message));
    }
    let return_documents = request.return_documents.unwrap_or(false);
    Ok(Rerank { model, query: query.into(), documents, top_n, return_documents })
}

impl Rerank {
    /// What the model is given: a pair for each document. The documents stay where the answer is to have them.
    pub(crate) fn take_inputs(&mut self) -> Vec<Input> {
        let documents =
            if self.return_documents { self.documents.clone() } else { std::mem::take(&mut self.documents) };
        let pair = |document| Input::Prompt(Prompt::Pair(Pair { query: Arc::clone(&self.query), document }));
        documents.into_iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use backend::{Pair, Prompt};
    use serde_json::{Value, json};
    use serving::Input;

    use super::{Rerank, rerank};

    fn read(fields: &Value) -> Result<Rerank, (Option<String>, String)> {
        let mut body = json!({"model": "m", "query": "q", "documents": ["a"]});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        rerank(body.to_string().as_bytes()).map_err(|error| (error.param, error.message))
    }

    #[test]
    fn a_bad_field_is_refused_by_name() {
        let rows = [
            (json!({"model": null}), "model", "missing"),
            (json!({"query": null}), "query", "missing"),
            (json!({"query": ""}), "query", "missing"),
            (json!({"query": ["q"]}), "query", "a string"),
            (json!({"documents": null}), "documents", "at least one"),
            (json!({"documents": []}), "documents", "at least one"),
            (json!({"documents": "a"}), "documents", "a sequence"),
            (json!({"documents": ["a", 1]}), "documents[1]", "a string or an object with a text"),
            (json!({"documents": [{"title": "a"}]}), "documents[0]", "an object with a text"),
            (json!({"documents": vec!["a"; 1001]}), "documents", "1000 are the most"),
            (json!({"top_n": 0}), "top_n", "from 1"),
            (json!({"top_n": -1}), "top_n", "from 1"),
            (json!({"return_documents": "yes"}), "return_documents", "a boolean"),
            (json!({"rank_fields": ["title"]}), "rank_fields", "documents"),
            (json!({"texts": ["a"]}), "texts", "documents"),
            (json!({"max_tokens_per_doc": 100}), "max_tokens_per_doc", "whole"),
        ];
        for (fields, param, part) in rows {
            let (named, message) = read(&fields).expect_err("it is bad");
            assert_eq!(named.as_deref(), Some(param), "{fields}: {message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn documents_are_texts_by_themselves_or_in_objects() {
        let pair = |document: &str| Input::Prompt(Prompt::Pair(Pair { query: "q".into(), document: document.into() }));
        for kept in [false, true] {
            let fields = json!({"documents": ["a", {"text": "", "title": "x"}], "top_n": 9, "return_documents": kept});
            let mut taken = read(&fields).expect("good");
            assert_eq!((taken.top_n, taken.return_documents), (9, kept));
            assert_eq!(taken.take_inputs(), [pair("a"), pair("")]);
            assert_eq!(taken.documents, if kept { vec!["a", ""] } else { vec![] });
        }
        assert_eq!(read(&json!({"rank_fields": null})).expect("it asks for nothing").top_n, usize::MAX);
    }
}

//! `GET /`: what there is.

/// A list for people.
pub(crate) async fn show() -> &'static str {
    "Edison serves local language models, each entered by one request at a time.\n\
     \n\
     POST /v1/chat/completions   chat, as in the OpenAI API\n\
     POST /v1/completions        a text that is continued, as in the OpenAI API\n\
     POST /v1/embeddings         embeddings, as in the OpenAI API\n\
     POST /v1/rerank             documents by how well they answer a query, as Cohere, Jina and llama-server have it\n\
     POST /v1/responses          answers of which nothing is kept, as in the OpenAI API\n\
     POST /v1/messages           conversations, as in the Anthropic API; also /v1/messages/count_tokens\n\
     POST /tokenize              as in llama-server; also /detokenize, /apply-template, /completion, /props, /slots, /lora-adapters\n\
     POST /chat                  EDISON's own protocol; also /chat/stream, /chat/cancel, /generate-title\n\
     POST /models/unload         lets a model go, once its lanes are home; /models/load brings it back\n\
     GET  /v1/models             models and tiers that can be asked for\n\
     GET  /docs                  what is taken and given, in full; /openapi.json for programs\n\
     GET  /locks                 who holds each model, who waits, who held it before\n\
     GET  /metrics               queues, waits, holds and tokens, for Prometheus\n\
     GET  /ready                 200 when every model can be used\n\
     GET  /health                200 while the process is up\n"
}

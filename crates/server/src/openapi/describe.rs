//! Every operation, and the types in it.

use utoipa::openapi::path::{ParameterIn, PathsBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Schema};

use super::edison::{
    EdisonAnswer, EdisonCancel, EdisonCancelled, EdisonChat, EdisonEvent, EdisonLoaded, EdisonModelName, EdisonModels,
    EdisonStatus, EdisonTitle, EdisonTitleRequest,
};
use super::operation::{Operation, Style, of_type, parameter};
use super::types::Types;
use crate::machine::Stats;
use crate::routes::health::{Health, Readiness};
use crate::routes::locks::Locks;
use crate::wire::chunk::ChatChunk;
use crate::wire::completions::{Completion, CompletionRequest};
use crate::wire::embeddings::{EmbeddingList, EmbeddingsRequest};
use crate::wire::error::ErrorEnvelope;
use crate::wire::generation::GenerationFields;
use crate::wire::llama::{LlamaCompletion, LlamaPiece, LlamaRequest, LlamaTimings, LoraAdapter, Props, Slot};
use crate::wire::messages::request::MessagesRequest;
use crate::wire::messages::response::{MessageAnswer, MessageEvent, MessagesError, TokenCount};
use crate::wire::models::{ModelList, ModelObject};
use crate::wire::request::ChatRequest;
use crate::wire::rerank::{Ranking, RerankRequest};
use crate::wire::response::ChatCompletion;
use crate::wire::responses::event::Numbered;
use crate::wire::responses::request::ResponsesRequest;
use crate::wire::responses::response::ResponseObject;
use crate::wire::tokens::{DetokenizeRequest, Detokenized, Rendered, TemplateRequest, TokenizeRequest, Tokenized};

const JSON: &str = "application/json";

const OPEN_METRICS: &str = "application/openmetrics-text";

/// What can go wrong with whatever waits for a lane.
const WAITING: &[&str] = &["400", "404", "408", "413", "429", "500", "503"];

/// What can go wrong with what needs an encoder, and no lane.
const LOOKING: &[&str] = &["400", "404", "408", "413", "500", "503"];

/// Describes everything.
pub(super) fn description() -> OpenApi {
    let types = Types::default();
    let families = [openai, anthropic, llama, tokens, edison, models, state];
    let operations = families.into_iter().flat_map(|family| family(&types));
    let paths = operations.fold(PathsBuilder::new(), |paths, operation| {
        let (path, item) = operation.write(&types);
        paths.path(path, item)
    });
    let info = InfoBuilder::new()
        .title("Edison")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Serves local language models, each entered by one request at a time, in order."))
        .build();
    let says = "one of the keys of the configuration, if it has any; without keys nobody needs one";
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(says)).build();
    let header =
        ApiKey::Header(ApiKeyValue::with_description("x-api-key", "the same, as the Anthropic protocol has it"));
    let components = ComponentsBuilder::new()
        .schemas_from_iter(types.into_schemas())
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme("x-api-key", SecurityScheme::ApiKey(header))
        .build();
    // The first of them is for a server without keys.
    let no_scopes = Vec::<String>::new;
    let any = [
        SecurityRequirement::default(),
        SecurityRequirement::new("bearer", no_scopes()),
        SecurityRequirement::new("x-api-key", no_scopes()),
    ];
    OpenApiBuilder::new().security(Some(any)).info(info).paths(paths.build()).components(Some(components)).build()
}

/// All at once, and these fields must be there, which are of a type that can do without them elsewhere.
fn with(required: &[&str], schemas: impl IntoIterator<Item = RefOr<Schema>>) -> Option<RefOr<Schema>> {
    let needs = required.iter().fold(ObjectBuilder::new(), |object, field| object.required(*field));
    let all = schemas.into_iter().fold(AllOfBuilder::new(), |all, schema| all.item(schema));
    Some(if required.is_empty() { all } else { all.item(needs) }.into())
}

/// An answer, or a piece of one, that may tell where the time went.
fn timed(types: &Types, answer: RefOr<Schema>) -> RefOr<Schema> {
    let timings = ObjectBuilder::new().property("timings", types.of::<LlamaTimings>());
    AllOfBuilder::new().item(answer).item(timings).into()
}

/// One of them.
fn either(schemas: impl IntoIterator<Item = RefOr<Schema>>) -> Option<RefOr<Schema>> {
    let ways = schemas.into_iter().fold(OneOfBuilder::new(), |ways, schema| ways.item(schema));
    Some(ways.into())
}

fn openai(types: &Types) -> Vec<Operation> {
    let waits = || Operation { errors: WAITING, hints: true, ..Operation::default() };
    let error = || types.of::<ErrorEnvelope>();
    let ranks = |path, summary| Operation {
        path,
        summary,
        body: Some(types.of::<RerankRequest>()),
        answer: Some((JSON, types.of::<Ranking<'_>>())),
        ..waits()
    };
    vec![
        Operation {
            path: "/v1/chat/completions",
            summary: "Answers a conversation",
            body: with(&["model"], [types.of::<GenerationFields>(), types.of::<ChatRequest>()]),
            answer: Some((JSON, timed(types, types.of::<ChatCompletion<'_>>()))),
            events: either([timed(types, types.of::<ChatChunk<'_>>()), error()]),
            ..waits()
        },
        Operation {
            path: "/v1/completions",
            summary: "Continues texts",
            body: with(&["model"], [types.of::<GenerationFields>(), types.of::<CompletionRequest>()]),
            answer: Some((JSON, timed(types, types.of::<Completion<'_>>()))),
            events: either([timed(types, types.of::<Completion<'_>>()), error()]),
            ..waits()
        },
        Operation {
            path: "/v1/responses",
            summary: "Answers, and keeps nothing of it",
            body: Some(types.of::<ResponsesRequest>()),
            answer: Some((JSON, types.of::<ResponseObject<'_>>())),
            events: Some(types.of::<Numbered<'_>>()),
            ..waits()
        },
        Operation {
            path: "/v1/embeddings",
            summary: "Computes what texts mean, as vectors",
            body: Some(types.of::<EmbeddingsRequest>()),
            answer: Some((JSON, types.of::<EmbeddingList<'_>>())),
            ..waits()
        },
        ranks("/v1/rerank", "Ranks documents by how well they answer a query"),
        ranks("/rerank", "The same, under llama-server's name"),
        ranks("/reranking", "The same, under llama-server's other name"),
    ]
}

fn anthropic(types: &Types) -> Vec<Operation> {
    let speaks = || Operation { style: Style::Anthropic, ..Operation::default() };
    vec![
        Operation {
            path: "/v1/messages",
            summary: "Answers a conversation, in the Anthropic protocol",
            body: with(&["max_tokens"], [types.of::<MessagesRequest>()]),
            answer: Some((JSON, types.of::<MessageAnswer<'_>>())),
            events: either([types.of::<MessageEvent<'_>>(), types.of::<MessagesError>()]),
            errors: WAITING,
            hints: true,
            ..speaks()
        },
        Operation {
            path: "/v1/messages/count_tokens",
            summary: "Counts the tokens of a conversation",
            body: Some(types.of::<MessagesRequest>()),
            answer: Some((JSON, types.of::<TokenCount>())),
            errors: LOOKING,
            ..speaks()
        },
    ]
}

fn llama(types: &Types) -> Vec<Operation> {
    let says = "any name of a model; the first one of the configuration where it is left out";
    let which = || vec![parameter("model", ParameterIn::Query, says, of_type(Type::String))];
    let shows = || Operation { parameters: which(), errors: &["400", "404", "503"], ..Operation::default() };
    let pieces = [types.of::<LlamaCompletion<'_>>(), types.of::<LlamaPiece<'_>>(), types.of::<ErrorEnvelope>()];
    vec![
        Operation {
            path: "/completion",
            summary: "Continues a text, as llama-server does",
            body: with(&[], [types.of::<GenerationFields>(), types.of::<LlamaRequest>()]),
            answer: Some((JSON, types.of::<LlamaCompletion<'_>>())),
            events: either(pieces),
            errors: WAITING,
            hints: true,
            ..Operation::default()
        },
        Operation {
            path: "/props",
            summary: "Shows what takes effect where a request does not say",
            answer: Some((JSON, types.of::<Props>())),
            ..shows()
        },
        Operation {
            path: "/slots",
            summary: "Shows the lanes of a model",
            answer: Some((JSON, ArrayBuilder::new().items(types.of::<Slot>()).into())),
            ..shows()
        },
        Operation {
            path: "/lora-adapters",
            summary: "Shows the adapters of a model",
            answer: Some((JSON, ArrayBuilder::new().items(types.of::<LoraAdapter>()).into())),
            errors: &["400", "404"],
            ..shows()
        },
    ]
}

fn tokens(types: &Types) -> Vec<Operation> {
    let looks = |path, summary, body, answer| Operation {
        path,
        summary,
        body: Some(body),
        answer: Some((JSON, answer)),
        errors: LOOKING,
        ..Operation::default()
    };
    let (tokenize, tokenized) = (types.of::<TokenizeRequest>(), types.of::<Tokenized>());
    let (detokenize, detokenized) = (types.of::<DetokenizeRequest>(), types.of::<Detokenized>());
    let (template, rendered) = (types.of::<TemplateRequest>(), types.of::<Rendered>());
    vec![
        looks("/tokenize", "Tells the tokens of a text", tokenize, tokenized),
        looks("/detokenize", "Tells the text of tokens", detokenize, detokenized),
        looks("/apply-template", "Tells what a model's template makes of a conversation", template, rendered),
    ]
}

fn edison(types: &Types) -> Vec<Operation> {
    let speaks = |path, summary| Operation { path, summary, style: Style::Edison, ..Operation::default() };
    let chatting = &["400", "404", "408", "409", "413", "422", "500", "503"];
    let loading = &["400", "404", "408", "413", "422", "500", "503"];
    let brief = &["400", "408", "413", "422", "503"];
    vec![
        Operation {
            body: Some(types.of::<EdisonChat>()),
            answer: Some((JSON, types.of::<EdisonAnswer>())),
            errors: chatting,
            hints: true,
            ..speaks("/chat", "Answers a message, with the model that suits it")
        },
        Operation {
            body: Some(types.of::<EdisonChat>()),
            events: Some(types.of::<EdisonEvent>()),
            errors: chatting,
            hints: true,
            ..speaks("/chat/stream", "Answers a message piece by piece")
        },
        Operation {
            body: Some(types.of::<EdisonCancel>()),
            answer: Some((JSON, types.of::<EdisonCancelled>())),
            errors: brief,
            ..speaks("/chat/cancel", "Ends a chat, in whatever phase it is")
        },
        Operation {
            body: Some(types.of::<EdisonTitleRequest>()),
            answer: Some((JSON, types.of::<EdisonTitle>())),
            errors: brief,
            ..speaks("/generate-title", "Gives a conversation a title, when nothing else waits for the model")
        },
        Operation {
            answer: Some((JSON, types.of::<Stats>())),
            ..speaks("/system/stats", "Shows how busy the machine is")
        },
        Operation {
            body: Some(types.of::<EdisonModelName>()),
            answer: Some((JSON, types.of::<EdisonLoaded>())),
            errors: loading,
            ..speaks("/models/load", "Brings a model back, and answers when it is loaded")
        },
        Operation {
            body: Some(types.of::<EdisonModelName>()),
            answer: Some((JSON, types.of::<EdisonLoaded>())),
            errors: loading,
            ..speaks("/models/unload", "Lets a model go, once its lanes are home; whoever asks for it brings it back")
        },
        Operation { answer: Some((JSON, types.of::<EdisonModels>())), ..speaks("/models/list", "Shows the models") },
        Operation {
            answer: Some((JSON, types.of::<EdisonStatus>())),
            ..speaks("/models/status", "Shows what each tier is")
        },
    ]
}

fn models(types: &Types) -> Vec<Operation> {
    vec![
        Operation {
            path: "/v1/models",
            summary: "Lists the models and tiers that can be asked for",
            answer: Some((JSON, types.of::<ModelList>())),
            ..Operation::default()
        },
        Operation {
            path: "/v1/models/{id}",
            summary: "Shows one of them",
            parameters: vec![parameter("id", ParameterIn::Path, "any name of a model", of_type(Type::String))],
            answer: Some((JSON, types.of::<ModelObject>())),
            errors: &["400", "404"],
            ..Operation::default()
        },
    ]
}

fn state(types: &Types) -> Vec<Operation> {
    let shows = |path, summary, media, schema| Operation {
        path,
        summary,
        answer: Some((media, schema)),
        ..Operation::default()
    };
    let locks = "Shows who holds each model, who waits, and who held it before";
    let ready = shows("/ready", "Tells whether every model can be used", JSON, types.of::<Readiness>());
    vec![
        shows("/locks", locks, JSON, types.of::<Locks>()),
        shows("/health", "Answers while the process is up", JSON, types.of::<Health>()),
        Operation { says_not_ready: true, ..ready },
        shows("/metrics", "Counts and times, as Prometheus reads them", OPEN_METRICS, of_type(Type::String)),
        shows("/", "Lists what there is, for people", "text/plain", of_type(Type::String)),
        shows("/docs", "Shows this description, for people", "text/html", of_type(Type::String)),
        shows("/openapi.json", "Is this description", JSON, of_type(Type::Object)),
    ]
}

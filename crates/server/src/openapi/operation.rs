//! Operations as OpenAPI writes them.

use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, ContentBuilder, RefOr, Required, Response, ResponseBuilder, Schema};

use super::edison::EdisonError;
use super::types::Types;
use crate::limits::KEEP_ALIVE_MIN;
use crate::wire::error::ErrorEnvelope;
use crate::wire::messages::response::MessagesError;

/// How the errors of an operation are written.
#[derive(Clone, Copy, Default)]
pub(super) enum Style {
    #[default]
    OpenAi,
    Anthropic,
    Edison,
}

impl Style {
    fn error(self, types: &Types) -> RefOr<Schema> {
        match self {
            Self::OpenAi => types.of::<ErrorEnvelope>(),
            Self::Anthropic => types.of::<MessagesError>(),
            Self::Edison => types.of::<EdisonError>(),
        }
    }
}

/// One operation.
#[derive(Default)]
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: Vec<Parameter>,
    /// What is sent. With one it is a POST, without a GET.
    pub(super) body: Option<RefOr<Schema>>,
    /// What comes back in one piece, with its media type.
    pub(super) answer: Option<(&'static str, RefOr<Schema>)>,
    /// What each event tells, where the answer can come, or comes, as events.
    pub(super) events: Option<RefOr<Schema>>,
    pub(super) errors: &'static [&'static str],
    pub(super) style: Style,
    /// Whether it can be told how to wait.
    pub(super) hints: bool,
    /// Whether the same answer also comes with 503.
    pub(super) says_not_ready: bool,
}

impl Operation {
    /// As OpenAPI writes it, under its path.
    pub(super) fn write(self, types: &Types) -> (&'static str, PathItem) {
        let (name, method) = if self.body.is_some() { ("post", HttpMethod::Post) } else { ("get", HttpMethod::Get) };
        let mut builder = OperationBuilder::new()
            .summary(Some(self.summary))
            .operation_id(Some(operation_id(name, self.path)))
            .response("200", self.good());
        if let (true, Some((media, answer))) = (self.says_not_ready, self.answer) {
            let says = "some model cannot be used, or the server is going down";
            builder = builder.response("503", response(says).content(media, of(answer)).build());
        }
        if let Some(body) = self.body {
            let body = RequestBodyBuilder::new().content("application/json", of(body)).required(Some(Required::True));
            builder = builder.request_body(Some(body.build()));
        }
        let hints = if self.hints { waiting() } else { Vec::new() };
        let parameters: Vec<_> = self.parameters.into_iter().chain(hints).collect();
        if !parameters.is_empty() {
            builder = builder.parameters(Some(parameters));
        }
        let strangers: &[&str] = match name {
            // Only what makes a model work is kept from the pages of others.
            "post" => &["401", "403"],
            // A watcher over the process has no key.
            _ if self.path == "/health" => &[],
            _ => &["401"],
        };
        for &status in strangers.iter().chain(self.errors) {
            builder = builder.response(status, failure(status, self.style.error(types)));
        }
        (self.path, PathItem::new(method, builder))
    }

    fn good(&self) -> Response {
        let mut good = response(self.summary);
        if let Some((media, answer)) = &self.answer {
            good = good.content(*media, of(answer.clone()));
        }
        if let Some(events) = &self.events {
            good = good.content("text/event-stream", stream_of(events));
        }
        // What only streams has no more to tell in its headers than its id.
        if self.hints && self.answer.is_some() {
            good = good
                .header("x-edison-ticket", header(Type::Integer, "the number of the lease under which it was answered"))
                .header("x-edison-wait-ms", header(Type::Integer, "how long it waited for its lane"))
                .header("x-edison-model", header(Type::String, "the model that answered"))
                .header("server-timing", header(Type::String, "where the time went: load, wait, prefill, decode"));
        }
        good.build()
    }
}

/// How a client can say how it wants to wait.
fn waiting() -> Vec<Parameter> {
    let classes = ["interactive", "normal", "background"];
    let class: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(classes)).into();
    let millis = |min: u64| ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(min)).into();
    let least = u64::try_from(KEEP_ALIVE_MIN.as_millis()).unwrap_or(u64::MAX);
    let header = |name, says, schema| parameter(name, ParameterIn::Header, says, schema);
    vec![
        header(
            "x-edison-class",
            "who goes first; `normal` by default, in EDISON's protocol as suits the path. Also `x-priority`",
            class,
        ),
        header(
            "x-edison-queue-timeout-ms",
            "how long to wait for a lane at most; never longer than the server allows. Each of several choices (`n`) waits \
             for its own. Also `x-queue-timeout-ms`",
            millis(0),
        ),
        header(
            "x-edison-keep-alive-ms",
            "how long a stream may say nothing before a comment tells where the request is",
            millis(least),
        ),
    ]
}

/// A parameter. Only those of the path must be there.
pub(super) fn parameter(name: &str, place: ParameterIn, says: &str, schema: RefOr<Schema>) -> Parameter {
    let is_path = matches!(place, ParameterIn::Path);
    let required = if is_path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(says))
        .schema(Some(schema))
        .build()
}

/// Any value of this type.
pub(super) fn of_type(of: Type) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(of).into()
}

fn failure(status: &str, error: RefOr<Schema>) -> Response {
    let says = match status {
        "400" => "something in the request is wrong; the error names the field",
        "401" => "the server has keys, and none of them came along",
        "403" => "a page of an origin that was not named",
        "404" => "there is no such model",
        "408" => "the body did not arrive in time, or the answer was not read",
        "409" => "the chat was cancelled",
        "413" => "the body is too large",
        "422" => "the body has not the right form; the error lists the fields",
        "429" => "the queue is full",
        "503" => "the model, or the server, cannot take the request now",
        _ => "the engine failed",
    };
    let mut response = response(says).content("application/json", of(error));
    if matches!(status, "429" | "503") {
        let says = "seconds after which to ask again, where that may help";
        response = response.header("retry-after", header(Type::Integer, says));
    }
    response.build()
}

/// Every answer has an id.
fn response(says: &str) -> ResponseBuilder {
    let id = header(Type::String, "the request's own, or one that was made for it");
    ResponseBuilder::new().description(says).header("x-request-id", id)
}

fn header(kind: Type, says: &str) -> Header {
    HeaderBuilder::new().schema(of_type(kind)).description(Some(says)).build()
}

fn of(schema: RefOr<Schema>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// OpenAPI 3.1 has no word for what stands in the events of a stream, so that an extension says it. There is no schema beside
/// it: some readers take it for one of the body, and others for one of each event.
fn stream_of(event: &RefOr<Schema>) -> Content {
    let extensions = ExtensionsBuilder::new().add("x-event-data", json!(event)).build();
    ContentBuilder::new().extensions(Some(extensions)).build()
}

/// `post_v1_chat_completions`.
fn operation_id(method: &str, path: &str) -> String {
    let parts = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.fold(method.to_owned(), |id, part| format!("{id}_{part}"))
}

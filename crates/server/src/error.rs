//! What goes wrong, and how each of it is answered. The only place where status codes are chosen.

#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use backend::PromptError;
use http::header::{CONTENT_LENGTH, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serving::{Failure, Feature, Refusal};

use crate::echo;
use crate::validate::BadRequest;
use crate::wire::error::{Detail, ErrorEnvelope, ErrorObject};
use crate::wire::messages::response::{MessagesError, MessagesErrorObject};

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request says something wrong.
    Invalid(BadRequest),
    /// Fields of a body of EDISON's protocol are wrong: the list that its clients read.
    Fields(serde_json::Value),
    /// There are pictures, and no tier to look at them.
    NoVision,
    /// Somebody cancelled the chat by its id.
    Cancelled,
    /// The body is larger than the limit, in bytes.
    BodyTooLarge(usize),
    /// The body did not arrive in time.
    BodyTimeout(Duration),
    /// The bodies of others take all the memory that bodies may take.
    Busy,
    /// The body broke off.
    BodyBroken(String),
    /// Nothing is served under this path.
    UnknownPath(String),
    /// The path is no text.
    BadPath(String),
    /// The path exists, and the method does not.
    MethodNotAllowed,
    /// The server has keys, and this is none of them, or there is none.
    Unauthorized { has_key: bool },
    /// A web page of an origin that was not named wants to make work.
    ForeignOrigin,
    /// The request came without TLS, where TLS is spoken.
    OnlyOverTls,
    /// All connections are taken; this one serves only what needs no model.
    Crowded,
    /// The service refused.
    Refused(Refusal),
    /// The service refused a request whose fields are not called as those of a chat.
    RefusedAs(Refusal, Fields),
    /// Nothing can be told of this model before it is loaded.
    Loading(String),
    /// The answer broke off.
    Failed(Failure),
}

/// What the fields of a request are called, so that an error names the one to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields {
    /// What the model is given.
    pub(crate) prompt: &'static str,
    /// What the answer must look like.
    pub(crate) constraint: &'static str,
    /// What an engine most likely means that objects to what is asked besides.
    pub(crate) options: Option<&'static str>,
}

impl Fields {
    /// Those of a chat.
    pub(crate) const CHAT: Self = Self { prompt: "messages", constraint: "response_format", options: None };

    /// The field that asks for this.
    fn of(self, feature: Feature) -> &'static str {
        match feature {
            Feature::Tools => "tools",
            Feature::Constraints => self.constraint,
            Feature::Logprobs => "logprobs",
            Feature::Generation | Feature::Embeddings | Feature::AdaptedEmbeddings | Feature::Rerank => "model",
            Feature::Vision => self.prompt,
        }
    }
}

/// The status, the code, and the field to change: the one mapping.
fn classify(error: &ApiError) -> (StatusCode, &'static str, Option<&str>) {
    use StatusCode as S;
    match error {
        ApiError::Invalid(bad) => (S::BAD_REQUEST, "invalid_request_error", bad.param.as_deref()),
        ApiError::Fields(_) => (S::UNPROCESSABLE_ENTITY, "invalid_request_error", None),
        ApiError::NoVision => (S::SERVICE_UNAVAILABLE, "model_unavailable", Some("images")),
        ApiError::Cancelled => (S::CONFLICT, "cancelled", None),
        ApiError::BodyBroken(_) | ApiError::BadPath(_) => (S::BAD_REQUEST, "invalid_request_error", None),
        ApiError::BodyTimeout(_) => (S::REQUEST_TIMEOUT, "body_timeout", None),
        ApiError::BodyTooLarge(_) => (S::PAYLOAD_TOO_LARGE, "body_too_large", None),
        ApiError::UnknownPath(_) => (S::NOT_FOUND, "unknown_path", None),
        ApiError::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed", None),
        ApiError::Unauthorized { .. } => (S::UNAUTHORIZED, "invalid_api_key", None),
        ApiError::ForeignOrigin => (S::FORBIDDEN, "origin_not_allowed", None),
        ApiError::OnlyOverTls => (S::BAD_REQUEST, "tls_required", None),
        ApiError::Busy => (S::SERVICE_UNAVAILABLE, "server_busy", None),
        ApiError::Crowded => (S::SERVICE_UNAVAILABLE, "too_many_connections", None),
        ApiError::Loading(_) => (S::SERVICE_UNAVAILABLE, "model_loading", Some("model")),
        ApiError::Failed(Failure::Backend { .. }) => (S::INTERNAL_SERVER_ERROR, "backend_error", None),
        ApiError::Failed(Failure::ShuttingDown) => (S::SERVICE_UNAVAILABLE, "shutting_down", None),
        ApiError::Failed(Failure::Stalled(_)) => (S::REQUEST_TIMEOUT, "client_stalled", None),
        ApiError::Refused(refusal) => classify_refusal(refusal, Fields::CHAT),
        ApiError::RefusedAs(refusal, fields) => classify_refusal(refusal, *fields),
    }
}

fn classify_refusal(refusal: &Refusal, fields: Fields) -> (StatusCode, &'static str, Option<&'static str>) {
    use StatusCode as S;
    match refusal {
        Refusal::UnknownModel { .. } | Refusal::UnknownAdapter { .. } => {
            (S::NOT_FOUND, "model_not_found", Some("model"))
        }
        Refusal::NoAdapterNumber { .. } | Refusal::TwoAdapters { .. } => {
            (S::BAD_REQUEST, "invalid_request_error", Some("lora"))
        }
        Refusal::QueueFull { .. } => (S::TOO_MANY_REQUESTS, "queue_full", None),
        Refusal::QueueTimeout { .. } => (S::SERVICE_UNAVAILABLE, "queue_timeout", None),
        Refusal::Prompt(PromptError::TooLong { .. }) => {
            (S::BAD_REQUEST, "context_length_exceeded", Some(fields.prompt))
        }
        // The engine could not be asked; the prompt may be fine.
        Refusal::Prompt(PromptError::Failed { .. }) => (S::INTERNAL_SERVER_ERROR, "backend_error", None),
        Refusal::Prompt(PromptError::Options { .. }) => (S::BAD_REQUEST, "invalid_request_error", fields.options),
        Refusal::Prompt(_) => (S::BAD_REQUEST, "invalid_request_error", Some(fields.prompt)),
        Refusal::Input { error, .. } => classify_refusal(&Refusal::Prompt(error.clone()), fields),
        Refusal::Unsupported { feature, .. } => (S::BAD_REQUEST, "invalid_request_error", Some(fields.of(*feature))),
        Refusal::ModelUnavailable { .. } => (S::SERVICE_UNAVAILABLE, "model_unavailable", Some("model")),
        Refusal::Backend { .. } => (S::INTERNAL_SERVER_ERROR, "backend_error", None),
        Refusal::ShuttingDown => (S::SERVICE_UNAVAILABLE, "shutting_down", None),
        // A kind that is younger than this function.
        _ => (S::INTERNAL_SERVER_ERROR, "backend_error", None),
    }
}

/// What the client reads. What an engine reported stays in the log: it may name files.
pub(crate) fn message(error: &ApiError) -> String {
    match error {
        ApiError::Invalid(bad) => bad.message.clone(),
        ApiError::Fields(problems) => problems.to_string(),
        ApiError::NoVision => "Vision model not loaded. Configure a model for the tier vision.".into(),
        ApiError::Cancelled => "the chat was cancelled".into(),
        ApiError::BodyBroken(reason) => format!("the body could not be read: {}", echo::sentence(reason)),
        ApiError::BodyTimeout(limit) => format!("the body did not arrive within {limit:?}; send it faster"),
        ApiError::BodyTooLarge(max) => format!("the body has more than {max} bytes; send less"),
        ApiError::UnknownPath(path) => format!("there is nothing at {}; GET / lists what there is", echo::value(path)),
        ApiError::BadPath(reason) => format!("the path could not be read: {}", echo::sentence(reason)),
        ApiError::MethodNotAllowed => "this path takes another method; the Allow header says which".into(),
        ApiError::Unauthorized { has_key: true } => "the API key is not one that this server knows".into(),
        ApiError::Unauthorized { has_key: false } => {
            "an API key is needed; send it as \"Authorization: Bearer KEY\" or as \"x-api-key: KEY\"".into()
        }
        ApiError::ForeignOrigin => {
            "web pages of this origin may not use the server; name it in server.cors_origins of the configuration"
                .into()
        }
        ApiError::OnlyOverTls => "this address speaks TLS; ask it with https://".into(),
        ApiError::Busy => "too many requests are being read; ask again after the time in the Retry-After header".into(),
        ApiError::Crowded => "all connections are in use; ask again later".into(),
        ApiError::Loading(model) => format!("model \"{model}\" is being loaded; ask again later"),
        ApiError::Failed(Failure::Stalled(limit)) => format!("the answer was not read for {limit:?}, so it was ended"),
        ApiError::Failed(Failure::ShuttingDown) => message_of(&Refusal::ShuttingDown, Fields::CHAT),
        ApiError::Failed(Failure::Backend { .. }) => ENGINE_FAILED.into(),
        ApiError::Refused(refusal) => message_of(refusal, Fields::CHAT),
        ApiError::RefusedAs(refusal, fields) => message_of(refusal, *fields),
    }
}

const ENGINE_FAILED: &str = "the engine failed; only this request is affected, and asking again may help";

fn message_of(refusal: &Refusal, fields: Fields) -> String {
    match refusal {
        Refusal::ShuttingDown => "the server is shutting down; ask again when it is back".into(),
        Refusal::ModelUnavailable { model, retry_after, .. } => {
            let again = if retry_after.is_some() { "ask again after the time in the Retry-After header; " } else { "" };
            format!("model \"{model}\" is not available; {again}the server's log says why")
        }
        Refusal::QueueFull { .. } | Refusal::QueueTimeout { .. } => {
            format!("{refusal}; ask again after the time in the Retry-After header")
        }
        Refusal::Prompt(PromptError::TooLong { .. }) => format!("{refusal}; shorten the {}", fields.prompt),
        Refusal::Prompt(prompt) if !matches!(prompt, PromptError::Failed { .. }) => {
            echo::sentence(&prompt.to_string()).into()
        }
        Refusal::Input { index, error } => {
            format!("{}[{index}]: {}", fields.prompt, message_of(&Refusal::Prompt(error.clone()), fields))
        }
        Refusal::UnknownModel { .. }
        | Refusal::UnknownAdapter { .. }
        | Refusal::NoAdapterNumber { .. }
        | Refusal::TwoAdapters { .. }
        | Refusal::Unsupported { .. } => refusal.to_string(),
        _ => ENGINE_FAILED.into(),
    }
}

/// Whole seconds after which asking again may help: rounded up, so that nobody comes back too early, and 1
/// where nothing was measured yet.
fn retry_seconds(error: &ApiError) -> Option<u64> {
    let after = match error {
        ApiError::Refused(refusal) | ApiError::RefusedAs(refusal, _) => match refusal {
            Refusal::QueueFull { retry_after, .. } | Refusal::QueueTimeout { retry_after, .. } => {
                retry_after.unwrap_or_default()
            }
            Refusal::ModelUnavailable { retry_after, .. } => (*retry_after)?,
            _ => return None,
        },
        ApiError::Busy | ApiError::Crowded | ApiError::Loading(_) => Duration::ZERO,
        _ => return None,
    };
    Some((after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1))
}

/// What the headers of the answer say about it.
fn headers(error: &ApiError) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(seconds) = retry_seconds(error) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if matches!(error, ApiError::Unauthorized { .. }) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    headers
}

/// The protocol's name for whose fault it is.
fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

impl ApiError {
    /// The refusal of a request whose fields have these names.
    pub(crate) fn refused(refusal: Refusal, fields: Fields) -> Self {
        Self::RefusedAs(shortened(refusal), fields)
    }

    /// What the client reads.
    pub(crate) fn message(&self) -> String {
        message(self)
    }

    /// The error object, where a status can no longer be sent.
    pub(crate) fn object(&self) -> ErrorEnvelope {
        let (status, code, param) = classify(self);
        let param = param.map(str::to_owned);
        ErrorEnvelope { error: ErrorObject { message: message(self), kind: kind(status), param, code } }
    }

    /// The answer under the server's own paths.
    pub(crate) fn into_detail(self) -> Response {
        let status = match classify(&self).0 {
            // EDISON's node shows its user the words of a 503; those of a 429 it does not read.
            StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
            status => status,
        };
        let headers = headers(&self);
        let mut response = match self {
            Self::Fields(problems) => (status, Json(serde_json::json!({"detail": problems}))).into_response(),
            error => (status, Json(Detail { detail: message(&error) })).into_response(),
        };
        response.headers_mut().extend(headers);
        response
    }
}

/// The answer under `/v1`.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, param) = classify(&self);
        tracing::info!(status = status.as_u16(), code, param, reason = message(&self), "refused");
        let mut response = (status, Json(self.object())).into_response();
        response.headers_mut().extend(headers(&self));
        response
    }
}

/// What the Anthropic protocol calls an error of this status.
pub(crate) fn messages_kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
        status if status.is_server_error() => "api_error",
        _ => "invalid_request_error",
    }
}

/// The answer under `/v1/messages`: the same status and words in the error object of the Anthropic protocol.
pub(crate) struct MessagesStyle(pub(crate) ApiError);

impl MessagesStyle {
    /// The error object.
    pub(crate) fn object(error: &ApiError) -> MessagesError {
        let kind = messages_kind(classify(error).0);
        MessagesError { kind: "error", error: MessagesErrorObject { kind, message: message(error) } }
    }
}

impl<E: Into<ApiError>> From<E> for MessagesStyle {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for MessagesStyle {
    fn into_response(self) -> Response {
        let object = Self::object(&self.0);
        let mut response = self.0.into_response();
        let (parts, body) = Json(object).into_response().into_parts();
        // Status and headers are those of any other style; what describes the body goes with the body.
        for (name, value) in &parts.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = body;
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(shortened(refusal))
    }
}

/// What the client wrote is in it.
fn shortened(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::UnknownModel { asked, known } => Refusal::UnknownModel { asked: echo::value(&asked).into(), known },
        Refusal::UnknownAdapter { model, asked, known } => {
            Refusal::UnknownAdapter { model, asked: echo::value(&asked).into(), known }
        }
        Refusal::TwoAdapters { asked } => Refusal::TwoAdapters { asked: echo::value(&asked).into() },
        refusal => refusal,
    }
}

impl From<BadRequest> for ApiError {
    fn from(bad: BadRequest) -> Self {
        Self::Invalid(bad)
    }
}

//! Which error has which status, code and words.

use std::time::Duration;

use backend::PromptError;
use serving::{Failure, Feature, Refusal};

use super::{ApiError, BadRequest, Fields, classify, message, retry_seconds};

fn summary(error: &ApiError) -> (u16, &str, Option<&str>, Option<u64>) {
    let (status, code, param) = classify(error);
    (status.as_u16(), code, param, retry_seconds(error))
}

fn full(retry_after: Option<Duration>) -> Refusal {
    Refusal::QueueFull { model: "m".into(), waiting: 2, limit: 2, retry_after }
}

fn timeout(retry_after: Option<Duration>) -> Refusal {
    Refusal::QueueTimeout { model: "m".into(), waited: Duration::from_secs(9), retry_after }
}

#[test]
fn every_refusal_has_its_status_and_code() {
    let reason = || "secret /models/x.gguf".to_owned();
    let unavailable = Refusal::ModelUnavailable { model: "m".into(), reason: reason(), retry_after: None };
    let tried_again = Refusal::ModelUnavailable {
        model: "m".into(),
        reason: reason(),
        retry_after: Some(Duration::from_millis(1001)),
    };
    let too_long = PromptError::TooLong { tokens: 9, context_len: 8 };
    let rows = [
        (Refusal::UnknownModel { asked: "x".into(), known: vec![] }, (404, "model_not_found", Some("model"), None)),
        (
            Refusal::UnknownAdapter { model: "m".into(), asked: "x".into(), known: vec![] },
            (404, "model_not_found", Some("model"), None),
        ),
        (
            Refusal::NoAdapterNumber { model: "m".into(), number: 3, known: vec![] },
            (400, "invalid_request_error", Some("lora"), None),
        ),
        (Refusal::TwoAdapters { asked: "m:x".into() }, (400, "invalid_request_error", Some("lora"), None)),
        (full(None), (429, "queue_full", None, Some(1))),
        (timeout(None), (503, "queue_timeout", None, Some(1))),
        (Refusal::Prompt(too_long), (400, "context_length_exceeded", Some("messages"), None)),
        (Refusal::Prompt(PromptError::Empty), (400, "invalid_request_error", Some("messages"), None)),
        (Refusal::Prompt(PromptError::NoTemplate), (400, "invalid_request_error", Some("messages"), None)),
        (Refusal::Prompt(PromptError::Options { reason: "no".into() }), (400, "invalid_request_error", None, None)),
        (Refusal::Prompt(PromptError::Failed { reason: reason() }), (500, "backend_error", None, None)),
        (
            Refusal::Unsupported { model: "m".into(), feature: Feature::Tools },
            (400, "invalid_request_error", Some("tools"), None),
        ),
        (unavailable, (503, "model_unavailable", Some("model"), None)),
        (tried_again, (503, "model_unavailable", Some("model"), Some(2))),
        (Refusal::Backend { model: "m".into(), reason: reason() }, (500, "backend_error", None, None)),
        (Refusal::ShuttingDown, (503, "shutting_down", None, None)),
    ];
    for (refusal, expected) in rows {
        let error = ApiError::from(refusal);
        assert_eq!(summary(&error), expected, "{error:?}");
        assert!(!message(&error).contains("secret"), "{error:?} tells the client what is for the log");
    }
}

#[test]
fn an_error_names_the_field_by_the_name_that_it_has_there() {
    let fields = Fields { prompt: "input", constraint: "grammar", options: Some("grammar") };
    let too_long = PromptError::TooLong { tokens: 9, context_len: 8 };
    let constraints = Refusal::Unsupported { model: "m".into(), feature: Feature::Constraints };
    let rows = [
        (Refusal::Prompt(too_long), "input", "shorten the input"),
        (Refusal::Prompt(PromptError::UnknownToken { token: 9 }), "input", "9 is no token"),
        (Refusal::Prompt(PromptError::Options { reason: "no rule root".into() }), "grammar", "no rule root"),
        (constraints, "grammar", "has no constrained answers"),
    ];
    for (refusal, param, part) in rows {
        let error = ApiError::refused(refusal, fields);
        assert_eq!(summary(&error).2, Some(param));
        assert!(message(&error).contains(part), "{}", message(&error));
    }
    assert_eq!(retry_seconds(&ApiError::refused(full(None), fields)), Some(1));
}

#[test]
fn every_other_error_has_its_status_and_code() {
    let second = Duration::from_secs(1);
    let bad = BadRequest { message: "no".into(), param: Some("n".into()) };
    let failed = Failure::Backend { reason: "secret".into() };
    let rows = [
        (ApiError::Invalid(bad), (400, "invalid_request_error", Some("n"), None)),
        (ApiError::BodyBroken("eof".into()), (400, "invalid_request_error", None, None)),
        (ApiError::BodyTimeout(second), (408, "body_timeout", None, None)),
        (ApiError::BodyTooLarge(9), (413, "body_too_large", None, None)),
        (ApiError::UnknownPath("/x".into()), (404, "unknown_path", None, None)),
        (ApiError::BadPath("no UTF-8".into()), (400, "invalid_request_error", None, None)),
        (ApiError::MethodNotAllowed, (405, "method_not_allowed", None, None)),
        (ApiError::OnlyOverTls, (400, "tls_required", None, None)),
        (ApiError::Busy, (503, "server_busy", None, Some(1))),
        (ApiError::Loading("m".into()), (503, "model_loading", Some("model"), Some(1))),
        (ApiError::Crowded, (503, "too_many_connections", None, Some(1))),
        (ApiError::Failed(failed), (500, "backend_error", None, None)),
        (ApiError::Failed(Failure::ShuttingDown), (503, "shutting_down", None, None)),
        (ApiError::Failed(Failure::Stalled(second)), (408, "client_stalled", None, None)),
    ];
    for (error, expected) in rows {
        assert_eq!(summary(&error), expected, "{error:?}");
        assert!(!message(&error).contains("secret"), "{error:?}");
    }
}

#[test]
fn what_a_client_wrote_is_said_back_in_short() {
    let long = || "x".repeat(9_000);
    let unknown = Refusal::UnknownModel { asked: long(), known: vec!["fast".into()] };
    let errors = [
        ApiError::from(unknown),
        ApiError::UnknownPath(long()),
        ApiError::BadPath(long()),
        ApiError::BodyBroken(long()),
    ];
    for error in errors {
        let message = message(&error);
        assert!(message.len() < 500 && message.contains('…'), "{message}");
    }
}

#[test]
fn retry_after_is_rounded_up_and_never_zero() {
    for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)] {
        let after = Some(Duration::from_millis(millis));
        assert_eq!(retry_seconds(&ApiError::from(full(after))), Some(seconds), "{millis}");
        assert_eq!(retry_seconds(&ApiError::from(timeout(after))), Some(seconds), "{millis}");
    }
}

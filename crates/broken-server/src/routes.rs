//! As much of the protocol as the checker speaks.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use crate::Fault;
use crate::engine::{Engine, Order, Piece};

/// The only model.
const MODEL: &str = "parrot";

type Body = BoxBody<Bytes, Infallible>;

pub(crate) async fn answer(engine: Arc<Engine>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let key = engine.make.api_key.as_ref().map(|key| format!("Bearer {key}"));
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if key.is_some() && key.as_deref() != given {
        return Ok(json_response(StatusCode::UNAUTHORIZED, &error("this key is not known")));
    }
    let path = request.uri().path().to_owned();
    Ok(match (request.method(), path.as_str()) {
        (&Method::GET, "/health") => {
            if engine.make.fault == Fault::Starved {
                engine.wait_for_a_place().await;
            }
            json_response(StatusCode::OK, &json!({"status": "ok"}))
        }
        (&Method::GET, "/v1/models") => json_response(StatusCode::OK, &json!({"data": [{"id": MODEL}]})),
        (&Method::POST, "/v1/chat/completions") => chat(engine, request).await,
        _ => json_response(StatusCode::NOT_FOUND, &error("there is nothing here")),
    })
}

async fn chat(engine: Arc<Engine>, request: Request<Incoming>) -> Response<Body> {
    let body = match request.into_body().collect().await {
        Ok(body) => serde_json::from_slice::<Value>(&body.to_bytes()).unwrap_or_default(),
        Err(_) => return json_response(StatusCode::BAD_REQUEST, &error("the body broke off")),
    };
    if body["model"] != MODEL {
        return json_response(StatusCode::NOT_FOUND, &error("there is no such model"));
    }
    let text = body["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
    let max_tokens = body["max_tokens"].as_u64().and_then(|tokens| usize::try_from(tokens).ok()).unwrap_or(256);
    let Some(pieces) = engine.take(Order { text, max_tokens }) else {
        let mut full = json_response(StatusCode::TOO_MANY_REQUESTS, &error("the queue is full"));
        full.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
        return full;
    };
    if body["stream"] == true { streamed(pieces) } else { whole(pieces).await }
}

async fn whole(mut pieces: Receiver<Piece>) -> Response<Body> {
    let (mut text, mut reason) = (String::new(), None);
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Text(more) => text += &more,
            Piece::Finish(why) => reason = Some(why),
        }
    }
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason});
    json_response(StatusCode::OK, &json!({"object": "chat.completion", "choices": [choice]}))
}

fn streamed(mut pieces: Receiver<Piece>) -> Response<Body> {
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        while let Some(piece) = pieces.recv().await {
            let (delta, reason) = match piece {
                Piece::Text(text) => (json!({"content": text}), None),
                Piece::Finish(reason) => (json!({}), Some(reason)),
            };
            let chunk = json!({"object": "chat.completion.chunk",
                               "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
            let event = Frame::data(Bytes::from(format!("data: {chunk}\n\n")));
            if sender.send(event).await.is_err() {
                return; // The client has left.
            }
        }
        let _left = sender.send(Frame::data(Bytes::from_static(b"data: [DONE]\n\n"))).await;
    });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
    response
}

fn error(message: &str) -> Value {
    json!({"error": {"message": message}})
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

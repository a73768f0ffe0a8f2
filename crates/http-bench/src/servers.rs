//! The servers that are compared: each has one layer more than the one before.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use backend::{ModelSource, ModelSpec};
use backend_mock::{MockBackend, MockConfig, ModelScript, Reply};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use server::{AppOptions, HttpLimits, Metrics, Shutdown};
use serving::{ModelConfig, Service, ServiceConfig};
use tokio::net::TcpListener;

/// What a completion looks like, for servers that have no model: about as long as a real one.
pub(crate) const ANSWER: &str = r#"{"id":"chatcmpl-e81e9a68cfd4-1","object":"chat.completion","created":1795458507,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":0}},"timings":{"cache_n":0,"prompt_n":9,"prompt_ms":0.012,"prompt_per_second":750000.0,"predicted_n":2,"predicted_ms":0.004,"predicted_per_second":500000.0,"waited_ms":0.01,"loaded_ms":0.0}}"#;

/// A streamed token, for servers that have no model.
pub(crate) const EVENT: &str = "data: {\"id\":\"chatcmpl-e81e9a68cfd4-1\",\"object\":\"chat.completion.chunk\",\"created\":1795458507,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"xyz\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";

/// A service over an engine that takes no time and answers with so many tokens.
///
/// # Errors
/// None: the configuration is ours.
pub(crate) async fn service(lanes: u32, tokens: usize) -> Result<(Service, Metrics), String> {
    let text = "xyz".repeat(tokens);
    let script =
        ModelScript { bytes_per_token: 3, context_len: 1 << 20, reply: Reply::Fixed(text), ..ModelScript::default() };
    let spec = ModelSpec { lanes, ..ModelSpec::new("m", ModelSource::File("m.gguf".into())) };
    let model = ModelConfig { max_tokens: 1 << 20, ..ModelConfig::new(spec) };
    let config = ServiceConfig { models: vec![model], ..ServiceConfig::default() };
    let backend = MockBackend::new(MockConfig::default().with_model("m", script));
    let metrics = Metrics::default();
    let service = Service::start_observed(config, Arc::new(backend), metrics.observer());
    let service = service.map_err(|error| error.to_string())?;
    service.loaded().await;
    Ok((service, metrics))
}

/// hyper and nothing else: it reads the body and answers.
///
/// # Errors
/// No free port.
pub(crate) async fn bare(tokens: Option<usize>) -> Result<SocketAddr, String> {
    let (listener, address) = listener().await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request: Request<Incoming>| hello(request, tokens));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn hello(request: Request<Incoming>, tokens: Option<usize>) -> Result<Response<Body>, Infallible> {
    // A client that leaves ends the benchmark of its own accord.
    let _body = request.into_body().collect().await;
    let body = match tokens {
        None => Body::new(Full::new(Bytes::from_static(ANSWER.as_bytes()))),
        Some(n) => {
            Body::from_stream(stream::iter((0..n).map(|_| Ok::<_, Infallible>(Bytes::from_static(EVENT.as_bytes())))))
        }
    };
    Ok(Response::new(body))
}

/// Our connections, with their bounds, and axum's router, without our app.
///
/// # Errors
/// No free port.
pub(crate) async fn connection() -> Result<SocketAddr, String> {
    let answer = async |body: Bytes| {
        drop(body);
        ANSWER
    };
    serve(Router::new().route("/v1/chat/completions", post(answer))).await
}

/// All of it.
///
/// # Errors
/// No free port.
pub(crate) async fn whole(lanes: u32, tokens: usize) -> Result<SocketAddr, String> {
    let (service, metrics) = service(lanes, tokens).await?;
    serve(server::app(service, AppOptions { metrics, ..AppOptions::default() })).await
}

async fn serve(app: Router) -> Result<SocketAddr, String> {
    let (listener, address) = listener().await?;
    tokio::spawn(server::serve(listener, app, HttpLimits::default(), Shutdown::default()));
    Ok(address)
}

async fn listener() -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| format!("no free port: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, address))
}

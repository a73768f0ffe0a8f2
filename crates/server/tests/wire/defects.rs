//! The 25 defects that were found in the original, row by row: what shows that each is not here, or why it cannot be.
//!
//! | row | in the original | shown by |
//! |---|---|---|
//! | D1 | the whole process answered one request at a time | `d01_..` |
//! | D2 | two streams of one model stopped the server for ever | `d02_..` |
//! | D3 | an unknown model was guarded by another model's lock | `d03_..` |
//! | D4 | a model's lock changed while it was held | `d04_..`; the lane is owned by its lock (S1) |
//! | D5 | waiting had no end, no bound and no way out | `d05_..` (two tests), `edison::a_chat_can_be_cancelled_before_any_model_works` |
//! | D6 | steps of work mode were never found | `edison::the_steps_of_work_mode_are_told_and_reach_the_prompt` |
//! | D7 | a picture that nobody saw was answered | `edison::pictures_reach_the_model_of_the_tier_vision`, `edison::an_answer_that_saw_no_picture_says_so_whole_and_streamed` |
//! | D8 | `/chat` was lost | `edison::the_comfyui_node_gets_its_answer_mode_and_model` |
//! | D9 | a model was unloaded while it answered | `edison::a_model_is_let_go_when_its_answers_are_over_and_comes_back_for_whoever_asks` |
//! | D10 | unloading freed nothing, loading took any path | `d10_d11_..`: models are those of the configuration; the engine is dropped |
//! | D11 | a second set of models was managed | `d10_d11_..`: there is one |
//! | D12 | a check of graphics memory refused models on machines without any | cannot be: what an engine has room for is the engine's to say, at its load; `doctor` estimates and refuses nothing |
//! | D13 | tests passed without any lock | `cargo xtask canaries`, `cargo xtask planted`: without the lock named tests fail |
//! | D14 | tests returned their result instead of failing | cannot be: a test here fails by a panic, and clippy refuses a result that nobody looks at |
//! | D15 | a name without a value ended every stream | cannot be: the compiler refuses it; `d15_..` streams without what was missing then |
//! | D16 | streams without an end, entries without an owner | `d16_..` (two tests), `active::a_chat_can_be_cancelled_as_long_as_it_is_under_way` |
//! | D17 | the id was told when it was of no use any more | `edison::a_chat_can_be_cancelled_before_any_model_works`, `d17_..` |
//! | D18 | an explicit 0 was another number, usage was counted in words, errors were swallowed | `d18_..` (three tests) |
//! | D19 | odd fields were an error 500 | `d19_..`, `body::every_wrong_field_is_named` |
//! | D20 | pictures and titles needed models that they do not use | `d20_..` |
//! | D21 | another service was asked twice, and waited for | cannot be: nobody else is asked; a mode is guessed by `router`, a plain function |
//! | D22 | the address of the configuration was not listened on | `command::the_printed_configuration_can_be_fed_back`, `command::an_address_in_use_ends_with_1_and_says_so` |
//! | D23 | one caller had no lock | cannot be: code without a lease has nothing to call (S1, `model-locks-compile-fail`) |
//! | D24 | a long prompt was an error 500, and code was cut at empty lines | `edison::the_oldest_turns_make_room_and_the_answer_says_how_many`, `d24_..` |
//! | D25 | what was promised was not so | README's tables of promises: each names its tests, and a rule test looks that they exist |

use std::sync::Arc;
use std::time::Duration;

use backend::{ModelSource, ModelSpec};
use backend_mock::{Fault, MockBackend, MockConfig, ModelScript, Reply};
use serde_json::{Value, json};
use server::{AppOptions, Peer};
use serving::{Limits, ModelConfig, Service, ServiceConfig, Tier};
use tokio::time::{Instant, sleep};

use super::fake::Fake;
use super::support::{Answer, Client, Server, hundred_ms};

/// What an answer of [`hundred_ms`] takes.
const ANSWER: Duration = Duration::from_millis(100);

/// A server with these models, each named for its tier unless it is given another name.
async fn server(models: Vec<(&str, ModelScript)>, tiers: &[(Tier, &str)], queue_max: usize) -> Server {
    let config =
        models.iter().fold(MockConfig::default(), |config, (name, script)| config.with_model(*name, script.clone()));
    let model = |(name, _): (&str, _)| {
        let spec = ModelSpec::new(name, ModelSource::File(format!("{name}.gguf").into()));
        ModelConfig { queue_max, ..ModelConfig::new(spec) }
    };
    let config_of_service = ServiceConfig {
        models: models.into_iter().map(model).collect(),
        tiers: tiers.iter().map(|(tier, name)| (*tier, (*name).to_owned())).collect(),
        limits: Limits { queue_timeout: Duration::from_secs(5), ..Limits::default() },
    };
    let service = Service::start(config_of_service, Arc::new(MockBackend::new(config))).expect("consistent");
    service.loaded().await;
    Server { service, options: AppOptions::default() }
}

async fn one(script: ModelScript) -> Server {
    server(vec![("m", script)], &[(Tier::Fast, "m")], 64).await
}

fn asks(message: &str, mode: &str) -> Value {
    json!({"message": message, "mode": mode})
}

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    server.connect().post(path, "", body).await
}

/// An engine that says nothing for an hour.
fn hour_long() -> ModelScript {
    ModelScript { time_per_token: Duration::from_secs(3600), ..hundred_ms() }
}

/// Method: three tiers with a model each, in virtual time: together they take what one takes. One lock for all would take
/// three times as long, and so would a handler that blocks.
#[tokio::test(start_paused = true)]
async fn d01_other_models_and_the_control_plane_do_not_wait_for_a_model_that_works() {
    let tiers = [(Tier::Fast, "fast"), (Tier::Deep, "deep"), (Tier::Medium, "medium")];
    let models = tiers.iter().map(|(_, name)| (*name, hundred_ms())).collect();
    let three = server(models, &tiers, 64).await;
    let begun = Instant::now();
    let (chat, code, openai) = (
        asks("hi", "chat"),
        asks("hi", "code"),
        json!({
            "model": "medium", "messages": [{"role": "user", "content": "hi"}],
        }),
    );
    let (first, second, third) = tokio::join!(
        post(&three, "/chat", &chat),
        post(&three, "/chat", &code),
        post(&three, "/v1/chat/completions", &openai),
    );
    assert_eq!(
        (first.json()["model_used"].as_str(), second.json()["model_used"].as_str()),
        (Some("fast"), Some("deep"))
    );
    assert_eq!((third.status, begun.elapsed()), (200, ANSWER));

    let busy = one(hour_long()).await;
    let mut chat = busy.connect();
    chat.chat(true).await;
    sleep(ANSWER).await;
    assert_eq!(busy.lane(), "leased");
    let begun = Instant::now();
    for path in ["/health", "/ready", "/locks", "/metrics", "/models/list", "/models/status", "/v1/models"] {
        assert!(busy.connect().ask("GET", path).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// Method: both streams are under way when the second one waits; the server is asked how it is, and then to end.
#[tokio::test(start_paused = true)]
async fn d02_two_streams_of_one_model_both_end_and_so_does_the_server() {
    let server = one(hundred_ms()).await;
    let begun = Instant::now();
    let body = asks("hi", "chat");
    let (first, second, health) =
        tokio::join!(post(&server, "/chat/stream", &body), post(&server, "/chat/stream", &body), async {
            server.connect().ask("GET", "/health").await
        },);
    for answer in [first, second] {
        assert!(
            answer.body.contains("\"ok\":true") && answer.body.contains("\"response\":\"123456789\""),
            "{answer:?}"
        );
    }
    assert!(health.starts_with("HTTP/1.1 200 "));
    assert_eq!(begun.elapsed(), 2 * ANSWER, "one behind the other");
    let late = server.connect();
    server.service.shutdown(Duration::from_secs(1)).await;
    server.options.shutdown.close_connections();
    late.gone().await;
}

/// Method: the only model works; whoever asks for one that does not exist hears so at once and stands in no queue.
#[tokio::test(start_paused = true)]
async fn d03_a_model_that_does_not_exist_has_nobodys_lock() {
    let server = one(hour_long()).await;
    let mut holder = server.connect();
    holder.chat(true).await;
    sleep(ANSWER).await;
    let begun = Instant::now();
    let body = json!({"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}]});
    let answer = post(&server, "/v1/chat/completions", &body).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("model_not_found")));
    assert_eq!((begun.elapsed(), server.service.models()[0].waiting.len()), (Duration::ZERO, 0));
}

/// Method: two tiers mean one model, and a third is filled by a fallback: all are one queue, whatever they are called by.
#[tokio::test(start_paused = true)]
async fn d04_every_name_of_a_model_has_one_lock() {
    let server = server(vec![("m", hundred_ms())], &[(Tier::Fast, "m"), (Tier::Deep, "m")], 64).await;
    let begun = Instant::now();
    let (fast, deep, medium) = (
        asks("hi", "chat"),
        asks("hi", "code"),
        json!({
            "model": "medium", "messages": [{"role": "user", "content": "hi"}],
        }),
    );
    let answers = tokio::join!(
        post(&server, "/chat", &fast),
        post(&server, "/chat", &deep),
        post(&server, "/v1/chat/completions", &medium),
    );
    assert_eq!([answers.0.status, answers.1.status, answers.2.status], [200; 3]);
    assert_eq!(begun.elapsed(), 3 * ANSWER);
    let history = &server.service.models()[0].history;
    let overlap = history.windows(2).any(|pair| pair[0].released > pair[1].granted);
    assert!(history.len() == 3 && !overlap, "{history:?}");
}

/// The ComfyUI node shows the words of a 503.
#[tokio::test(start_paused = true)]
async fn d05_a_full_queue_and_a_wait_that_is_too_long_are_refused_in_words() {
    let server = server(vec![("m", hour_long())], &[(Tier::Fast, "m")], 1).await;
    let mut holder = server.connect();
    holder.chat(true).await;
    sleep(ANSWER).await;
    let body = asks("hi", "chat");
    let begun = Instant::now();
    let (waits, refused) = tokio::join!(post(&server, "/chat", &body), async {
        sleep(Duration::from_secs(1)).await;
        let refused = post(&server, "/chat", &body).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1), "refused at once");
        refused
    });
    for answer in [waits, refused] {
        assert!(answer.status == 503 && answer.json()["detail"].is_string(), "{answer:?}");
        assert!(answer.head.contains("\r\nretry-after: "), "{answer:?}");
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(5), "the bound of the configuration");
    assert_eq!(server.service.models()[0].granted_total, 1, "neither was given to the model");
}

#[tokio::test(start_paused = true)]
async fn d05_a_client_that_leaves_frees_its_place_and_its_lane() {
    let server = one(hour_long()).await;
    let stream = async || {
        let mut client = server.connect();
        let body = asks("hi", "chat").to_string();
        let head = format!("POST /chat/stream HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", body.len());
        client.send(head + &body).await;
        sleep(ANSWER).await;
        client
    };
    let (holds, waits): (Client, Client) = (stream().await, stream().await);
    assert_eq!((server.lane(), server.service.models()[0].waiting.len()), ("leased", 1));
    drop(waits);
    sleep(ANSWER).await;
    assert_eq!((server.lane(), server.service.models()[0].waiting.len()), ("leased", 0));
    drop(holds);
    server.at_rest().await;
}

/// Only what is configured is loaded, whatever path somebody names; and what is let go is gone.
#[tokio::test(start_paused = true)]
async fn d10_d11_models_are_those_of_the_configuration_and_one_that_is_let_go_is_gone() {
    let server = one(hundred_ms()).await;
    let named = |name: &str| json!({"name": name, "path": "/etc/passwd"});
    assert_eq!(post(&server, "/models/load", &named("other")).await.status, 404);
    assert_eq!(post(&server, "/models/unload", &named("m")).await.json()["loaded"], false);
    assert!(server.service.models()[0].lanes.is_empty(), "its lanes are dropped, and the engine with the last of them");
    assert_eq!(
        post(&server, "/models/load", &named("m")).await.json(),
        json!({"ok": true, "success": true, "name": "m", "loaded": true})
    );
    for path in ["/models/unload-all", "/models/reload"] {
        let answer = post(&server, path, &named("m")).await;
        assert!(answer.status == 404 && answer.json()["detail"].is_string(), "{path}: {answer:?}");
    }
    assert_eq!(post(&server, "/chat", &asks("hi", "chat")).await.status, 200);
}

/// Neither memory nor search nor history: what the original's stream stumbled over.
#[tokio::test(start_paused = true)]
async fn d15_a_stream_needs_nothing_but_a_message() {
    let answer = post(&one(hundred_ms()).await, "/chat/stream", &json!({"message": "hi"})).await;
    let last = answer.frames().last().map(ToString::to_string).unwrap_or_default();
    assert!(last.starts_with("event: done\n") && last.contains("\"ok\":true"), "{answer:?}");
}

/// Method: engines that fail before the first token, in the middle, and by a panic.
#[tokio::test(start_paused = true)]
async fn d16_a_stream_ends_with_done_however_the_engine_ends() {
    for fault in [Fault::FailBeforeFirstToken, Fault::FailAfter { tokens: 3 }, Fault::PanicAfter { tokens: 3 }] {
        let server = one(ModelScript { faults: [(1, fault)].into(), ..hundred_ms() }).await;
        let app = server.app();
        let ask = async |path: &str, body: &Value| {
            server.connect_to(app.clone(), Peer::default()).post(path, "x-request-id: r1\r\n", body).await
        };
        let answer = ask("/chat/stream", &asks("hi", "chat")).await;
        let last = answer.frames().last().map(ToString::to_string).unwrap_or_default();
        assert!(last.starts_with("event: done\ndata: {\"ok\":false,\"error\":"), "{fault:?}: {answer:?}");
        let cancelled = ask("/chat/cancel", &json!({"request_id": "r1"})).await;
        assert_eq!(cancelled.json()["status"], "not_found", "its entry went with it");
        assert_eq!(ask("/chat", &asks("hi", "chat")).await.status, 200, "the next one is served");
    }
}

#[tokio::test(start_paused = true)]
async fn d16_a_refusal_before_the_stream_is_an_error_and_leaves_no_entry() {
    let server = one(hundred_ms()).await;
    let app = server.app();
    let body = json!({"message": "what?", "images": [super::edison::DOT]});
    let refused =
        server.connect_to(app.clone(), Peer::default()).post("/chat/stream", "x-request-id: r1\r\n", &body).await;
    assert!(refused.status == 503 && refused.json()["detail"].is_string(), "{refused:?}");
    let cancel = json!({"request_id": "r1"});
    let cancelled = server.connect_to(app, Peer::default()).post("/chat/cancel", "", &cancel).await;
    assert_eq!(cancelled.json()["status"], "not_found");
}

/// Method: the model works on the plan, which is the longest phase, when the chat is cancelled.
#[tokio::test(start_paused = true)]
async fn d17_the_planning_of_work_can_be_cancelled() {
    let server = one(hour_long()).await;
    let app = server.app();
    let mut chat = server.connect_to(app.clone(), Peer::default());
    let body = asks("do it", "work").to_string();
    let head = "POST /chat/stream HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-request-id: r1\r\n";
    chat.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    chat.read_until("{\"request_id\":\"r1\"}\n\n").await;
    sleep(ANSWER).await;
    assert_eq!(server.lane(), "leased", "the plan is being made");
    let cancel = json!({"request_id": "r1"});
    let cancelled = server.connect_to(app, Peer::default()).post("/chat/cancel", "", &cancel).await;
    assert_eq!(cancelled.json()["status"], "cancelled");
    assert!(chat.rest().await.contains("event: done\ndata: {\"ok\":false,\"stopped\":true}"));
    server.at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn d18_an_explicit_zero_reaches_the_engine_as_a_zero() {
    let fake = Fake::saying(&["a"]);
    let server = Server::playing(&fake).await;
    let body = json!({
        "model": "m", "temperature": 0, "top_k": 0, "seed": 0, "messages": [{"role": "user", "content": "hi"}],
    });
    assert_eq!(post(&server, "/v1/chat/completions", &body).await.status, 200);
    let sampling = fake.the_request().options.sampling;
    assert_eq!((sampling.temperature, sampling.top_k, sampling.seed), (0.0, 0, 0));
}

/// In words the answer has one, and the prompt three.
#[tokio::test(start_paused = true)]
async fn d18_usage_counts_tokens_and_not_words() {
    let answer = post(
        &one(hundred_ms()).await,
        "/v1/chat/completions",
        &json!({
            "model": "m", "messages": [{"role": "user", "content": "three words here"}],
        }),
    )
    .await
    .json();
    assert_eq!(answer["usage"]["completion_tokens"], 10, "nine characters and the end");
    assert!(answer["usage"]["prompt_tokens"].as_u64() > Some(15), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn d18_a_stream_that_breaks_off_says_so_and_is_not_done() {
    let server = one(ModelScript { faults: [(1, Fault::FailAfter { tokens: 3 })].into(), ..hundred_ms() }).await;
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let events = post(&server, "/v1/chat/completions", &body).await.events();
    assert!(events.last().is_some_and(|event| event["error"]["code"] == "backend_error"), "{events:?}");
    assert!(!events.contains(&json!("[DONE]")));
}

#[tokio::test(start_paused = true)]
async fn d19_no_odd_field_is_an_error_of_the_server() {
    let server = one(hundred_ms()).await;
    let odd = [json!(null), json!(7), json!("x"), json!([1]), json!({"a": {}}), json!([null]), json!([{"role": 7}])];
    for path in ["/chat", "/chat/stream", "/chat/cancel", "/generate-title"] {
        for field in ["message", "mode", "images", "conversation_history", "context", "response", "request_id"] {
            for value in &odd {
                let mut body = asks("hi", "chat");
                body[field] = value.clone();
                let answer = post(&server, path, &body).await;
                let is_known = answer.status == 200 || (400..500).contains(&answer.status) || answer.status == 503;
                assert!(is_known, "{path} {field} {value}: {answer:?}");
            }
        }
    }
}

/// Method: servers with one model each: only deep for a title, only vision for a chat with a picture.
#[tokio::test(start_paused = true)]
async fn d20_titles_and_pictures_need_no_model_that_they_do_not_use() {
    let script = || ModelScript { reply: Reply::Fixed("Rust Locks".into()), ..hundred_ms() };
    let deep = server(vec![("m", script())], &[(Tier::Deep, "m")], 64).await;
    let title = post(&deep, "/generate-title", &json!({"message": "how do locks work"})).await;
    assert_eq!((title.status, &title.json()["title"]), (200, &json!("Rust Locks")));
    let vision = server(vec![("m", script())], &[(Tier::Vision, "m")], 64).await;
    let answer = post(&vision, "/chat", &json!({"message": "what is it?", "images": [super::edison::DOT]})).await;
    assert_eq!((answer.status, &answer.json()["model_used"]), (200, &json!("vision")), "{answer:?}");
}

/// The words at which the original stopped are ordinary words of an answer.
#[tokio::test(start_paused = true)]
async fn d24_no_words_of_an_answer_end_it() {
    let text = "def f():\n    pass\n\n\n\nUser: x\nHuman: y\nPlease specify z";
    let fake = Fake { context_len: 4096, ..Fake::saying(&[text]) };
    let server = Server::playing(&fake).await;
    let answer = post(&server, "/chat", &asks("write code", "code")).await;
    assert_eq!(answer.json()["response"], text);
    assert!(fake.the_request().options.stop.is_empty());
}

//! EDISON's own protocol, as its web page and its ComfyUI node speak it.

use std::sync::Arc;
use std::time::Duration;

use backend::{Backend, Capabilities, GenerateRequest, Prompt, Role, Token};
use backend_mock::{Fault, MockBackend, MockConfig, ModelScript, Reply};
use serde_json::{Value, json};
use server::{HttpLimits, Peer};
use serving::Tier;

use crate::fake::Fake;
use crate::support::{Server, hundred_ms};

fn script(answers: &[&str]) -> ModelScript {
    let texts = answers.iter().map(ToString::to_string).collect();
    ModelScript { reply: Reply::Script(texts), ..ModelScript::default() }
}

async fn ask(server: &Server, path: &str, body: &Value) -> (u16, String) {
    let mut client = server.connect();
    client.send(post(path, "r1", body)).await;
    let answer = client.rest().await;
    let status = answer[9..12].parse().expect("a status");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (status, body.to_owned())
}

async fn ask_json(server: &Server, path: &str, body: Value) -> (u16, Value) {
    let (status, body) = ask(server, path, &body).await;
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

#[tokio::test(start_paused = true)]
async fn the_comfyui_node_gets_its_answer_mode_and_model() {
    let server = Server::start(script(&["hello"]), HttpLimits::default()).await;
    let (status, answer) =
        ask_json(&server, "/chat", json!({"message": "Hello there", "mode": "auto", "remember": true})).await;
    assert_eq!(status, 200, "{answer}");
    let read = (&answer["response"], &answer["mode_used"], &answer["model_used"], &answer["work_steps"]);
    assert_eq!(read, (&json!("hello"), &json!("chat"), &json!("fast"), &Value::Null));
}

/// Steps reached neither the answer nor the prompt in the original. Method: a context that holds the prompt without the
/// plan and not with it, so that the second call fails only if the steps are in it.
#[tokio::test(start_paused = true)]
async fn the_steps_of_work_mode_are_told_and_reach_the_prompt() {
    let long = "x".repeat(300);
    let plan = format!("1. {long}\n2. b");
    let body = || json!({"message": "do it", "mode": "work"});
    let server = Server::start(script(&[&plan, "done"]), HttpLimits::default()).await;
    let (_, answer) = ask_json(&server, "/chat", body()).await;
    assert_eq!((&answer["work_steps"], &answer["response"]), (&json!([long, "b"]), &json!("done")));
    let small = ModelScript { context_len: 420, ..script(&[&plan, "done"]) };
    let (status, answer) = ask_json(&Server::start(small, HttpLimits::default()).await, "/chat", body()).await;
    assert_eq!(status, 400, "{answer}");
    let small = ModelScript { context_len: 420, ..script(&["no list", "done"]) };
    let (status, answer) = ask_json(&Server::start(small, HttpLimits::default()).await, "/chat", body()).await;
    assert_eq!((status, &answer["work_steps"]), (200, &Value::Null), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_oldest_turns_make_room_and_the_answer_says_how_many() {
    let small = ModelScript { context_len: 600, ..script(&[]) };
    let server = Server::start(small, HttpLimits::default()).await;
    let turn = |role: &str| json!({"role": role, "content": "x".repeat(150)});
    let history: Vec<Value> = (0..10).map(|n| turn(["user", "assistant"][n % 2])).collect();
    let (status, answer) =
        ask_json(&server, "/chat", json!({"message": "hi", "mode": "chat", "conversation_history": history})).await;
    assert_eq!(status, 200, "{answer}");
    let dropped = answer["turns_dropped"].as_u64().expect("a number");
    assert!((6..10).contains(&dropped), "{dropped} of 10 dropped");
}

/// Method: both wait for a model that is still being loaded, so that nothing can be told too long before the second one
/// stands in the queue. The first has a history that does not fit.
#[tokio::test(start_paused = true)]
async fn making_room_costs_nobody_the_place_in_the_queue() {
    let slow = ModelScript { context_len: 600, load_time: Duration::from_secs(60), ..hundred_ms() };
    let server = Server::begin(slow, HttpLimits::default());
    let history: Vec<Value> = (0..10).map(|_| json!({"role": "user", "content": "x".repeat(150)})).collect();
    let long = json!({"message": "hi", "mode": "chat", "conversation_history": history});
    let (first, second) = tokio::join!(server.connect().post("/chat", "x-request-id: first\r\n", &long), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.connect().post("/chat", "x-request-id: second\r\n", &json!({"message": "hi", "mode": "chat"})).await
    });
    assert_eq!((first.status, second.status), (200, 200), "{first:?} {second:?}");
    assert!(first.json()["turns_dropped"].as_u64() > Some(0), "{first:?}");
    let model = server.service.models().remove(0);
    let served: Vec<_> = model.history.iter().map(|outcome| outcome.request_id.as_str()).collect();
    assert_eq!(served, ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn pictures_without_a_vision_tier_are_refused_in_words() {
    let server = Server::start(script(&["a cat"]), HttpLimits::default()).await;
    let (status, answer) = ask_json(&server, "/chat", json!({"message": "what?", "images": [DOT]})).await;
    assert_eq!(status, 503);
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.starts_with("Vision model not loaded")), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn wrong_fields_are_422_with_their_places() {
    let server = Server::start(script(&[]), HttpLimits::default()).await;
    let (status, answer) = ask_json(&server, "/chat", json!({"message": "x", "mode": "swarm"})).await;
    assert_eq!((status, &answer["detail"][0]["loc"]), (422, &json!(["body", "mode"])));
    let (status, _) = ask_json(&server, "/generate-title", json!([])).await;
    assert_eq!(status, 422);
}

#[tokio::test(start_paused = true)]
async fn the_web_page_reads_its_stream_to_the_end() {
    let server = Server::start(script(&["ab"]), HttpLimits::default()).await;
    let (status, body) = ask(&server, "/chat/stream", &json!({"message": "Hello there"})).await;
    assert_eq!(status, 200);
    let order = ["event: init\ndata: {\"request_id\":\"r1\"}", "event: token\ndata: {\"t\":\"a\"}", "event: done\n"];
    let places: Vec<_> = order.iter().map(|part| body.find(part).unwrap_or_else(|| panic!("{part}: {body}"))).collect();
    assert!(places.is_sorted(), "{body}");
    assert!(body.contains("\"ok\":true") && body.contains("\"response\":\"ab\""), "{body}");
}

fn post(path: &str, id: &str, body: &Value) -> String {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-request-id: {id}\r\n");
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// Method: the model is loading, the earliest phase there is, when the chat is cancelled by the id in its first event.
#[tokio::test(start_paused = true)]
async fn a_chat_can_be_cancelled_before_any_model_works() {
    let slow = ModelScript { load_time: Duration::from_secs(60), ..hundred_ms() };
    let server = Server::begin(slow, HttpLimits::default());
    let app = server.app();
    let mut chat = server.connect_to(app.clone(), Peer::default());
    chat.send(post("/chat/stream", "r1", &json!({"message": "Hello there"}))).await;
    chat.read_until("{\"request_id\":\"r1\"}\n\n").await;
    let mut cancel = server.connect_to(app.clone(), Peer::default());
    cancel.send(post("/chat/cancel", "r2", &json!({"request_id": "r1"}))).await;
    assert!(cancel.rest().await.contains("\"status\":\"cancelled\""));
    let rest = chat.rest().await;
    assert!(rest.contains("event: done\ndata: {\"ok\":false,\"stopped\":true}"), "{rest}");
    let mut again = server.connect_to(app, Peer::default());
    again.send(post("/chat/cancel", "r3", &json!({"request_id": "r1"}))).await;
    assert!(again.rest().await.contains("\"status\":\"not_found\""));
    server.service.loaded().await;
    assert_eq!(server.service.models()[0].granted_total, 0, "it never got the lane");
}

#[tokio::test(start_paused = true)]
async fn there_is_always_a_title() {
    let server = Server::start(script(&["\"Rust Locks.\""]), HttpLimits::default()).await;
    let title = async |body| ask_json(&server, "/generate-title", body).await;
    assert_eq!(title(json!({"message": "how do locks work"})).await, (200, json!({"title": "Rust Locks"})));
    assert_eq!(title(json!({"message": null})).await.0, 200);
    server.service.shutdown(Duration::ZERO).await;
    let words = title(json!({"message": "one two three four five six"})).await;
    assert_eq!(words, (200, json!({"title": "one two three four five"})));
}

#[tokio::test(start_paused = true)]
async fn health_has_the_fields_that_the_clients_read() {
    let server = Server::start(script(&[]), HttpLimits::default()).await;
    let answer = server.connect().ask("GET", "/health").await;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!(body["models_loaded"]["fast_model"], json!(true));
    assert_eq!(body["models_loaded"]["deep_model"], json!(false));
    assert_eq!((&body["service"], &body["qdrant_ready"]), (&json!("edison-core"), &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn the_models_are_listed_and_each_tier_says_whether_it_can_be_used() {
    let server = Server::start(script(&[]), HttpLimits::default()).await;
    let get = async |path| {
        let answer = server.connect().ask("GET", path).await;
        serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    };
    let list = get("/models/list").await;
    assert_eq!((&list["models"][0]["name"], &list["current_models"]["fast"]), (&json!("m"), &json!("m")));
    assert!(list["models"][0]["size_gb"].is_number() && list["standard_path"].is_string(), "{list}");
    let status = get("/models/status").await;
    assert_eq!((&status["fast"], &status["deep"]), (&json!(true), &json!(false)));
    assert_eq!(
        status["slots"]["fast"],
        json!({"loaded": true, "configured_model": "m", "shared_with": [], "failure": null})
    );
}

/// A pixel, as the original's clients send pictures.
pub(crate) const DOT: &str = "R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";

/// Says how many pictures it was shown.
fn seeing() -> Fake {
    let count = |request: &GenerateRequest| Token::text(request.prompt.prompt.images().count().to_string());
    Fake { context_len: 1024, ..Fake::new(move |request| vec![count(request), Token::text(" seen")]) }
}

fn with_pictures() -> Value {
    json!({"message": "what?", "mode": "chat", "images": [DOT, format!("data:image/gif;base64,{DOT}")]})
}

async fn in_the_tier_vision(engine: impl Backend + 'static) -> Server {
    let server = Server::with_tier(Tier::Vision, Arc::new(engine), HttpLimits::default(), 1);
    server.service.loaded().await;
    server
}

/// Whatever the person chose for words.
#[tokio::test(start_paused = true)]
async fn pictures_reach_the_model_of_the_tier_vision() {
    let server = in_the_tier_vision(seeing()).await;
    let mut body = with_pictures();
    body["selected_model"] = json!("a-model-for-words.gguf");
    let (status, answer) = ask_json(&server, "/chat", body).await;
    assert_eq!((status, &answer["mode_used"], &answer["model_used"]), (200, &json!("image"), &json!("vision")));
    assert_eq!((&answer["response"], &answer["vision_error"]), (&json!("2 seen"), &Value::Null));
    let health = server.connect().ask("GET", "/health").await;
    assert!(health.contains("\"vision_enabled\":true,\"vision_error\":null"), "{health}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_saw_no_picture_says_so_whole_and_streamed() {
    let blind = Fake { capabilities: Capabilities { vision: false, ..Capabilities::ALL }, ..seeing() };
    let server = in_the_tier_vision(blind).await;
    let (status, answer) = ask_json(&server, "/chat", with_pictures()).await;
    assert_eq!((status, &answer["mode_used"], &answer["model_used"]), (200, &json!("image"), &json!("vision")));
    let text = answer["response"].as_str().expect("a text");
    assert!(text.starts_with("[The picture was not looked at: ") && text.ends_with("]\n\n0 seen"), "{text}");
    assert!(answer["vision_error"].is_string(), "{answer}");
    let (_, streamed) = ask(&server, "/chat/stream", &with_pictures()).await;
    // The last event has the whole answer; the mark comes with the first words.
    assert!(streamed.contains("{\"t\":\"[The picture was not looked at: "), "{streamed}");
}

/// The original answered from the text alone then, and nobody could tell.
#[tokio::test(start_paused = true)]
async fn eyes_that_break_are_owned_up_to() {
    let breaks = ModelScript { faults: [(1, Fault::FailBeforeFirstToken)].into(), ..script(&["", "a guess"]) };
    let server = in_the_tier_vision(MockBackend::new(MockConfig::default().with_model("m", breaks))).await;
    let (status, answer) = ask_json(&server, "/chat", with_pictures()).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["response"].as_str().expect("a text").ends_with("may help.]\n\na guess"), "{answer}");
}

/// Two answers in one stream would be nobody's.
#[tokio::test(start_paused = true)]
async fn eyes_that_break_in_the_middle_of_an_answer_end_it() {
    let breaks = ModelScript { faults: [(1, Fault::FailAfter { tokens: 3 })].into(), ..script(&["a cat", "a guess"]) };
    let server = in_the_tier_vision(MockBackend::new(MockConfig::default().with_model("m", breaks))).await;
    let (_, streamed) = ask(&server, "/chat/stream", &with_pictures()).await;
    assert!(streamed.contains("the engine failed") && !streamed.contains("not looked at"), "{streamed}");
    assert_eq!(server.service.models()[0].granted_total, 1, "nobody was asked again");
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_seen_after_what_was_said_before() {
    let fake = seeing();
    let server = in_the_tier_vision(fake.clone()).await;
    let turns = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]);
    let mut body = with_pictures();
    body["conversation_history"] = turns;
    let (status, answer) = ask_json(&server, "/chat", body).await;
    assert_eq!(status, 200, "{answer}");
    let Prompt::Chat(chat) = fake.the_request().prompt.prompt else { panic!("a chat") };
    let seen: Vec<_> = chat.messages.iter().map(|message| (message.role, message.images.len())).collect();
    assert_eq!(seen, [(Role::System, 0), (Role::User, 0), (Role::Assistant, 0), (Role::User, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_picture_is_refused_with_its_number() {
    let server = in_the_tier_vision(seeing()).await;
    let (status, answer) = ask_json(&server, "/chat", json!({"message": "?", "images": [DOT, "aGk="]})).await;
    assert_eq!(status, 422, "{answer}");
    assert_eq!(answer["detail"][0]["loc"], json!(["body", "images"]));
    assert!(answer["detail"][0]["msg"].as_str().expect("a text").starts_with("picture 2 is not a picture"), "{answer}");
}

/// Method: a model that is told to go while an answer streams. The answer comes to its end, the model is unloaded, ready
/// all the same, and loaded again for who asks next. llama-server's word for its name is understood as well.
#[tokio::test(start_paused = true)]
async fn a_model_is_let_go_when_its_answers_are_over_and_comes_back_for_whoever_asks() {
    let server = Server::start(script(&["a long answer", "another"]), HttpLimits::default()).await;
    let body = json!({"message": "hi", "mode": "chat"});
    let (answer, unloaded) = tokio::join!(
        ask_json(&server, "/chat", body.clone()),
        ask_json(&server, "/models/unload", json!({"name": "fast"}))
    );
    assert_eq!((answer.0, &answer.1["response"]), (200, &json!("a long answer")));
    assert_eq!(
        (unloaded.0, &unloaded.1["ok"], &unloaded.1["loaded"]),
        (200, &json!(true), &json!(false)),
        "{unloaded:?}"
    );
    let state = || server.service.states().remove(0).state;
    assert_eq!(state(), serving::LoadState::Unloaded);
    let ready = server.connect().ask("GET", "/ready").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains(r#""state":"unloaded""#), "{ready}");
    let (status, answer) = ask_json(&server, "/chat", body).await;
    assert_eq!((status, &answer["response"], state()), (200, &json!("another"), serving::LoadState::Ready));
    let (_, unloaded) = ask_json(&server, "/models/unload", json!({"model": "fast"})).await;
    let (_, loaded) = ask_json(&server, "/models/load", json!({"name": "fast"})).await;
    assert_eq!(
        (&unloaded["success"], &loaded["loaded"], state()),
        (&json!(true), &json!(true), serving::LoadState::Ready)
    );
    for (body, status, part) in [(json!({}), 400, "name is required"), (json!({"name": "none"}), 404, "no model")] {
        let (got, answer) = ask_json(&server, "/models/unload", body).await;
        assert!(
            got == status && answer["detail"].as_str().is_some_and(|detail| detail.contains(part)),
            "{got} {answer}"
        );
    }
}

/// Method: the model takes 2 s to load, and 10 ms for each token; the plan has 4 of them with its end, the answer 3.
#[tokio::test(start_paused = true)]
async fn a_turn_tells_the_times_of_all_its_calls_together() {
    let texts = ["1.a", "ok", "1.a", "ok"].map(str::to_owned).into();
    let slow = ModelScript { load_time: Duration::from_secs(2), reply: Reply::Script(texts), ..hundred_ms() };
    let server = Server::begin(slow, HttpLimits::default());
    let body = json!({"message": "do it", "mode": "work"});
    let answer = server.connect().post("/chat", "", &body).await;
    let header = "server-timing: load;dur=2000.000, wait;dur=2000.000, prefill;dur=20.000, decode;dur=50.000\r\n";
    assert!(answer.head.contains(header), "{}", answer.head);
    assert!(answer.head.contains("x-edison-ticket: 2\r\nx-edison-wait-ms: 2000\r\n"), "{}", answer.head);
    assert!(answer.head.contains("x-edison-model: m"), "{}", answer.head);
    let timings = &answer.json()["timings"];
    let read = ["loaded_ms", "waited_ms", "prompt_ms", "predicted_ms", "predicted_n"].map(|name| &timings[name]);
    assert_eq!(read, [&json!(2000.0), &json!(2000.0), &json!(20.0), &json!(50.0), &json!(7)], "{timings}");
    let streamed = server.connect().post("/chat/stream", "", &body).await;
    let done = streamed.events().pop().expect("events");
    let read = ["loaded_ms", "waited_ms", "prompt_ms", "predicted_n"].map(|name| &done["timings"][name]);
    assert_eq!(read, [&json!(0.0), &json!(0.0), &json!(20.0), &json!(7)], "{done}");
    // One token of each prompt was remembered, of two calls and of one.
    let server = Server::playing(&Fake { context_len: 4096, ..Fake::saying(&["1. dig"]) }).await;
    for (mode, n_cached) in [("work", 2), ("chat", 1)] {
        let answer = server.connect().post("/chat", "", &json!({"message": "hi", "mode": mode})).await;
        assert_eq!(answer.json()["timings"]["cache_n"], json!(n_cached), "{mode}");
    }
}

/// Method: an answer of a minute holds the model. A chat waits for it in the class of people, unless it says otherwise, and
/// no longer than it says.
#[tokio::test(start_paused = true)]
async fn a_chat_and_its_title_wait_as_their_headers_say() {
    let slow = ModelScript { time_per_token: Duration::from_secs(6), ..hundred_ms() };
    let server = Server::start(slow, HttpLimits::default()).await;
    let mut holder = server.connect();
    holder.chat(true).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let body = json!({"message": "hi", "mode": "chat"});
    for (headers, class) in [("", "Interactive"), ("x-priority: background\r\n", "Background")] {
        let headers = format!("{headers}x-queue-timeout-ms: 1500\r\n");
        let waits = server.connect().post("/chat", &headers, &body);
        let (refused, seen) = tokio::join!(waits, async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            format!("{:?}", server.service.models()[0].waiting[0].class)
        });
        assert_eq!((refused.status, seen.as_str()), (503, class));
        assert!(refused.json()["detail"].as_str().is_some_and(|why| why.starts_with("waited 1.5s")), "{refused:?}");
    }
    // A title lets everybody go first, and there is one without a model.
    let begun = tokio::time::Instant::now();
    let waits = server.connect().post("/generate-title", "x-queue-timeout-ms: 1500\r\n", &body);
    let (title, seen) = tokio::join!(waits, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        format!("{:?}", server.service.models()[0].waiting[0].class)
    });
    assert_eq!((title.status, &title.json()["title"], seen.as_str()), (200, &json!("hi"), "Background"));
    assert_eq!(begun.elapsed(), Duration::from_millis(1500));
    for path in ["/chat", "/chat/stream", "/generate-title"] {
        let refused = server.connect().post(path, "x-priority: urgent\r\n", &body).await;
        let detail = refused.json()["detail"].clone();
        assert!(refused.status == 400 && detail.as_str().is_some_and(|why| why.contains("x-edison-class")), "{path}");
    }
}

/// A page looks for the names of events, and passes comments over. Method: another answer has 98 s to go, and nothing is said
/// of a plan before it is complete, although its tokens come.
#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_or_plans_tells_where_it_is() {
    let texts = ["other text", "1. a\n2. b", "ok"].map(str::to_owned).into();
    let script = ModelScript { time_per_token: Duration::from_secs(9), reply: Reply::Script(texts), ..hundred_ms() };
    let server = Server::start(script, HttpLimits::default()).await;
    let mut other = server.connect();
    other.chat(true).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let headers = "x-edison-keep-alive-ms: 20000\r\n";
    let answer = server.connect().post("/chat/stream", headers, &json!({"message": "do it", "mode": "work"})).await;
    let names: Vec<_> = answer.frames().into_iter().map(|frame| frame.lines().next().unwrap_or_default()).collect();
    let (queued, decoding) = (": queue position=1", ": decode");
    let waits = [&["event: init"][..], &[queued; 4], &[": prefill"], &[decoding; 4], &["event: work_plan"]].concat();
    let told = ["event: token", "event: token", "event: done"];
    assert_eq!(names, [&waits[..], &told].concat());
    drop(other);
}

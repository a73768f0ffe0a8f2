//! EDISON's own clients, each with all that it sends and all that it reads.

use std::sync::Arc;

use backend::{ModelSource, ModelSpec};
use backend_mock::{Fault, MockBackend, MockConfig, ModelScript, Reply};
use serde_json::{Value, json};
use server::{AppOptions, HttpLimits};
use serving::{ModelConfig, Service, ServiceConfig, Tier};

use super::fake::Fake;
use super::support::{Answer, Server, hundred_ms};

/// As a page of this machine sends it.
const PAGE: &str = "origin: http://localhost:8080\r\ncontent-type: application/json\r\n";

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    server.connect().post(path, PAGE, body).await
}

async fn get(server: &Server, path: &str) -> Answer {
    let mut client = server.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{PAGE}\r\n")).await;
    Answer::read(&client.rest().await)
}

/// A model for each tier, which says its own name.
async fn tiers() -> Server {
    let all = [Tier::Fast, Tier::Medium, Tier::Deep];
    let says = |name: &str| ModelScript { reply: Reply::Fixed(name.to_owned()), ..hundred_ms() };
    let name = |tier: Tier| format!("{}.gguf", tier.as_str());
    let mock = all.iter().fold(MockConfig::default(), |mock, tier| mock.with_model(name(*tier), says(tier.as_str())));
    let model = |tier: &Tier| ModelConfig::new(ModelSpec::new(name(*tier), ModelSource::File(name(*tier).into())));
    let config = ServiceConfig {
        models: all.iter().map(model).collect(),
        tiers: all.into_iter().map(|tier| (tier, name(tier))).collect(),
        ..ServiceConfig::default()
    };
    let service = Service::start(config, Arc::new(MockBackend::new(mock))).expect("a consistent configuration");
    service.loaded().await;
    Server { service, options: AppOptions::default() }
}

/// The node prints the answer with `[Mode: .. | Model: ..]` under it, for every mode in its menu.
#[tokio::test(start_paused = true)]
async fn the_node_gets_three_texts_in_every_mode_of_its_menu() {
    let server = tiers().await;
    for (mode, used, tier) in [
        ("auto", "chat", "fast"),
        ("chat", "chat", "fast"),
        ("reasoning", "reasoning", "deep"),
        ("agent", "agent", "deep"),
        ("code", "code", "deep"),
    ] {
        for remember in [true, false] {
            let answer = post(&server, "/chat", &json!({"message": "Hello", "mode": mode, "remember": remember})).await;
            let body = answer.json();
            let read = ["response", "mode_used", "model_used"].map(|name| body[name].as_str());
            assert_eq!((answer.status, read), (200, [Some(tier), Some(used), Some(tier)]), "{mode}");
        }
    }
}

/// The node looks for these without asking whether they are there.
#[tokio::test(start_paused = true)]
async fn the_health_check_finds_its_fields_whether_models_are_there_or_not() {
    let none = Server::begin(
        ModelScript { load_time: std::time::Duration::from_secs(60), ..hundred_ms() },
        HttpLimits::default(),
    );
    for (server, loaded) in [(none, false), (tiers().await, true)] {
        let health = get(&server, "/health").await;
        let body = health.json();
        assert_eq!((&body["models_loaded"]["fast_model"], &body["service"]), (&json!(loaded), &json!("edison-core")));
        let are_bools = [&body["models_loaded"]["deep_model"], &body["qdrant_ready"], &body["vision_enabled"]];
        assert!(health.status == 200 && are_bools.iter().all(|value| value.is_boolean()), "{body}");
        let are_texts = [&body["status"], &body["repo_root"], &body["vision_error"]];
        assert!(are_texts.iter().all(|value| value.is_string()), "no model can see here: {body}");
    }
}

/// Everything the page sends along with a message, and what it takes for granted in the answer.
#[tokio::test(start_paused = true)]
async fn the_page_sends_ten_turns_and_reads_the_answer_across_origins() {
    let fake = Fake { context_len: 4096, ..Fake::saying(&["hello"]) };
    let server = Server::playing(&fake).await;
    // It reads the turns after it has put the message among them.
    let mut turns: Vec<_> =
        (0..9).map(|n| json!({"role": (["user", "assistant"][n % 2]), "content": n.to_string()})).collect();
    turns.push(json!({"role": "user", "content": "Good day"}));
    let body = json!({
        "message": "Good day", "mode": "chat", "remember": null, "conversation_history": turns,
        "chat_id": "1769", "global_memory_search": false, "thinking_depth": "balanced", "selected_model": null,
        "assistant_profile_id": null, "swarm_session_id": null, "project_id": 7,
    });
    let answer = post(&server, "/chat", &body).await;
    assert!(answer.head.contains("access-control-allow-origin: http://localhost:8080"), "{}", answer.head);
    let read = answer.json();
    assert_eq!((answer.status, &read["response"], &read["mode_used"]), (200, &json!("hello"), &json!("chat")));
    assert!(read.get("image_generation").is_none(), "it would draw a picture");
    let backend::Prompt::Chat(chat) = fake.the_request().prompt.prompt else { panic!("a chat") };
    let said: Vec<_> = chat.messages[1..].iter().map(|message| message.content.as_str()).collect();
    assert_eq!(said, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "Good day"], "the message stands there once");
}

/// The page of later versions has other words for the modes, and a menu of models.
#[tokio::test(start_paused = true)]
async fn the_menus_of_the_later_page_are_understood() {
    let server = tiers().await;
    for (mode, used) in [("instant", "chat"), ("thinking", "reasoning"), ("research", "agent"), ("safety", "chat")] {
        let answer = post(&server, "/chat", &json!({"message": "Hello", "mode": mode})).await;
        assert_eq!((answer.status, &answer.json()["mode_used"]), (200, &json!(used)), "{mode}");
    }
    let menu = get(&server, "/models/list").await.json();
    for entry in menu["models"].as_array().expect("a list") {
        let (path, name) = (&entry["path"], entry["name"].as_str().expect("a name"));
        let answer = post(&server, "/chat", &json!({"message": "Hello", "selected_model": path})).await.json();
        assert_eq!(
            (&answer["model_used"], answer["response"].as_str()),
            (path, name.strip_suffix(".gguf")),
            "{answer}"
        );
    }
    let unknown = post(&server, "/chat", &json!({"message": "Hello", "selected_model": "gone.gguf"})).await;
    assert!(unknown.status == 404 && unknown.json()["detail"].as_str().is_some_and(|why| why.contains("gone.gguf")));
    let nothing = post(&server, "/chat", &json!({"message": "Hello", "selected_model": ""})).await;
    assert_eq!(nothing.json()["model_used"], "fast");
}

/// The later page sends a depth with every message, `balanced` unless its user chose another one.
#[tokio::test(start_paused = true)]
async fn the_depth_that_the_page_sends_chooses_the_tier() {
    let server = tiers().await;
    for (mode, depth, read) in [
        ("work", "fast", ["fast", "chat", "fast"]),
        ("work", "balanced", ["medium", "work", "medium"]),
        ("work", "deep", ["deep", "work", "deep"]),
        ("chat", "balanced", ["fast", "chat", "fast"]),
        ("chat", "deep", ["deep", "chat", "deep"]),
    ] {
        let body = json!({"message": "Hello", "mode": mode, "thinking_depth": depth});
        let answer = post(&server, "/chat", &body).await.json();
        let told = ["response", "mode_used", "model_used"].map(|name| answer[name].as_str());
        assert_eq!(told, read.map(Some), "{mode} {depth}");
    }
}

/// What this server is not is said in words, by status and detail: the page takes every status but 2xx for an error.
#[tokio::test(start_paused = true)]
async fn what_is_outside_of_this_server_has_a_clear_answer() {
    let server = tiers().await;
    let swarm = post(&server, "/chat/stream", &json!({"message": "Hello", "mode": "swarm"})).await;
    let why = swarm.json()["detail"][0]["msg"].as_str().map(str::to_owned).unwrap_or_default();
    assert!(swarm.status == 422 && why.contains("swarm is several models"), "{swarm:?}");
    let profile = post(&server, "/chat", &json!({"message": "Hello", "assistant_profile_id": "p1"})).await;
    assert_eq!((profile.status, &profile.json()["detail"][0]["loc"][1]), (422, &json!("assistant_profile_id")));
    for path in ["/system/readiness", "/system/memory"] {
        let none = get(&server, path).await;
        let detail = none.json()["detail"].as_str().map(str::to_owned).unwrap_or_default();
        assert!(none.status == 404 && detail.contains(path), "{none:?}");
        assert!(none.head.contains("access-control-allow-origin: http://localhost:8080"), "it could not read it else");
    }
}

/// What the page makes of a stream: it goes by what is in the data, and not by the names of the events.
#[derive(Debug, Default, PartialEq)]
struct Read {
    id: Option<String>,
    text: String,
    done: Option<Value>,
}

/// The page's way to read, with the faults that it has: a line counts if it begins with the name, a colon and a space; data
/// counts if a name came before it; each is JSON in one line; and whatever comes behind the end is a fault of ours.
fn read_as_the_page_does(body: &str) -> Read {
    let (mut read, mut name) = (Read::default(), None);
    for line in body.split('\n') {
        if let Some(found) = line.strip_prefix("event: ") {
            name = Some(found);
        } else if let Some(data) = line.strip_prefix("data: ") {
            assert!(name.take().is_some() && read.done.is_none(), "{line} in {body}");
            let data: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
            if let Some(id) = data["request_id"].as_str() {
                assert!(read == Read::default(), "it begins once, and first: {body}");
                read.id = Some(id.to_owned());
            } else if let Some(text) = data["t"].as_str().filter(|text| !text.is_empty()) {
                read.text += text;
            } else if data.get("ok").is_some() {
                read.done = Some(data);
            }
        } else {
            assert!(line.is_empty() || line.starts_with(':'), "{line:?} in {body}");
        }
    }
    read
}

#[tokio::test(start_paused = true)]
async fn the_page_reads_every_stream_from_its_id_to_its_end() {
    let text = "Grüße\n\ndata: {\"ok\":false}\nevent: done\r\n1. a\n2. b";
    let says = || ModelScript { reply: Reply::Fixed(text.to_owned()), ..hundred_ms() };
    let breaks = || ModelScript { faults: [(1, Fault::FailAfter { tokens: 3 })].into(), ..says() };
    for (script, mode, ok) in [(says(), "chat", true), (says(), "work", true), (breaks(), "chat", false)] {
        let server = Server::start(script, HttpLimits::default()).await;
        let answer = post(&server, "/chat/stream", &json!({"message": "Hello", "mode": mode})).await;
        let read = read_as_the_page_does(&answer.body);
        let done = read.done.unwrap_or_else(|| panic!("no end in {}", answer.body));
        assert!(answer.head.contains(&format!("x-request-id: {}\r\n", read.id.expect("an id"))), "{}", answer.head);
        assert_eq!(done["ok"], ok, "{done}");
        if ok {
            assert_eq!((read.text.trim(), done["response"].as_str()), (text.trim(), Some(text.trim())));
            let steps = done["work_steps"].as_array().map(Vec::len);
            assert_eq!(steps, (mode == "work").then_some(2), "texts that can be cut and shown: {done}");
        } else {
            assert!(done["error"].is_string() && text.starts_with(&read.text), "{done}");
        }
    }
}

/// To stop, the page of the first version only drops its connection, in the middle of a whole answer as well.
#[tokio::test(start_paused = true)]
async fn a_page_that_goes_away_frees_the_model() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let body = json!({"message": "Hello", "mode": "chat"}).to_string();
    for path in ["/chat", "/chat/stream", "/generate-title"] {
        let mut client = server.connect();
        client.send(format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        tokio::time::sleep(std::time::Duration::from_millis(45)).await;
        assert_eq!(server.lane(), "leased", "{path}");
        drop(client);
        server.at_rest().await;
        let last = server.service.models()[0].history.last().cloned().expect("it held the lane");
        assert_eq!(last.ended.as_str(), "cancelled", "{path}");
    }
}

/// `app_features.js` leaves the answer out, and formats what it gets without looking.
#[tokio::test]
async fn titles_and_numbers_are_there_for_whoever_formats_them() {
    let server = tiers().await;
    for body in [json!({"message": "Hello"}), json!({"message": "Hello", "response": "Hi."})] {
        let answer = post(&server, "/generate-title", &body).await;
        assert_eq!((answer.status, &answer.json()["title"]), (200, &json!("fast")));
    }
    let stats = get(&server, "/system/stats").await;
    assert!(stats.head.contains("access-control-allow-origin: http://localhost:8080"), "{}", stats.head);
    for name in ["cpu_percent", "gpu_percent", "ram_used_gb", "ram_total_gb", "temp_c"] {
        assert!(stats.json()[name].is_number(), "{name}");
    }
}

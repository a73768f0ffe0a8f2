//! The promises on the real engine: llama.cpp with the demo models, over HTTP, in real time.
//!
//! Nothing here is timed. What runs at the same time is forced to: a client that does not read holds its lane, because
//! the pipe to it is small and the engine waits for it.

use backend::{AdapterSpec, ModelSource, Scale};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edison_tests::chance::Chance;
use edison_tests::client::{Client, chat};
use edison_tests::engine::{start, start_with};
use edison_tests::world::overlap;
use http::Method;
use serde_json::{Value, json};
use serving::{Ended, Outcome, Service};

const CLIENTS: usize = 16;
const REQUESTS: usize = 10;

fn outcomes(service: &Service, model: &str) -> Vec<Outcome> {
    service.models().into_iter().find(|view| view.id == model).expect("a model").history
}

/// Asserts that every lane is home and that no two holds of a model were ever at the same time.
fn assert_sound(service: &Service) {
    for model in service.models() {
        assert!(model.lanes.iter().all(|lane| lane.state == "free"), "{:?}", model.lanes);
        assert!(model.waiting.is_empty());
        // Oldest first, and the lane comes home before the next hold begins: neighbours suffice.
        for pair in model.history.windows(2) {
            assert!(!overlap(&pair[0], &pair[1]), "{pair:#?}");
        }
    }
}

/// Waits until nobody is under way any more.
async fn settle(service: &Service) {
    while service.models().iter().any(|m| !m.waiting.is_empty() || m.lanes.iter().any(|lane| lane.state != "free")) {
        tokio::task::yield_now().await;
    }
}

/// What each client will ask, and what the model answers when nobody else asks.
async fn asked_alone(client: &Client, chance: &mut Chance) -> Vec<(String, String)> {
    let mut pairs = vec![];
    for _ in 0..CLIENTS * REQUESTS {
        let text = format!("Repeat after me: {}", chance.marker());
        let alone = client.chat(&chat("fast", &text, false)).await.content().await;
        pairs.push((text, alone));
    }
    pairs
}

/// S3. Sixteen clients at once, ten requests each, streamed and not: every answer is byte for byte the answer that the
/// same request gets alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_sixty_answers_under_load_equal_the_answers_alone() {
    let service = start(&["fast"]);
    service.loaded().await;
    let client = Client::of(&service);
    let mut chance = Chance::announced("a_hundred_and_sixty_answers", 7);
    let pairs = asked_alone(&client, &mut chance).await;
    // The solo answer is the truth, and it must be worth something: the model misses a marker in a thousand.
    let echoed = pairs.iter().filter(|(text, alone)| text.ends_with(&format!(" {alone}"))).count();
    assert!(echoed >= CLIENTS * REQUESTS - 3, "only {echoed} markers came back");
    let clients: Vec<_> = pairs
        .chunks(REQUESTS)
        .map(|own| {
            let (client, own) = (client.clone(), own.to_vec());
            tokio::spawn(async move {
                for (i, (text, alone)) in own.iter().enumerate() {
                    let answer = client.chat(&chat("fast", text, i % 2 == 0)).await.content().await;
                    assert_eq!(answer, *alone, "under load and alone, for {text:?}");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no client saw another's words");
    }
    assert_eq!(outcomes(&service, "fast").len(), 2 * CLIENTS * REQUESTS);
    assert_sound(&service);
}

/// S3, S4. The same while every second client leaves in the middle of half of its requests, at a moment of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_at_random_change_nobody_elses_answer() {
    let service = start(&["fast"]);
    service.loaded().await;
    let client = Client::of(&service);
    let mut chance = Chance::announced("clients_that_leave_at_random", 11);
    let pairs = asked_alone(&client, &mut chance).await;
    let clients: Vec<_> = pairs
        .chunks(REQUESTS)
        .enumerate()
        .map(|(number, own)| {
            let (client, own) = (client.clone(), own.to_vec());
            let leaves: Vec<_> = own.iter().map(|_| (number % 2 == 1).then(|| chance.below(40))).collect();
            tokio::spawn(async move {
                let mut left = 0;
                for (i, ((text, alone), leave)) in own.iter().zip(leaves).enumerate() {
                    let body = chat("fast", text, i % 2 == 0);
                    match leave {
                        Some(events) if events < 20 => left += leave_after(&client, &body, events).await,
                        _ => assert_eq!(client.chat(&body).await.content().await, *alone, "for {text:?}"),
                    }
                }
                left
            })
        })
        .collect();
    let mut left = 0;
    for client in clients {
        left += client.await.expect("no client saw another's words");
    }
    assert!(left > CLIENTS, "the seed makes clients leave");
    settle(&service).await;
    assert_sound(&service);
}

/// Leaves before the head of the answer, or after some events of it.
async fn leave_after(client: &Client, body: &Value, events: u64) -> usize {
    let asked = client.chat(body);
    if events < 5 {
        // Given up while it waits, after a few turns of the scheduler.
        let mut turns = events * 3;
        let turns = std::future::poll_fn(move |cx| {
            if turns == 0 {
                return std::task::Poll::Ready(());
            }
            turns -= 1;
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        });
        tokio::select! { biased; _ = asked => {}, () = turns => {} }
        return 1;
    }
    let mut reply = asked.await;
    for _ in 0..events {
        if reply.event().await.is_none() {
            break;
        }
    }
    1
}

/// S3. Three requests to one model: one holds, two wait, and the holds of the records do not overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_requests_to_one_model_hold_it_one_after_the_other() {
    let service = start(&["fast"]);
    service.loaded().await;
    let client = Client::of(&service);
    let mut first = client.chat(&chat("fast", "Count from 1 to 60", true)).await;
    first.event().await.expect("it streams");
    let others: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.chat(&chat("fast", "Count from 1 to 60", true)).await.content().await })
        })
        .collect();
    while service.models()[0].waiting.len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(service.models()[0].lanes[0].state, "leased", "the first is not read, so it still holds");
    let counted = first.content().await;
    for other in others {
        let other = other.await.expect("answered");
        assert!(other.ends_with(&counted) && other.ends_with(" 59 60"), "{other:?}");
    }
    assert_eq!(outcomes(&service, "fast").len(), 3);
    assert_sound(&service);
}

/// S5. Three requests to three models: all three hold at the same time, and the holds of the records overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_requests_to_three_models_hold_them_at_the_same_time() {
    let models = ["fast", "medium", "deep"];
    let service = start(&models);
    service.loaded().await;
    let client = Client::of(&service);
    let mut streams = vec![];
    for model in models {
        let mut stream = client.chat(&chat(model, "Count from 1 to 60", true)).await;
        stream.event().await.expect("it streams");
        streams.push(stream);
    }
    // None has been read to its end, so none has let go.
    assert!(service.models().iter().all(|model| model.lanes[0].state == "leased"));
    for stream in streams {
        assert!(stream.content().await.ends_with(" 59 60"));
    }
    let holds: Vec<_> = models.iter().flat_map(|model| outcomes(&service, model)).collect();
    assert_eq!(holds.len(), 3);
    assert!(overlap(&holds[0], &holds[1]) && overlap(&holds[1], &holds[2]) && overlap(&holds[0], &holds[2]));
    assert_sound(&service);
}

/// The four tiers are four models: each says which one it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tier_is_answered_by_a_model_of_its_own() {
    let models = ["fast", "medium", "deep", "vision"];
    let service = start(&models);
    // Not waiting for the load: requests queue up for it.
    let client = Client::of(&service);
    for model in models {
        let answer = client.chat(&chat(model, "Which tier are you?", false)).await.content().await;
        assert_eq!(answer, format!("I am the {model} tier."));
    }
}

/// S4, on the engine, in the phases in which a client can be caught holding still: while the model loads, while waiting,
/// and in decode. The lane goes on to the next, whose answer is what it is alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_in_any_phase_passes_the_lane_on() {
    let service = start(&["fast"]);
    let client = Client::of(&service);
    let ask = |stream| {
        let client = client.clone();
        tokio::spawn(async move { client.chat(&chat("fast", "Count from 1 to 60", stream)).await })
    };
    ask(false).abort(); // Leaves while the model loads.
    let mut holds = ask(true).await.expect("answered");
    holds.event().await.expect("it streams");
    let waits = ask(false);
    while service.models()[0].waiting.is_empty() {
        tokio::task::yield_now().await;
    }
    waits.abort(); // Leaves while it waits.
    while !service.models()[0].waiting.is_empty() {
        tokio::task::yield_now().await;
    }
    let next = ask(false);
    drop(holds); // Leaves in decode.
    assert!(next.await.expect("answered").content().await.ends_with(" 59 60"));
    settle(&service).await;
    let ended: Vec<_> = outcomes(&service, "fast").iter().map(|outcome| outcome.ended).collect();
    assert!(ended.contains(&Ended::Cancelled), "{ended:?}");
    assert_sound(&service);
}

/// S4. A prompt of 900 tokens takes many chunks; its client leaves as soon as the engine has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_in_the_prefill_of_a_long_prompt_frees_the_lane_before_its_end() {
    let service = start(&["deep"]);
    service.loaded().await;
    let client = Client::of(&service);
    let long = chat("deep", &"all work and no play ".repeat(43), true);
    let mut cut_in_prefill = 0;
    for _ in 0..10 {
        let leaver = tokio::spawn({
            let (client, long) = (client.clone(), long.clone());
            async move { client.chat(&long).await }
        });
        while service.models()[0].lanes[0].holder.is_none() && !leaver.is_finished() {
            tokio::task::yield_now().await;
        }
        leaver.abort();
        let answer = client.chat(&chat("deep", "Repeat after me: still here", false)).await.content().await;
        assert_eq!(answer, "still here");
        let left = outcomes(&service, "deep").into_iter().rev().nth(1).expect("the leaver's record");
        cut_in_prefill += usize::from(left.ended == Ended::Cancelled && left.tokens == 0);
    }
    assert!(cut_in_prefill > 0, "ten tries, and none was caught in prefill");
    assert_sound(&service);
}

/// The committed pictures, as a client sends them, and what is in them.
const PICTURES: [(&[u8], &str); 3] = [
    (include_bytes!("../../fixtures/images/red-circle.png"), "a red circle"),
    (include_bytes!("../../fixtures/images/blue-square.png"), "a blue square"),
    (include_bytes!("../../fixtures/images/green-cross.png"), "a green cross"),
];

fn seen(png: &[u8]) -> Value {
    let url = format!("data:image/png;base64,{}", STANDARD.encode(png));
    let parts = json!([
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "What is in this picture?"},
    ]);
    json!({"model": "vision", "temperature": 0, "messages": [{"role": "user", "content": parts}]})
}

/// S3 for pictures: clients that ask at once about different ones hear of their own. And a model that does not see says
/// so, before it is anybody's turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_named_to_those_who_sent_them() {
    let service = start(&["fast", "vision"]);
    service.loaded().await;
    let client = Client::of(&service);
    let clients: Vec<_> = (0..9)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let (png, expected) = PICTURES[n % PICTURES.len()];
                assert_eq!(client.chat(&seen(png)).await.content().await, expected);
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no client fails");
    }
    let mut blind = seen(PICTURES[0].0);
    blind["model"] = "fast".into();
    let refused = client.chat(&blind).await;
    assert_eq!(refused.status.as_u16(), 400);
    settle(&service).await;
    assert_sound(&service);
}

/// What the engine spares itself is shown, and for whom which adapter is at work.
/// Method: three conversations of some 400 tokens, the third with an adapter, and memory for the state of one: 2 KiB for each
/// token, in a MiB. The second conversation puts the first aside, and the third puts the second in its place; then the second
/// goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saved_states_and_adapters_of_the_real_engine_are_shown() {
    let service = start_with(&["fast"], |spec| {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/models/edison-demo-fast-adapter.gguf");
        let source = ModelSource::File(file.into());
        spec.adapters = vec![AdapterSpec { name: "tone".into(), source, scale: Scale::ONE }];
        spec.tuning.saved_state_mib = 1;
    });
    service.loaded().await;
    let client = Client::of(&service);
    for (model, word) in [("fast", "otter "), ("fast", "kestrel "), ("fast:tone", "gravel "), ("fast", "kestrel ")] {
        let mut body = chat(model, word.repeat(400 / word.len()).trim_end(), false);
        body["max_tokens"] = 2.into();
        client.chat(&body).await.content().await;
    }
    let history = client.get("/locks").await["models"][0]["history"].clone();
    let holds: Vec<_> = history.as_array().expect("holds").iter().collect();
    let adapters: Vec<_> = holds.iter().map(|hold| &hold["adapter"]).collect();
    assert_eq!(adapters, [&json!(null), &json!(null), &json!({"name": "tone", "scale": 1.0}), &json!(null)]);
    let cached: Vec<_> = holds.iter().map(|hold| hold["cached_tokens"].as_u64().expect("a number")).collect();
    assert!(cached[..3] == [0; 3] && cached[3] > 200, "{cached:?}");
    let page = client.send(Method::GET, "/metrics", &[], vec![]).await.text().await;
    let value = |name: &str| {
        let line =
            page.lines().find_map(|line| line.strip_prefix(&format!("edison_saved_states_{name}{{model=\"fast\"}} ")));
        line.and_then(|value| value.parse::<u64>().ok()).unwrap_or_else(|| panic!("{name} is not in {page}"))
    };
    assert_eq!((value("restored_total"), value("evicted_total")), (1, 1));
    let bytes = value("bytes");
    assert!((1..=1 << 20).contains(&bytes), "{bytes}");
    assert_eq!(client.get("/props").await["saved_states"], json!({"bytes": bytes, "restored": 1, "evicted": 1}));
    assert_sound(&service);
}

/// What an engine guessed is told with the times, whole and streamed, and nothing where it guesses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drafts_are_told_with_the_times() {
    for drafts in [false, true] {
        let service = start_with(&["fast"], |spec| spec.tuning.draft_tokens = if drafts { 7 } else { 0 });
        service.loaded().await;
        let client = Client::of(&service);
        let mut chunks = vec![];
        // The first drafts are only compared with plain steps, and not counted.
        for stream in [false, false, false, true] {
            let body = json!({
                "model": "fast", "prompt": "xy".repeat(32), "n_predict": 150, "ignore_eos": true, "temperature": 0,
                "stream": stream,
            });
            let mut reply = client.send(Method::POST, "/completion", &[], body.to_string().into_bytes()).await;
            if stream {
                while let Some(event) = reply.event().await {
                    chunks.push(serde_json::from_str::<Value>(&event).expect("JSON"));
                }
            } else {
                chunks.push(reply.json().await);
            }
        }
        let timed: Vec<&Value> = chunks.iter().filter_map(|chunk| chunk.get("timings")).collect();
        assert_eq!(timed.len(), 4);
        for timings in &timed[2..] {
            let counts = ["draft_n", "draft_n_accepted"].map(|name| timings.get(name).and_then(Value::as_u64));
            match counts {
                [Some(drafted), Some(accepted)] => assert!(drafts && drafted >= accepted && accepted > 50, "{timings}"),
                counts => assert!(!drafts && counts == [None, None], "{timings}"),
            }
        }
    }
}

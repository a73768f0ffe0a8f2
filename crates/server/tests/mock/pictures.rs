//! Pictures: rules match on their number, a model can be without eyes, and what it remembers of one is never another's.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, mock, post, send};
use server::mock::Mock;

/// A pixel.
const DOT: &str = "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";

fn asking(n_pictures: usize) -> Value {
    let mut parts = vec![json!({"type": "image_url", "image_url": {"url": DOT}}); n_pictures];
    parts.push(json!({"type": "text", "text": "What is it?"}));
    json!({"model": "fast", "messages": [{"role": "user", "content": parts}]})
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_chosen_by_the_number_of_pictures() {
    let rules = r#"
        [[models]]
        name = "fast"
        [[rules]]
        when = { images = 2 }
        reply = "Two dots."
        [[rules]]
        when = { images = 0 }
        reply = "Nothing."
    "#;
    let mock = mock(&format!("strict = true\n{rules}"));
    for (n_pictures, said) in [(2, "Two dots."), (0, "Nothing.")] {
        let answer = post(&mock, &[], &asking(n_pictures)).await;
        assert_eq!(answer.json()["choices"][0]["message"]["content"], said, "{}", answer.text);
    }
    let answer = post(&mock, &[], &asking(1)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("the number of pictures is 1, not "), "{}", answer.text);
}

/// The same question in every protocol, in every field that can hold a picture.
fn asked_everywhere() -> Vec<(&'static str, Value)> {
    let data = DOT.split_once(',').map(|(_, data)| data);
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": data}});
    let by_url = json!({"type": "image", "source": {"type": "url", "url": DOT}});
    let result =
        json!({"type": "tool_result", "tool_use_id": "a", "content": [image, {"type": "text", "text": "seen"}]});
    let messages =
        |content: Value| json!({"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
    let input_image = json!({"type": "input_image", "image_url": DOT, "detail": "auto"});
    let input = |items: Value| json!({"model": "fast", "input": items});
    vec![
        ("/v1/chat/completions", asking(2)),
        ("/v1/messages", messages(json!([image, by_url, {"type": "text", "text": "What is it?"}]))),
        ("/v1/messages", messages(json!([result, image]))),
        ("/v1/responses", input(json!([{"role": "user", "content": [input_image, input_image]}]))),
        (
            "/v1/responses",
            input(json!([
                {"role": "user", "content": [input_image]},
                {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": [input_image]},
            ])),
        ),
        ("/chat", json!({"message": "What is it?", "images": [data, DOT]})),
    ]
}

async fn ask(mock: &Mock, path: &str, body: &Value) -> Answer {
    send(mock, Method::POST, path, &[], body.to_string()).await
}

#[tokio::test(start_paused = true)]
async fn every_protocol_shows_its_pictures_to_the_model() {
    let script = r#"
        strict = true
        [[models]]
        name = "fast"
        [[models]]
        name = "vision"
        [[rules]]
        when = { images = 2 }
        reply = "Two dots."
    "#;
    let mock = mock(script);
    for (path, body) in asked_everywhere() {
        let answer = ask(&mock, path, &body).await;
        assert!(answer.status == 200 && answer.text.contains("Two dots."), "{path}: {}", answer.text);
    }
}

/// What `/v1/messages/count_tokens` says is what `/v1/messages` uses.
#[tokio::test(start_paused = true)]
async fn pictures_are_counted_as_they_are_used() {
    let mock = mock("[[models]]\nname = \"fast\"\n[[rules]]\nreply = \"x\"\n");
    for (path, body) in asked_everywhere().into_iter().filter(|(path, _)| *path == "/v1/messages") {
        let used = ask(&mock, path, &body).await.json()["usage"]["input_tokens"].clone();
        let counted = ask(&mock, "/v1/messages/count_tokens", &body).await.json();
        assert_eq!(counted, json!({"input_tokens": used}), "{body}");
        assert!(used.as_u64() > Some(32), "two pictures of 16 tokens each");
    }
}

/// Pictures in a prompt that is no prompt any more cannot be counted, and what is left is not told as if it were all.
#[tokio::test(start_paused = true)]
async fn pictures_that_cannot_be_counted_are_refused_and_not_left_out() {
    let script =
        "[[models]]\nname = \"fast\"\ncontext_len = 32\n[[models]]\nname = \"blind\"\nwithout = [\"vision\"]\n";
    let mock = mock(script);
    let (_, mut body) = asked_everywhere().remove(1);
    let answer = ask(&mock, "/v1/messages/count_tokens", &body).await;
    assert!(answer.status == 400 && answer.text.contains("32"), "{}", answer.text);
    body["model"] = json!("blind");
    let answer = ask(&mock, "/v1/messages/count_tokens", &body).await;
    assert!(answer.status == 400 && answer.text.contains("has no eyes for pictures"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_model_without_eyes_refuses_pictures_by_name() {
    let mock = mock("[[models]]\nname = \"fast\"\nwithout = [\"vision\"]\n");
    let answer = post(&mock, &[], &asking(1)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.text.contains("has no eyes for pictures"), "{}", answer.text);
    assert_eq!(post(&mock, &[], &asking(0)).await.status, 200);
}

/// The first picture of a conversation has the same token as the first of any other.
#[tokio::test(start_paused = true)]
async fn a_picture_is_not_remembered_and_neither_is_what_follows_it() {
    let mock = mock("[[models]]\nname = \"fast\"\nprefix_cache = true\n");
    let cached = async |n_pictures| {
        let usage = post(&mock, &[], &asking(n_pictures)).await.json()["usage"].clone();
        [usage["prompt_tokens"].as_u64(), usage["prompt_tokens_details"]["cached_tokens"].as_u64()].map(Option::unwrap)
    };
    let [words, none] = cached(0).await;
    assert_eq!((cached(0).await, none), ([words, words - 1], 0));
    let [all, _] = cached(1).await;
    assert!(all > words, "a picture takes tokens");
    assert_eq!(cached(1).await, [all, 1], "the mark of the message, before the picture");
}

//! Pictures: rules match on their number, a model can be without eyes, and what it remembers of one is never another's.

use serde_json::{Value, json};

use crate::support::{mock, post};

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

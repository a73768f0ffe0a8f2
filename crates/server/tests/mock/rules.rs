//! What is answered to what.

use serde_json::json;

use crate::support::{ask, chat, mock, post, stream};

#[tokio::test(start_paused = true)]
async fn without_a_script_the_four_tiers_do_what_they_are_asked_to() {
    let mock = mock("");
    for tier in ["fast", "medium", "deep", "vision"] {
        let mut body = chat("Which tier are you?");
        body["model"] = json!(tier);
        assert_eq!(post(&mock, &[], &body).await.content(), format!("I am the {tier} tier."));
    }
    assert_eq!(stream(&mock, "Count from 1 to 5").await.streamed(), "1 2 3 4 5");
}

#[tokio::test(start_paused = true)]
async fn the_first_rule_that_matches_answers() {
    let mock = mock(
        r#"
        [[rules]]
        when = { user = "hello" }
        reply = "exactly hello"
        [[rules]]
        when = { user_contains = "hello", system_regex = "(?i)pirate" }
        reply = "arr"
        [[rules]]
        when = { user_regex = "^[0-9]+$" }
        reply = "a number"
        [[rules]]
        when = { turn = 2 }
        reply = "second turn"
        [[rules]]
        when = { call = 5 }
        reply = "fifth call"
        "#,
    );
    assert_eq!(ask(&mock, "hello").await.content(), "exactly hello");
    assert_eq!(ask(&mock, "42").await.content(), "a number");
    let pirate = json!({ "model": "fast", "messages": [
        { "role": "system", "content": "You are a Pirate." }, { "role": "user", "content": "why hello there" }] });
    assert_eq!(post(&mock, &[], &pirate).await.content(), "arr");
    let second = json!({ "model": "fast", "messages": [{ "role": "user", "content": "a" },
        { "role": "assistant", "content": "b" }, { "role": "user", "content": "c" }] });
    assert_eq!(post(&mock, &[], &second).await.content(), "second turn");
    assert_eq!(ask(&mock, "anything").await.content(), "fifth call");
    assert_eq!(ask(&mock, "Repeat after me: nobody matched").await.content(), "nobody matched");
}

#[tokio::test(start_paused = true)]
async fn sequences_are_given_one_after_the_other_and_then_repeat_cycle_or_stop() {
    for (then, expected) in [("repeat", ["a", "b", "b", "b"]), ("cycle", ["a", "b", "a", "b"])] {
        let mock = mock(&format!("[[rules]]\nreply = [\"a\", {{ text = \"b\" }}]\nthen = \"{then}\"\n"));
        let mut texts = Vec::new();
        for _ in 0..4 {
            texts.push(ask(&mock, "x").await.content());
        }
        assert_eq!(texts, expected, "{then}");
    }
    let mock = mock("[[rules]]\nreply = [\"a\", \"b\"]\nthen = \"stop\"\n[[rules]]\nreply = \"rest\"\ntimes = 1\n");
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(ask(&mock, "x").await.content());
    }
    assert_eq!(texts, ["a", "b", "rest"]);
    assert_eq!(ask(&mock, "Count from 1 to 2").await.content(), "1 2", "after all rules are spent");
}

#[tokio::test(start_paused = true)]
async fn templates_use_the_request_and_a_name_that_is_unknown_is_an_error() {
    let mock = mock(
        r#"
        [[rules]]
        when = { user_contains = "bad" }
        reply = { template = "{{ usr }}" }
        [[rules]]
        reply = { template = "{{ model }}/{{ turn }}/{{ n }}: {{ user | upper }} of {{ messages | length }}" }
        "#,
    );
    assert_eq!(ask(&mock, "hi").await.content(), "fast/1/1: HI of 1");
    assert_eq!(ask(&mock, "ho").await.content(), "fast/1/2: HO of 1");
    let answer = ask(&mock, "bad").await;
    assert_eq!(answer.status, 400);
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("rule 1: its template fails: undefined value"), "{message}");
}

/// The closest rule is named, with each thing that did not hold.
#[tokio::test(start_paused = true)]
async fn in_strict_mode_an_unmatched_request_is_told_the_closest_rule() {
    let mock = mock(
        r#"
        strict = true
        [[rules]]
        name = "greeting"
        when = { model = "deep", user_contains = "goodbye" }
        reply = "bye"
        [[rules]]
        name = "weather"
        when = { model = "fast", user_contains = "weather" }
        reply = "sunny"
        times = 1
        "#,
    );
    let message = |answer: crate::support::Answer| {
        let json = answer.json();
        assert_eq!((answer.status.as_u16(), &json["error"]["code"]), (400, &json!("no_scripted_answer")), "{json}");
        json["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        message(ask(&mock, "hello").await),
        "no rule matches this request; the closest is rule 2 \"weather\", but the last user message is \"hello\", in which \
         \"weather\" does not occur"
    );
    assert_eq!(ask(&mock, "the weather").await.content(), "sunny");
    let spent = message(stream(&mock, "the weather").await);
    assert!(spent.ends_with("but it has answered 1 times and no longer matches"), "{spent}");
}

#[tokio::test(start_paused = true)]
async fn echo_says_back_what_the_user_said() {
    let mock = mock("[[rules]]\nreply = { echo = true, finish = \"length\" }\n");
    let answer = ask(&mock, "näh 🦀").await;
    assert_eq!(answer.content(), "näh 🦀");
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "length");
}

/// A recording has the same words of a user with a system message and without.
#[tokio::test(start_paused = true)]
async fn an_empty_system_message_in_a_rule_is_none() {
    let mock = mock("[[rules]]\nwhen = { system = \"\" }\nreply = \"alone\"\n[[rules]]\nreply = \"told\"\n");
    assert_eq!(ask(&mock, "x").await.content(), "alone");
    let messages = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "x"}]);
    assert_eq!(post(&mock, &[], &json!({"model": "fast", "messages": messages})).await.content(), "told");
}

//! What is told of tokens that an engine guessed, on each path that tells where the time went.

use http::Method;
use serde_json::{Value, json};
use server::mock::Script;

use crate::support::{mock, send};

/// The engine guessed where it was asked to repeat, and nowhere else. Steps of work take a call of their own.
const SCRIPT: &str = r#"
    [[rules]]
    when = { system_contains = "Plan the task" }
    reply = { text = "1. dig", usage = { drafted_tokens = 4, accepted_tokens = 3 } }
    [[rules]]
    when = { user_contains = "repeat" }
    reply = { text = "again and again", usage = { drafted_tokens = 14, accepted_tokens = 0 } }
    [[rules]]
    when = { user_contains = "dig" }
    reply = { text = "dug", usage = { drafted_tokens = 7, accepted_tokens = 7 } }
"#;

/// The two counts of the one answer or event that tells times; `None` where it does not tell a count.
async fn counts(path: &str, body: &Value) -> [Option<u64>; 2] {
    let mock = mock(SCRIPT);
    let answer = send(&mock, Method::POST, path, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let said: Vec<Value> = match answer.text.contains("data: ") {
        true => {
            answer.text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
        }
        false => vec![answer.json()],
    };
    let timed: Vec<&Value> = said.iter().filter_map(|said| said.get("timings")).collect();
    let [timings] = timed[..] else { panic!("{path} tells its times {} times: {}", timed.len(), answer.text) };
    ["draft_n", "draft_n_accepted"].map(|name| timings.get(name).map(|count| count.as_u64().unwrap()))
}

/// Whole and streamed. A count of none right is told, too: it says that guessing did not pay.
#[tokio::test(start_paused = true)]
async fn drafts_are_told_where_there_were_any() {
    for stream in [false, true] {
        for (text, expected) in [("repeat it", [Some(14), Some(0)]), ("hello", [None, None])] {
            let messages = json!([{"role": "user", "content": text}]);
            let bodies = [
                ("/v1/chat/completions", json!({"model": "fast", "messages": messages, "stream": stream})),
                ("/v1/completions", json!({"model": "fast", "prompt": text, "stream": stream})),
                ("/completion", json!({"model": "fast", "prompt": text, "stream": stream})),
            ];
            for (path, body) in bodies {
                assert_eq!(counts(path, &body).await, expected, "{path}, {text}, stream: {stream}");
            }
        }
    }
}

/// The plan and its answer are two calls, and told as one.
#[tokio::test(start_paused = true)]
async fn the_drafts_of_a_plan_and_its_answer_are_told_together() {
    for path in ["/chat", "/chat/stream"] {
        let body = json!({"message": "dig", "mode": "work"});
        assert_eq!(counts(path, &body).await, [Some(11), Some(10)], "{path}");
    }
}

/// No engine has more right than it guessed, so no client is told that one had.
#[test]
fn a_script_tells_of_no_more_right_drafts_than_there_were() {
    let read = |usage: &str| {
        let script = format!("[[rules]]\nreply = {{ text = \"x\", usage = {{ {usage} }} }}\n");
        Script::from_toml(&script, "s").map_err(|error| error.to_string())
    };
    for (usage, part) in [
        ("drafted_tokens = 4, accepted_tokens = 5", "must be at most drafted_tokens, which are 4"),
        ("accepted_tokens = 0", "needs drafted_tokens"),
    ] {
        let error = read(usage).expect_err("it is wrong");
        assert!(error.contains("rules[0].reply.usage.accepted_tokens: ") && error.contains(part), "{usage}: {error}");
    }
    for usage in ["drafted_tokens = 4, accepted_tokens = 4", "drafted_tokens = 4"] {
        assert!(read(usage).is_ok(), "{usage}");
    }
}

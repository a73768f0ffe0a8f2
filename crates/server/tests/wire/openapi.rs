//! What is described is what there is.

use serde_json::Value;
use server::HttpLimits;

use super::support::{Server, hundred_ms};

async fn get(server: &Server, path: &str) -> (String, String) {
    let answer = server.connect().ask("GET", path).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

async fn description(server: &Server) -> Value {
    serde_json::from_str(&get(server, "/openapi.json").await.1).expect("JSON")
}

/// Every reference of a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn every_type_that_is_referred_to_is_described() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let description = description(&server).await;
    assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{description}");
    let mut found = Vec::new();
    references(&description, &mut found);
    assert!(found.len() > 50, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within the description");
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// Method: the router knows every path that is described, by its method and by no other.
#[tokio::test(start_paused = true)]
async fn every_operation_that_is_described_exists() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let description = description(&server).await;
    let paths = description["paths"].as_object().expect("paths");
    for (path, item) in paths {
        let path = path.replace("{id}", "m");
        let answer = server.connect().ask("PUT", &path).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{path}: {answer}");
        for method in item.as_object().expect("methods").keys() {
            let allowed = format!("allow: {}", method.to_uppercase());
            assert!(answer.contains(&allowed), "{path} has no {method}: {answer}");
        }
    }
}

/// A browser that shows it asks nobody for anything.
#[tokio::test(start_paused = true)]
async fn the_page_names_every_operation_and_needs_nothing_else() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let (head, page) = get(&server, "/docs").await;
    assert!(head.contains("content-type: text/html"), "{head}");
    for path in description(&server).await["paths"].as_object().expect("paths").keys() {
        assert!(page.contains(&format!(" {path}</code>")), "{path} is not on the page");
    }
    for foreign in ["<script", "<link", "<img", "src=", "http://", "https://", "@import"] {
        assert!(!page.contains(foreign), "the page has {foreign}");
    }
}

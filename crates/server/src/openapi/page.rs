//! The description as a page: no script, no style from elsewhere, nothing to load.

use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
    color:#222;background:#fff}code{font:14px ui-monospace,monospace}h2{margin-top:2.5rem;border-top:1px solid #ddd;\
    padding-top:1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;\
    padding:.2rem .8rem .2rem 0;border-bottom:1px solid #eee}a{color:#0b57d0}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}a{color:#8ab4f8}h2,td,th{border-color:#333}}";

/// Writes the page.
pub(super) fn write(description: &Value) -> String {
    let title = text(&description["info"]["title"]);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title} {}</h1><p>{}</p><p>For programs: <a href=\"/openapi.json\">/openapi.json</a></p><ul>",
        text(&description["info"]["version"]),
        text(&description["info"]["description"]),
    );
    let operations: Vec<_> = entries(&description["paths"])
        .flat_map(|(path, item)| entries(item).map(move |(method, operation)| (path, method, operation)))
        .filter(|(_, _, operation)| operation.is_object())
        .collect();
    for (path, method, operation) in &operations {
        let (id, summary) = (text(&operation["operationId"]), text(&operation["summary"]));
        let name = escaped(&format!("{} {path}", method.to_uppercase()));
        push(&mut page, format_args!("<li><a href=\"#{id}\"><code>{name}</code></a> {summary}</li>"));
    }
    page += "</ul>";
    for (path, method, operation) in operations {
        write_operation(&mut page, path, method, operation);
    }
    page += "<h2 id=\"types\">Types</h2>";
    for (name, schema) in entries(&description["components"]["schemas"]) {
        write_type(&mut page, name, schema);
    }
    page += "</html>\n";
    page
}

fn write_operation(page: &mut String, path: &str, method: &str, operation: &Value) {
    let (id, summary) = (text(&operation["operationId"]), text(&operation["summary"]));
    let name = escaped(&format!("{} {path}", method.to_uppercase()));
    push(page, format_args!("<h2 id=\"{id}\"><code>{name}</code></h2><p>{summary}</p>"));
    for body in entries(&operation["requestBody"]["content"]).map(|(_, content)| &content["schema"]) {
        push(page, format_args!("<p>Body: {}</p>", kind(body)));
    }
    page.push_str("<table>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let (kind, says) = (kind(&parameter["schema"]), text(&parameter["description"]));
        push(page, format_args!("<tr><td><code>{name}</code><td>{place}<td>{kind}<td>{says}"));
    }
    for (status, response) in entries(&operation["responses"]) {
        let kinds: Vec<_> = entries(&response["content"])
            .map(|(media, content)| match &content["x-event-data"] {
                Value::Null => format!("{}: {}", escaped(media), kind(&content["schema"])),
                event => format!("{}: events of {}", escaped(media), kind(event)),
            })
            .collect();
        let says = text(&response["description"]);
        push(page, format_args!("<tr><td><code>{status}</code><td>answer<td>{}<td>{says}", kinds.join("<br>")));
    }
    page.push_str("</table>");
}

fn write_type(page: &mut String, name: &str, schema: &Value) {
    let says = text(&schema["description"]);
    push(page, format_args!("<h3 id=\"type-{name}\">{name}</h3><p>{says}</p>"));
    if schema["properties"].is_object() {
        page.push_str(&properties(schema));
    } else {
        push(page, format_args!("<p>{}</p>", kind(schema)));
    }
}

fn properties(schema: &Value) -> String {
    let mut table = "<table>".to_owned();
    for (name, property) in entries(&schema["properties"]) {
        let says = text(&property["description"]);
        let (name, kind) = (escaped(name), kind(property));
        push(&mut table, format_args!("<tr><td><code>{name}</code><td>{kind}<td>{says}"));
    }
    table + "</table>"
}

/// What may stand there, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    for (ways, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " with ")] {
        if let Some(several) = schema[ways].as_array() {
            return several.iter().map(kind).collect::<Vec<_>>().join(between);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("<code>{}</code>", escaped(&value.to_string())))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    let names: Vec<_> = match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    let written = names.iter().map(|name| match *name {
        "array" => format!("array of {}", kind(&schema["items"])),
        "object" if schema["properties"].is_object() => properties(schema),
        name => escaped(name),
    });
    written.collect::<Vec<_>>().join(" or ")
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn push(page: &mut String, written: std::fmt::Arguments<'_>) {
    page.write_fmt(written).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{kind, write};

    #[test]
    fn a_schema_is_said_in_a_few_words() {
        let rows = [
            (json!({"type": ["string", "null"]}), "string or null"),
            (json!({"$ref": "#/components/schemas/A"}), "<a href=\"#type-A\">A</a>"),
            (json!({"type": "array", "items": {"type": "integer"}}), "array of integer"),
            (json!({"oneOf": [{"type": "null"}, {"enum": ["a"]}]}), "null or <code>&quot;a&quot;</code>"),
            (json!({}), "anything"),
        ];
        for (schema, words) in rows {
            assert_eq!(kind(&schema), words);
        }
    }

    #[test]
    fn what_is_described_cannot_become_markup() {
        let page = write(&json!({"info": {"title": "<script>"}}));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    }
}

//! Which scripts are refused, at which line and key; and the schema that is published.

use std::path::Path;

use server::mock::{Mock, Script};

/// Every row: the text, and the lines of the error.
#[test]
fn every_problem_has_its_line_and_key() {
    let rows: &[(&str, &[&str])] = &[
        ("rules = [", &["s.toml:1: "]),
        ("sede = 1\n", &["s.toml:1: sede: unknown key; did you mean \"seed\"?"]),
        (
            "[[rules]]\nreply = \"x\"\n[rules.when]\nuser_contians = \"x\"\n",
            &["s.toml:4: rules[0].when.user_contians: unknown key; did you mean \"user_contains\"?"],
        ),
        (
            "[[rules]]\nreply = [\"x\", { txet = \"y\", text = \"z\" }]\n",
            &["s.toml:2: rules[0].reply[1].txet: unknown key; did you mean \"text\"?"],
        ),
        ("[[rules]]\nwhen = { turn = \"two\" }\nreply = \"x\"\n", &["s.toml:2: rules[0].when.turn: invalid type"]),
        (
            "[[rules]]\nwhen = { user_regex = \"(\" }\nreply = \"x\"\n",
            &["s.toml:2: rules[0].when.user_regex: is no regular expression: unclosed group"],
        ),
        ("[[rules]]\nreply = { text = \"x\", echo = true }\n", &["s.toml:2: rules[0].reply.text: and echo exclude"]),
        ("[[rules]]\nreply = { template = \"{{ user\" }\n", &["s.toml:2: rules[0].reply.template: is no template: "]),
        ("[[rules]]\nreply = { fault = { status = 99 } }\n", &["s.toml:2: rules[0].reply.fault.status: must be"]),
        ("[[rules]]\nname = \"empty\"\n", &["s.toml:1: rules[0].reply: is missing"]),
        ("[[faults]]\ncalls = [1]\n[faults.fault]\nstatus = 200\n", &["s.toml:4: faults[0].fault.status: must be"]),
        ("[[models]]\nname = \"a b\"\nlanes = 0\n", &["s.toml:2: models[0].name: ", "s.toml:3: models[0].lanes: "]),
        (
            "[[models]]\nname = \"a\"\ntime_per_token = \"10\"\n",
            &["s.toml:3: models[0].time_per_token: must be a time"],
        ),
        ("[tiers]\ndeep = \"fats\"\n", &["s.toml:2: tiers.deep: there is no model \"fats\"; did you mean \"fast\"?"]),
        (
            "[[rules]]\nwhen = { model = \"depp\" }\nreply = \"x\"\n",
            &["s.toml:2: rules[0].when.model: there is no model"],
        ),
    ];
    for (text, expected) in rows {
        let error = Script::from_toml(text, "s.toml").expect_err(text).to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{text}\n{error}");
        for (line, expected) in lines.iter().zip(*expected) {
            assert!(line.starts_with(expected), "{text}\n{line}\n{expected}");
        }
    }
}

/// The schema is made from the types, and published for editors and for other languages.
#[test]
fn the_published_schema_is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mock/script.schema.json");
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    let made = format!("{:#}\n", Script::schema());
    // Both are long: the first line that differs is enough.
    let differs = published.lines().zip(made.lines()).position(|(published, made)| published != made);
    let is_stale = published != made;
    assert!(!is_stale, "line {differs:?}: edison mock --print-schema > fixtures/mock/script.schema.json");
}

#[tokio::test]
async fn the_example_is_played_and_read_back() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mock/example.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let script = Script::from_toml(&text, "example.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(Script::from_toml(&script.to_toml().unwrap(), "again"), Ok(script.clone()));
    let json = serde_json::to_string(&script).unwrap();
    assert_eq!(Script::from_json(&json), Ok(script.clone()));
    assert!(Mock::new(script).is_ok());
}

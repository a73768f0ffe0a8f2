//! The program itself: what it prints, and how it ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn edison(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edison")).args(args).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file");
    path.to_str().expect("a UTF-8 path").to_owned()
}

#[test]
fn the_printed_configuration_can_be_fed_back() {
    let printed = edison(&["serve", "--print-config", "--listen", "127.0.0.1:9"]);
    assert_eq!(printed.status.code(), Some(0), "{}", stderr(&printed));
    assert!(stdout(&printed).starts_with("[server]\nlisten = \"127.0.0.1:9\"\n"), "{}", stdout(&printed));
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(folder.path(), "edison.toml", &stdout(&printed));
    let again = edison(&["serve", "--print-config", "--config", &config]);
    assert_eq!(stdout(&again), stdout(&printed));
}

#[test]
fn a_bad_configuration_ends_with_2_and_tells_every_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(folder.path(), "edison.toml", "[[models]]\nname = \"\"\nfile = \"none.gguf\"\nlanes = 0\n");
    let output = edison(&["serve", "--config", &config]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    for (line, key) in [(2, "models[0].name"), (3, "models[0].file"), (4, "models[0].lanes")] {
        assert!(message.contains(&format!("{config}:{line}: {key}: ")), "{message}");
    }
}

#[test]
fn bad_arguments_end_with_2() {
    for args in [&["serve", "--model", "x"][..], &["serve", "--config", "no-such-file.toml"], &["sing"], &[]] {
        let output = edison(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
}

/// A configuration whose problem takes more words than a pipe holds.
fn long_problem(folder: &Path) -> String {
    let name = "x".repeat(200_000);
    file(folder, "edison.toml", &format!("[[models]]\nname = \"m\"\nfile = \"{name}\"\n"))
}

/// Method: the pipe is there and nobody reads it, so that it is full before the message ends.
#[test]
fn the_program_ends_although_nobody_reads_its_last_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = long_problem(folder.path());
    let mut program = Command::new(env!("CARGO_BIN_EXE_edison"))
        .args(["serve", "--config", &config])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    assert_eq!(program.wait().expect("it ends").code(), Some(2));
}

/// A panic while the message is written would end with 101.
#[test]
fn a_closed_standard_error_does_not_change_the_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = long_problem(folder.path());
    let mut program = Command::new(env!("CARGO_BIN_EXE_edison"))
        .args(["serve", "--config", &config])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(program.stderr.take());
    assert_eq!(program.wait().expect("it ends").code(), Some(2));
}

/// An empty file would otherwise let everybody in.
#[test]
fn bad_api_keys_end_with_2_and_are_not_said_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = format!("m={}", file(folder.path(), "m.gguf", "no model"));
    for (keys, part) in
        [("", "there is no key"), ("a=secret", "line 1: the key of a must have"), ("secret", "NAME=KEY")]
    {
        let keys = file(folder.path(), "keys.txt", keys);
        let output = edison(&["serve", "--listen", "127.0.0.1:0", "--model", &model, "--api-keys", &keys]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(&keys) && message.contains(part) && !message.contains("secret"), "{message}");
    }
}

#[test]
fn an_address_in_use_ends_with_1_and_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let model = format!("m={}", file(folder.path(), "m.gguf", "no model"));
    let output = edison(&["serve", "--listen", &address, "--model", &model]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("{address} is in use")), "{}", stderr(&output));
}

#[cfg(feature = "llama")]
#[test]
fn a_file_that_is_no_model_ends_with_1_and_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = format!("broken={}", file(folder.path(), "m.gguf", "no model"));
    let output = edison(&["serve", "--listen", "127.0.0.1:0", "--model", &model]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("no model could be loaded") && message.contains("broken: "), "{message}");
}

/// Method: the demo models, a real port, a real signal.
#[cfg(all(unix, feature = "llama", feature = "demo-models"))]
#[test]
fn the_demo_models_are_served_until_a_signal_comes() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;

    let folder = tempfile::tempdir().expect("a folder");
    let port_file = folder.path().join("port");
    let mut program = Command::new(env!("CARGO_BIN_EXE_edison"))
        .args(["serve", "--listen", "127.0.0.1:0", "--port-file"])
        .arg(&port_file)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines =
        BufReader::new(program.stdout.take().expect("it is piped")).lines().map(|line| line.expect("UTF-8"));
    let curl = lines.find(|line| line.trim_start().starts_with("curl ")).expect("a line to try it with");
    let port = std::fs::read_to_string(&port_file).expect("the port was written before that");
    assert!(curl.contains(&format!("http://127.0.0.1:{}/v1/chat/completions", port.trim())), "{curl}");

    let mut stream = TcpStream::connect(format!("127.0.0.1:{}", port.trim())).expect("it listens");
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let id = program.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill is everywhere").success());
    assert_eq!(program.wait().expect("it ends").code(), Some(0));
}

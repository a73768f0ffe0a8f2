//! Pictures that lie elsewhere: fetched before the request waits for its model, in every protocol, or refused by field.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backend::{Prompt, Token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use server::{HttpLimits, Network, PictureFetch, Pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::edison::DOT;
use super::fake::Fake;
use super::support::{Answer, Server};

/// One host, `pictures.example`, which has a picture and takes its time.
#[derive(Clone, Default)]
struct Host {
    takes: Duration,
    n_connected: Arc<Mutex<usize>>,
    /// Clients that were gone before they had their answer.
    n_left: Arc<Mutex<usize>>,
}

impl Host {
    fn n_connected(&self) -> usize {
        *self.n_connected.lock().unwrap()
    }
}

#[async_trait]
impl Network for Host {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let address = if host == "pictures.example" { "93.184.215.14" } else { "10.0.0.1" };
        Ok(vec![address.parse().unwrap()])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Box<dyn Pipe>> {
        *self.n_connected.lock().unwrap() += 1;
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let host = self.clone();
        tokio::spawn(async move {
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                read.push(theirs.read_u8().await.unwrap());
            }
            tokio::select! {
                () = tokio::time::sleep(host.takes) => {}
                _ = theirs.read_u8() => *host.n_left.lock().unwrap() += 1,
            }
            let (status, body) = match std::str::from_utf8(&read).unwrap().split(' ').nth(1) {
                Some("/dot.gif") => ("200 OK", STANDARD.decode(DOT).unwrap()),
                Some("/text.gif") => ("200 OK", b"no picture".to_vec()),
                _ => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = theirs.write_all(&[head.as_bytes(), &body].concat()).await;
        });
        Ok(Box::new(ours))
    }
}

fn fake() -> Fake {
    Fake { context_len: 4096, ..Fake::new(|_| vec![Token::text("a")]) }
}

async fn serving(fake: &Fake, host: &Host) -> Server {
    let mut server = Server::with_tier(serving::Tier::Vision, Arc::new(fake.clone()), HttpLimits::default(), 1);
    server.service.loaded().await;
    server.options.pictures = PictureFetch::over(Arc::new(host.clone()));
    server
}

/// A request of every protocol with the picture at `url` twice and a pixel, and the field of the first of them.
fn asking(url: &str) -> Vec<(&'static str, Value, &'static str)> {
    let data = format!("data:image/gif;base64,{DOT}");
    let part = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let parts = json!([part(&data), part(url), part(url)]);
    let block = |url: &str| json!({"type": "image", "source": {"type": "url", "url": url}});
    let blocks = json!([block(&data), block(url), block(url)]);
    let input = |url: &str| json!({"type": "input_image", "image_url": url});
    let inputs = json!([input(&data), input(url), input(url)]);
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    vec![
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": user(parts)}),
            "messages[0].content[1].image_url.url",
        ),
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "messages": user(blocks)}),
            "messages[0].content[1].source.url",
        ),
        ("/v1/responses", json!({"model": "m", "input": user(inputs)}), "input[0].content[1].image_url"),
        ("/chat", json!({"message": "?", "images": [data, url, url]}), "picture 2"),
    ]
}

async fn ask(server: &Server, path: &str, body: &Value) -> Answer {
    server.connect().post(path, "", body).await
}

/// Two of the three pictures are one: it is fetched once.
#[tokio::test(start_paused = true)]
async fn pictures_are_fetched_in_every_protocol() {
    for (path, body, _) in asking("http://pictures.example/dot.gif") {
        let (fake, host) = (fake(), Host::default());
        let answer = ask(&serving(&fake, &host).await, path, &body).await;
        assert_eq!((answer.status, host.n_connected()), (200, 1), "{path}: {}", answer.body);
        let Prompt::Chat(chat) = fake.the_request().prompt.prompt else { panic!("a conversation") };
        let sizes: Vec<_> = chat.images().map(|image| (image.width(), image.height())).collect();
        assert_eq!(sizes, [(1, 1); 3], "{path}");
        assert_eq!(chat.images().next(), chat.images().last(), "{path}: what was fetched is the same picture");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_fetched_is_refused_by_field_in_every_protocol() {
    for (url, reason) in [
        ("http://pictures.example/other.gif", "could not be fetched: the host answered with 404"),
        ("http://pictures.example/text.gif", "is not a picture that this server reads"),
        ("http://private.example/dot.gif", "could not be fetched: its host has no public address"),
        ("http://127.0.0.1/dot.gif", "could not be fetched: its host has no public address"),
    ] {
        for (path, body, field) in asking(url) {
            let (fake, host) = (fake(), Host::default());
            let answer = ask(&serving(&fake, &host).await, path, &body).await;
            assert!(matches!(answer.status, 400 | 422), "{path}: {}", answer.body);
            assert!(answer.body.contains(&format!("{field} {reason}")), "{path}: {}", answer.body);
            assert!(fake.asked.lock().unwrap().is_empty(), "{path}");
        }
    }
}

/// Off is the default, and the refusal says where it is switched on.
#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_by_default() {
    for (path, body, field) in asking("http://pictures.example/dot.gif") {
        let server = Server::with_tier(serving::Tier::Vision, Arc::new(fake()), HttpLimits::default(), 1);
        let answer = ask(&server, path, &body).await;
        assert!(matches!(answer.status, 400 | 422), "{path}: {}", answer.body);
        assert!(answer.body.contains(field) && answer.body.contains("server.fetch_pictures"), "{}", answer.body);
    }
}

/// Whatever else is wrong with a request is found before anybody is asked for its pictures.
#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_for_a_request_that_is_refused() {
    for (path, mut body, _) in asking("http://pictures.example/dot.gif") {
        let host = Host::default();
        let server = serving(&fake(), &host).await;
        body["temperature"] = json!("hot");
        body["mode"] = json!("swarm");
        let answer = ask(&server, path, &body).await;
        assert!(matches!(answer.status, 400 | 422), "{path}: {}", answer.body);
        assert_eq!(host.n_connected(), 0, "{path}");
    }
}

/// Method: while the picture is on its way the lane is free, and somebody else is answered with it.
#[tokio::test(start_paused = true)]
async fn a_request_whose_picture_is_on_its_way_keeps_nobody_waiting() {
    let (fake, host) = (fake(), Host { takes: Duration::from_secs(5), ..Host::default() });
    let server = serving(&fake, &host).await;
    let (path, body, _) = asking("http://pictures.example/dot.gif").remove(0);
    let begun = Instant::now();
    let client = server.connect();
    let slow = tokio::spawn(async move { client.post(path, "", &body).await });
    while host.n_connected() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.lane(), "free");
    let quick = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(ask(&server, path, &quick).await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(slow.await.unwrap().status, 200);
    assert!(begun.elapsed() >= host.takes);
}

#[tokio::test(start_paused = true)]
async fn several_pictures_take_the_time_of_one() {
    let (fake, host) = (fake(), Host { takes: Duration::from_secs(5), ..Host::default() });
    let server = serving(&fake, &host).await;
    let part = |port: u16| json!({"type": "image_url", "image_url": {"url": format!("http://pictures.example:{port}/dot.gif")}});
    let parts = json!([part(80), part(81), part(82)]);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": parts}]});
    let begun = Instant::now();
    let answer = ask(&server, "/v1/chat/completions", &body).await;
    assert_eq!((answer.status, host.n_connected()), (200, 3), "{}", answer.body);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn pictures_that_do_not_come_are_given_up_in_time() {
    let (fake, host) = (fake(), Host { takes: Duration::from_secs(60), ..Host::default() });
    let server = serving(&fake, &host).await;
    let (path, body, _) = asking("http://pictures.example/dot.gif").remove(0);
    let begun = Instant::now();
    let answer = ask(&server, path, &body).await;
    assert!(answer.status == 400 && answer.body.contains("within 10s"), "{}", answer.body);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_its_fetch_along() {
    let (fake, host) = (fake(), Host { takes: Duration::from_secs(5), ..Host::default() });
    let server = serving(&fake, &host).await;
    let (path, body, _) = asking("http://pictures.example/dot.gif").remove(0);
    let mut client = server.connect();
    let body = body.to_string();
    client.send(format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    while host.n_connected() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(*host.n_left.lock().unwrap(), 1);
    assert!(fake.asked.lock().unwrap().is_empty());
}

//! Which hosts are asked, and what of their answers is taken. The network is a table of names and answers, in virtual time.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::{FETCHES_MAX, Network, PictureFetch, Pipe, Trust};
use crate::limits::HttpLimits;
use crate::tls::Tls;

/// What a host answers to whoever connects.
#[derive(Clone)]
enum Host {
    /// These bytes, and the end.
    Says(String),
    /// These bytes, and nothing more.
    Hangs(String),
    /// The same behind TLS.
    Encrypted(Tls, String),
    /// Not even a connection.
    Unreachable,
    /// Nothing, not even that there is no connection.
    Silent,
}

#[derive(Default)]
struct Table {
    names: BTreeMap<String, Vec<IpAddr>>,
    hosts: BTreeMap<IpAddr, Host>,
    resolved: Mutex<Vec<String>>,
    connected: Mutex<Vec<SocketAddr>>,
    /// Requests as they were read.
    asked: Arc<Mutex<Vec<String>>>,
    /// Rises when a host sees the end of its connection.
    left: Arc<tokio::sync::Notify>,
}

const PUBLIC: &str = "93.184.215.14";

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

impl Table {
    fn with(mut self, name: &str, addresses: &[&str], host: Host) -> Self {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| ip(address)).collect();
        self.hosts.extend(addresses.iter().map(|address| (*address, host.clone())));
        self.names.insert(name.to_owned(), addresses);
        self
    }

    fn connected(&self) -> Vec<String> {
        self.connected.lock().expect("no panic").iter().map(SocketAddr::to_string).collect()
    }
}

#[async_trait]
impl Network for Table {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.resolved.lock().expect("no panic").push(host.to_owned());
        self.names.get(host).cloned().ok_or_else(|| io::Error::other("no such host"))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Pipe>> {
        self.connected.lock().expect("no panic").push(address);
        let host = self.hosts.get(&address.ip()).cloned().unwrap_or(Host::Unreachable);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (asked, left) = (Arc::clone(&self.asked), Arc::clone(&self.left));
        match host {
            Host::Unreachable => return Err(io::ErrorKind::ConnectionRefused.into()),
            Host::Silent => return std::future::pending().await,
            Host::Says(text) => drop(tokio::spawn(says(theirs, text, asked))),
            Host::Hangs(text) => drop(tokio::spawn(async move {
                let mut pipe = theirs;
                read_head(&mut pipe, &asked).await;
                let _ = pipe.write_all(text.as_bytes()).await;
                let _end = pipe.read_u8().await;
                left.notify_one();
            })),
            Host::Encrypted(tls, text) => drop(tokio::spawn(encrypted(theirs, tls, text, asked))),
        }
        Ok(Box::new(ours))
    }
}

async fn says(mut pipe: impl Pipe, text: String, asked: Arc<Mutex<Vec<String>>>) {
    read_head(&mut pipe, &asked).await;
    let _ = pipe.write_all(text.as_bytes()).await;
    let _ = pipe.shutdown().await;
}

async fn encrypted(pipe: DuplexStream, tls: Tls, text: String, asked: Arc<Mutex<Vec<String>>>) {
    if let Ok(pipe) = tls.accept(pipe).await {
        says(pipe, text, asked).await;
    }
}

async fn read_head(pipe: &mut (impl Pipe + ?Sized), asked: &Mutex<Vec<String>>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let Ok(byte) = pipe.read_u8().await else { return };
        head.push(char::from(byte));
    }
    asked.lock().expect("no panic").push(head);
}

fn ok(body: &str) -> Host {
    Host::Says(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

fn moved(to: &str) -> Host {
    Host::Says(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"))
}

fn limits() -> HttpLimits {
    HttpLimits { fetch_max_bytes: 10, fetch_timeout: Duration::from_secs(5), ..HttpLimits::default() }
}

fn trusting_nobody(table: &Arc<Table>) -> PictureFetch {
    PictureFetch::trusting(Arc::clone(table) as Arc<dyn Network>, Trust::of(RootCertStore::empty()))
}

async fn fetch(table: &Arc<Table>, url: &str) -> Result<String, String> {
    let file = trusting_nobody(table).file(url, &limits()).await?;
    Ok(String::from_utf8(file.bytes.to_vec()).expect("text"))
}

#[tokio::test(start_paused = true)]
async fn a_file_is_asked_for_as_its_url_says() {
    let table = Arc::new(Table::default().with("a.example", &[PUBLIC], ok("picture")));
    assert_eq!(fetch(&table, "http://a.example:81/b.png?c=d").await.as_deref(), Ok("picture"));
    assert_eq!(table.connected(), [format!("{PUBLIC}:81")]);
    let asked = table.asked.lock().expect("no panic").join("");
    assert!(asked.starts_with("GET /b.png?c=d HTTP/1.1\r\nhost: a.example:81\r\n"), "{asked}");
    for secret in ["cookie", "authorization", "referer", "x-forwarded"] {
        assert!(!asked.contains(secret), "{asked}");
    }
}

/// Method: every kind of address that is not public has a host that would answer, and nobody connects to it.
#[tokio::test(start_paused = true)]
async fn nobody_is_connected_to_who_is_not_public() {
    let hidden = [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.215.14",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ];
    for address in hidden {
        let table = Arc::new(Table::default().with("a.example", &[address], ok("secret")));
        let bracketed = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        for url in ["http://a.example/".to_owned(), format!("http://{bracketed}/")] {
            let refused = fetch(&table, &url).await.expect_err(&url);
            assert!(refused.contains("no public address"), "{url}: {refused}");
        }
        assert_eq!(table.connected(), Vec::<String>::new(), "{address}");
    }
}

/// A name that nobody knows is refused in the same words: else the names of a private network could be asked for.
#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_knows_is_refused_like_one_that_is_hidden() {
    let table = Arc::new(Table::default().with("hidden.example", &["10.0.0.1"], ok("secret")));
    let hidden = fetch(&table, "http://hidden.example/").await;
    assert_eq!(fetch(&table, "http://nobody.example/").await, hidden);
}

#[tokio::test(start_paused = true)]
async fn of_several_addresses_only_public_ones_are_tried_one_after_the_other() {
    let table =
        Table::default().with("a.example", &["10.0.0.1", "8.8.8.8", "::1", PUBLIC, "192.168.0.1"], ok("picture"));
    let table = Table { hosts: [(ip("8.8.8.8"), Host::Unreachable), (ip(PUBLIC), ok("picture"))].into(), ..table };
    let table = Arc::new(table);
    assert_eq!(fetch(&table, "http://a.example/").await.as_deref(), Ok("picture"));
    assert_eq!(table.connected(), ["8.8.8.8:80".to_owned(), format!("{PUBLIC}:80")]);
}

/// Whoever owns a name can give it a hundred addresses at which nobody answers.
#[tokio::test(start_paused = true)]
async fn of_addresses_that_do_not_answer_few_are_tried_and_for_a_short_while() {
    let silent = ["8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4", "8.8.8.5"];
    let table = Arc::new(Table::default().with("a.example", &silent, Host::Silent));
    let limits = HttpLimits { fetch_timeout: Duration::from_secs(60), ..limits() };
    let fetch = trusting_nobody(&table);
    let begun = Instant::now();
    let refused = fetch.file("http://a.example/", &limits).await.map(drop).expect_err("nobody answers");
    assert!(refused.contains("could not be reached: it does not answer"), "{refused}");
    assert_eq!((table.connected().len(), begun.elapsed()), (4, Duration::from_secs(12)));
}

/// A name can mean another address when it is asked for again: so it is asked for once, and the answer is what is connected to.
#[tokio::test(start_paused = true)]
async fn a_name_is_resolved_once_for_each_connection() {
    let table = Table::default().with("a.example", &[PUBLIC], moved("http://a.example/again"));
    let table = Arc::new(table);
    let refused = fetch(&table, "http://a.example/").await.expect_err("it never ends");
    assert!(refused.contains("more than 3 redirects"), "{refused}");
    assert_eq!(table.resolved.lock().expect("no panic").len(), table.connected().len());
    assert_eq!(table.connected().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_followed_to_public_places_only() {
    let table = Table::default()
        .with("a.example", &[PUBLIC], moved("http://b.example/x"))
        .with("b.example", &["8.8.8.8"], ok("picture"))
        .with("c.example", &["1.1.1.1"], moved("http://169.254.169.254/latest/meta-data"))
        .with("d.example", &["9.9.9.9"], moved("http://hidden.example/"))
        .with("hidden.example", &["10.0.0.1"], ok("secret"))
        .with("e.example", &["1.0.0.1"], moved("ftp://a.example/"));
    let table = Arc::new(table);
    assert_eq!(fetch(&table, "http://a.example/").await.as_deref(), Ok("picture"));
    for (url, reason) in [
        ("http://c.example/", "no public address"),
        ("http://d.example/", "no public address"),
        ("http://e.example/", "only http and https"),
    ] {
        let refused = fetch(&table, url).await.expect_err(url);
        assert!(refused.contains(reason), "{url}: {refused}");
    }
    assert!(table.connected().iter().all(|address| !address.starts_with("10.") && !address.starts_with("169.")));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_not_read_to_its_end() {
    let announced = Host::Hangs("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n".to_owned());
    let endless = Host::Hangs("HTTP/1.1 200 OK\r\n\r\n01234567890".to_owned());
    let table = Table::default().with("a.example", &[PUBLIC], announced).with("b.example", &["8.8.8.8"], endless);
    let table = Arc::new(table.with("c.example", &["1.1.1.1"], ok("0123456789")));
    let begun = Instant::now();
    for url in ["http://a.example/", "http://b.example/"] {
        let refused = fetch(&table, url).await.expect_err(url);
        assert!(refused.contains("more than 10 bytes"), "{url}: {refused}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited for the rest");
    assert_eq!(fetch(&table, "http://c.example/").await.as_deref(), Ok("0123456789"));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_in_time_is_given_up() {
    let silent = Host::Hangs(String::new());
    let slow = Host::Hangs("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npic".to_owned());
    let table = Table::default().with("a.example", &[PUBLIC], silent).with("b.example", &["8.8.8.8"], slow);
    let table = Arc::new(table);
    for url in ["http://a.example/", "http://b.example/"] {
        let begun = Instant::now();
        let refused = fetch(&table, url).await.expect_err(url);
        assert!(refused.contains("within 5s"), "{url}: {refused}");
        assert_eq!(begun.elapsed(), limits().fetch_timeout);
        table.left.notified().await;
    }
}

/// Method: as many as may be fetched at one time hang. One more does not get as far as a connection, and its time counts from
/// when it was asked for.
#[tokio::test(start_paused = true)]
async fn beyond_the_bound_a_fetch_waits_for_its_turn_and_not_longer_than_it_may_take() {
    let table = Arc::new(Table::default().with("a.example", &[PUBLIC], Host::Hangs(String::new())));
    let fetch = trusting_nobody(&table);
    let (usual, short) = (limits(), HttpLimits { fetch_timeout: Duration::from_secs(3), ..limits() });
    let begun = Instant::now();
    let others = join_all((0..FETCHES_MAX).map(|_| fetch.file("http://a.example/", &usual)));
    let (_, refused) = tokio::join!(others, async {
        let refused = fetch.file("http://a.example/", &short).await.map(drop);
        assert_eq!((table.connected().len(), begun.elapsed()), (FETCHES_MAX, short.fetch_timeout));
        refused
    });
    assert!(refused.is_err_and(|why| why.contains("within 3s")));
}

#[tokio::test(start_paused = true)]
async fn other_answers_are_told() {
    let table = Table::default()
        .with("a.example", &[PUBLIC], Host::Says("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()))
        .with("b.example", &["8.8.8.8"], Host::Says("SSH-2.0-OpenSSH_9.9\r\n".to_owned()))
        .with("c.example", &["1.1.1.1"], Host::Says("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".to_owned()))
        .with("d.example", &["9.9.9.9"], Host::Says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npic".to_owned()))
        .with("e.example", &["1.0.0.1"], Host::Unreachable)
        .with("f.example", &["8.8.4.4"], Host::Says(format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(100_000))));
    let table = Arc::new(table);
    for (url, reason) in [
        ("http://a.example/", "answered with 404"),
        ("http://b.example/", "does not speak HTTP"),
        ("http://c.example/", "leads nowhere"),
        ("http://d.example/", "the connection broke"),
        ("http://e.example/", "could not be reached"),
        ("http://f.example/", "does not speak HTTP"),
    ] {
        let refused = fetch(&table, url).await.expect_err(url);
        assert!(refused.starts_with("could not be fetched: ") && refused.contains(reason), "{url}: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_closes_the_connection() {
    let table = Arc::new(Table::default().with("a.example", &[PUBLIC], Host::Hangs(String::new())));
    let mut fetching = Box::pin(fetch(&table, "http://a.example/"));
    while table.asked.lock().expect("no panic").is_empty() {
        assert!(futures_util::poll!(fetching.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    drop(fetching);
    table.left.notified().await;
}

/// Method: one host is who it says it is, and another one shows a certificate that nobody signed.
#[tokio::test(start_paused = true)]
async fn a_host_has_to_prove_who_it_is() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
    let tls = Tls::from_pem(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes()).expect("a certificate");
    let host = Host::Encrypted(tls, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\npicture".to_owned());
    let table = Table::default().with("a.example", &[PUBLIC], host.clone()).with("b.example", &["8.8.8.8"], host);
    let table = Arc::new(table);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(cert.der().to_vec())).expect("a certificate");
    let fetch = PictureFetch::trusting(Arc::clone(&table) as Arc<dyn Network>, Trust::of(roots));
    assert_eq!(
        fetch.file("https://a.example/", &limits()).await.map(|file| file.bytes).as_deref(),
        Ok(&b"picture"[..])
    );
    assert_eq!(table.connected(), [format!("{PUBLIC}:443")]);
    let refused = fetch.file("https://b.example/", &limits()).await.map(|_| ()).expect_err("it is another one");
    assert!(refused.contains("could not prove who it is"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_unless_it_is_switched_on() {
    assert!(!PictureFetch::off().is_on());
    assert!(PictureFetch::off().file("http://a.example/", &limits()).await.is_err());
}

//! Hosts with pictures, for requests that name them by URL.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use async_trait::async_trait;
use server::{Network, Pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Every name is a host, and it answers as its port says.
pub(crate) struct Elsewhere;

/// A pixel.
const DOT: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

#[async_trait]
impl Network for Elsewhere {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::new(93, 184, 215, 14).into()])
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Pipe>> {
        assert_eq!(address.ip(), Ipv4Addr::new(93, 184, 215, 14), "nobody is connected to who was not admitted");
        let answer = match address.port() {
            80 => [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", DOT.len()).as_bytes(), DOT].concat(),
            81 => b"HTTP/1.1 200 OK\r\n\r\nno picture".to_vec(),
            82 => b"HTTP/1.1 302 Found\r\nlocation: //other.example/?\r\n\r\n".to_vec(),
            83 => b"HTTP/1.1 302 Found\r\nlocation: x\r\n\r\n".to_vec(),
            84 => b"\0".to_vec(),
            // Never anything.
            85 => Vec::new(),
            _ => return Err(io::ErrorKind::ConnectionRefused.into()),
        };
        let (ours, mut theirs) = tokio::io::duplex(1 << 12);
        tokio::spawn(async move {
            let _asked = theirs.read_u8().await;
            let _ = theirs.write_all(&answer).await;
            if address.port() == 85 {
                // Until whoever asks has given up.
                let mut rest = Vec::new();
                let _ = theirs.read_to_end(&mut rest).await;
            }
        });
        Ok(Box::new(ours))
    }
}

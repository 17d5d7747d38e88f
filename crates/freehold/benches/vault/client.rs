//! The least client that can ask over HTTPS again and again: one prepared request, one connection, one thread.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::server::Server;

/// One warm connection.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Client {
    /// Connects, asks once and expects a success.
    pub(crate) fn open(server: &Server, request: &[u8]) -> io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", server.port))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from(server.host.clone()).expect("a host's name");
        let tls = ClientConnection::new(Arc::clone(&server.tls), name).map_err(io::Error::other)?;
        let stream = StreamOwned::new(tls, socket);
        let mut client = Self { stream, request: request.to_vec(), reply: vec![0; 64 << 10] };
        client.ask()?;
        Ok(client)
    }

    /// Asks once.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request)?;
        self.stream.flush()?;
        let (mut have, mut whole) = (0, None);
        while whole.is_none_or(|whole| have < whole) {
            if have == self.reply.len() {
                return Err(io::Error::other("a reply that is too long"));
            }
            let read = self.stream.read(&mut self.reply[have..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            have += read;
            whole = whole.or_else(|| length(&self.reply[..have]));
        }
        let reply = &self.reply[..have];
        if reply.starts_with(b"HTTP/1.1 200") {
            Ok(())
        } else {
            Err(io::Error::other(String::from_utf8_lossy(reply).into_owned()))
        }
    }

    /// Asks until that time; how long each answer took.
    pub(crate) fn until(&mut self, end: Instant) -> io::Result<Vec<Duration>> {
        let mut took = Vec::new();
        loop {
            let started = Instant::now();
            if !took.is_empty() && started >= end {
                return Ok(took);
            }
            self.ask()?;
            took.push(started.elapsed());
        }
    }
}

/// Head and body together, once the head is there.
fn length(reply: &[u8]) -> Option<usize> {
    let head = reply.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&reply[..head]).ok()?.to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    Some(head + body.unwrap_or(0))
}

/// Many connections that ask the same.
pub(crate) struct Load(Vec<Client>);

impl Load {
    pub(crate) fn open(server: &Server, connections: usize, request: &[u8]) -> io::Result<Self> {
        Ok(Self((0..connections).map(|_| Client::open(server, request)).collect::<io::Result<_>>()?))
    }

    /// Asks on all connections for so long; how many answers came.
    pub(crate) fn run(&mut self, span: Duration) -> io::Result<usize> {
        let end = Instant::now() + span;
        thread::scope(|scope| {
            let asking: Vec<_> =
                self.0.iter_mut().map(|client| scope.spawn(move || client.until(end))).collect();
            asking.into_iter().map(|one| Ok(one.join().expect("no panic")?.len())).sum()
        })
    }
}

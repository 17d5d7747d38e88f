//! The same over a real connection: both ways at once, and cut where access ends.

use api::import::{begin, end, piece};
use api::{Container, ObjectKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::world::{World, get, noise};

/// A world that listens, and stops with the test.
struct Served {
    world: World,
    address: std::net::SocketAddr,
    serving: JoinHandle<()>,
}

impl Served {
    async fn new() -> Self {
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = world.router_for_a_writer();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { world, address, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn import(&self, to: &Container) -> TcpStream {
        let mut connection = self.connect().await;
        let path = format!("{}/{}/imports", self.world.containers(), to.id);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\
             content-type: application/vnd.freehold.import\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.expect("sent");
        connection
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Small items as one chunk of a body.
fn chunk(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let mut items = Vec::new();
    for number in numbers {
        items.extend_from_slice(&begin(format!("{number}.txt").as_bytes(), ObjectKind::File));
        items.extend_from_slice(&piece(format!("content {number}").as_bytes()));
        items.extend_from_slice(&end());
    }
    [format!("{:x}\r\n", items.len()).as_bytes(), &items, b"\r\n"].concat()
}

/// Reads until `count` lines of this kind have come; everything that came.
async fn read_lines(connection: &mut TcpStream, text: &mut String, what: &str, count: usize) {
    let mut piece = [0; 4096];
    while text.matches(what).count() < count {
        let read = connection.read(&mut piece).await.expect("an answer");
        assert!(read > 0, "the connection ended after {text}");
        text.push_str(std::str::from_utf8(&piece[..read]).expect("text"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_back_while_items_are_sent() {
    let served = Served::new().await;
    let mailbox = served.world.mailbox("alice@contoso.com").await;
    let (mut connection, mut text) = (served.import(&mailbox).await, String::new());
    for round in 1..=3 {
        connection.write_all(&chunk((round - 1) * 128..round * 128)).await.expect("sent");
        read_lines(&mut connection, &mut text, r#""outcome":"imported""#, round * 128).await;
    }
    connection.write_all(&[&chunk(384..385)[..], b"0\r\n\r\n"].concat()).await.expect("sent");
    read_lines(&mut connection, &mut text, r#""imported":385"#, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_takes_nothing_with_it_that_was_told() {
    let served = Served::new().await;
    let mailbox = served.world.mailbox("alice@contoso.com").await;
    let (mut connection, mut text) = (served.import(&mailbox).await, String::new());
    connection.write_all(&chunk(0..130)).await.expect("sent");
    read_lines(&mut connection, &mut text, r#""outcome":"imported""#, 128).await;
    drop(connection);
    let (mut connection, mut text) = (served.import(&mailbox).await, String::new());
    connection.write_all(&[&chunk(0..130)[..], b"0\r\n\r\n"].concat()).await.expect("sent");
    read_lines(&mut connection, &mut text, r#"{"summary""#, 1).await;
    assert!(text.matches(r#""outcome":"already-there""#).count() >= 128, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_cut_before_the_promised_length_when_access_ends() {
    const SIZE: usize = 64 << 20;
    let served = Served::new().await;
    let mailbox = served.world.mailbox("alice@contoso.com").await;
    served.world.cover(mailbox.id).await;
    let object = served.world.put(&mailbox, "large.bin", noise(1, SIZE)).await;
    let path = served.world.content(&mailbox, object.id);
    let mut connection = served.connect().await;
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    connection.write_all(head.as_bytes()).await.expect("sent");
    let mut begun = vec![0; 1 << 20];
    connection.read_exact(&mut begun).await.expect("it begins");
    assert!(String::from_utf8_lossy(&begun[..1000]).contains(&format!("content-length: {SIZE}")));
    served.world.deny().await;
    assert_eq!(served.world.ask(get(&path)).await.status.as_u16(), 403);
    let mut rest = Vec::new();
    // A reset and an end are the same to the reader: it has fewer bytes than it was promised.
    let _ = connection.read_to_end(&mut rest).await;
    let came = begun.len() + rest.len();
    assert!(came < SIZE, "{came} bytes came");
}

//! What happens on the way: names, addresses, TLS, broken connections, and an environment that wants a say.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::roots::answer;
use crate::roots::connection::Clients;
use crate::roots::{MAX_CLIENTS, Range};

/// A listener on a free port of loopback whose every connection is handed to `serve`.
fn listen(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.expect("a connection"))));
    address
}

/// A TLS server that writes these bytes to whoever sends it a request, and closes.
fn says(authority: &Authority, bytes: &'static [u8]) -> SocketAddr {
    let tls = Arc::new(authority.tls(&["*.vault.localhost"]));
    listen(move |stream| {
        let connection = rustls::ServerConnection::new(tls.clone()).expect("a configuration");
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut request = [0; 4096];
        if stream.read(&mut request).is_ok() && !bytes.is_empty() {
            let _ = stream.write_all(bytes).and_then(|()| stream.flush());
        }
    })
}

/// Root keys of a lab whose names are at `address`.
async fn at(authority: &Authority, address: SocketAddr) -> Arc<AzureRootKeys> {
    let server = Server::start(authority, "vault.localhost", |_| Reply::Sound).await;
    let lab = LabMap::new([("vault.localhost".to_owned(), address)]).expect("a lab name");
    roots(Application { lab, ..application(authority, &server) }).0
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_or_breaks_is_refused() {
    let authority = Authority::new();
    let nobody =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr().expect("bound");
    for address in [
        nobody,
        listen(drop),
        listen(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }),
        says(&authority, b""),
        says(&authority, b"HTTP/1.1 200 OK\r\nContent-Le"),
        says(&authority, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"key\""),
        says(&authority, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"key"),
    ] {
        let roots = at(&authority, address).await;
        assert_eq!(roots.describe(&key(), request()).await, Err(Answer::Refused));
    }
}

#[tokio::test]
async fn what_is_no_http_is_no_silence() {
    let authority = Authority::new();
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n",
    ] {
        let roots = at(&authority, says(&authority, bytes)).await;
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(roots.describe(&key(), request()).await, Err(Answer::Malformed), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_tls() {
    let authority = Authority::new();
    let sound = Server::start(&authority, "vault.localhost", |_| Reply::Sound).await;
    let stranger = Server::start(&Authority::new(), "vault.localhost", |_| Reply::Sound).await;
    let names = &["*.other.localhost", "localhost", "vault.localhost"];
    let wrong_name = Server::with_names(&authority, names, "vault.localhost", |_| Reply::Sound).await;
    let expired = Arc::new(authority.tls_until(&["*.vault.localhost"], rcgen::date_time_ymd(2020, 1, 1)));
    let expired = listen(move |stream| {
        let connection = rustls::ServerConnection::new(expired.clone()).expect("a configuration");
        let _ = rustls::StreamOwned::new(connection, stream).read(&mut [0; 16]);
    });
    for address in [stranger.address, wrong_name.address, expired] {
        let roots = at(&authority, address).await;
        assert_eq!(roots.describe(&key(), request()).await, Err(Answer::Tls));
    }
    let lab = LabMap::new([
        ("vault.localhost".to_owned(), sound.address),
        ("login.vault.localhost".to_owned(), stranger.address),
    ]);
    let application = Application { lab: lab.expect("lab names"), ..application(&authority, &sound) };
    assert_eq!(
        roots(application).0.describe(&key(), request()).await,
        Err(Answer::Tls),
        "the authority's too"
    );
    assert!(stranger.seen().is_empty(), "no secret was posted");
}

#[tokio::test]
async fn a_name_without_an_address_is_dns() {
    let lab = Lab::sound().await;
    let authority = Authority::new();
    let nowhere = Application { lab: LabMap::default(), ..application(&authority, &lab.server) };
    assert_eq!(roots(nowhere).0.describe(&key(), request()).await, Err(Answer::Dns));
    let server = Server::start(&authority, "vault.localhost", |_| Reply::Sound).await;
    let only_vault = LabMap::new([("contoso-a.vault.localhost".to_owned(), server.address)]);
    let no_login = Application { lab: only_vault.expect("a lab name"), ..application(&authority, &server) };
    assert_eq!(roots(no_login).0.describe(&key(), request()).await, Err(Answer::Dns), "the authority's too");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_key_of_another_cloud_is_not_dialled() {
    let lab = Lab::sound().await;
    for other in ["vault.azure.net", "vault.localhost:8443", "availability.localhost"] {
        let key = key_at(&format!("https://contoso-a.{other}/keys/key001/{VERSION}"));
        assert_eq!(lab.roots.describe(&key, request()).await, Err(Answer::Address), "{other}");
    }
    let login = key_at(&format!("https://login.vault.localhost/keys/key001/{VERSION}"));
    assert_eq!(lab.roots.describe(&login, request()).await, Err(Answer::Address), "no vault is called login");
    assert!(lab.server.seen().is_empty());
}

#[tokio::test]
async fn only_names_of_the_cloud_are_dialled_and_only_over_https() {
    let authority = Authority::new();
    let server =
        Server::with_names(&authority, &["*.vault.localhost", "localhost"], "vault.localhost", |_| {
            Reply::Sound
        })
        .await;
    let port = server.address.port();
    let application = Application {
        lookup: Lookup::by(|_| Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])),
        ranges: Ranges::public_and(vec!["127.0.0.0/8".parse().expect("a range")]).expect("few"),
        ..application(&authority, &server)
    };
    let directory = DirectoryId::from_random([5; 16]);
    let connection = Connection { application: Arc::new(application), directory, version: 1 };
    let clients = Clients::new(connection, Arc::new(ManualClock::at(Timestamp(1_800_000_000_000))));
    let clients = clients.expect("a wire");
    for url in [
        format!("https://127.0.0.1:{port}"),
        format!("https://0x7f.1:{port}"),
        format!("https://2130706433:{port}"),
        format!("https://[::1]:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("https://localhost:{port}"),
        format!("https://contoso-a.vault.localhost:{port}"),
        "https://contoso-a.vault.localhost.".to_owned(),
        "https://vault.localhost".to_owned(),
        "https://evilvault.localhost".to_owned(),
        "https://contoso-a.vault.localhost.evil.example".to_owned(),
        "http://contoso-a.vault.localhost".to_owned(),
    ] {
        let asked = clients.client(&url).expect("a URL").get_key("key001", None).await;
        let refused = answer::read(&asked.map(|_| ()).expect_err(&url));
        // The client itself refuses to authenticate without TLS, before our transport could.
        let expected = if url.starts_with("http:") { Answer::Challenge } else { Answer::Address };
        assert_eq!(refused, expected, "{url}");
    }
    assert!(server.seen().is_empty());
    let sound = clients.client("https://contoso-a.vault.localhost").expect("a URL");
    assert!(sound.get_key("key001", None).await.is_ok(), "and this is what is let through");
}

#[tokio::test]
async fn a_lab_authority_vouches_for_no_name_outside_the_lab() {
    let authority = Authority::new();
    let server = Server::start(&authority, "vault.freehold.test:{port}", |_| Reply::Sound).await;
    let with = |trust| Application {
        cloud: Cloud::of(server.suffix().parse().expect("a suffix")).expect("our own"),
        lookup: Lookup::by(|_| Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])),
        ranges: Ranges::public_and(vec!["127.0.0.1".parse().expect("a range")]).expect("few"),
        lab: LabMap::default(),
        trust,
        client_id: "app".parse().expect("a client id"),
        owner: CredentialOwner::Operator,
        credential: secret(SECRET),
    };
    let key = key_at(&format!("https://contoso-a.{}/keys/key001/{VERSION}", server.suffix()));
    let (lab, _) = roots(with(Trust::lab(authority.der()).expect("a root")));
    assert_eq!(lab.describe(&key, request()).await, Err(Answer::Address));
    assert!(server.seen().is_empty());
    let (own, _) = roots(with(bundle(&authority)));
    own.describe(&key, request()).await.expect("the operator's bundle may");
}

fn bundle(authority: &Authority) -> Trust {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("roots.pem");
    std::fs::write(&path, authority.pem()).expect("written");
    Trust::bundle(&path).expect("a root")
}

/// An application outside the lab, at a suffix with the server's port, whose names `lookup` resolves.
fn resolved(authority: &Authority, server: &Server, lookup: Lookup, ranges: &[&str]) -> Application {
    let ranges: Vec<Range> = ranges.iter().map(|text| text.parse().expect("a range")).collect();
    Application {
        cloud: Cloud::of(server.suffix().parse().expect("a suffix")).expect("our own"),
        client_id: "app".parse().expect("a client id"),
        owner: CredentialOwner::Operator,
        credential: secret(SECRET),
        ranges: Ranges::public_and(ranges).expect("few"),
        trust: bundle(authority),
        lab: LabMap::default(),
        lookup,
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_address_that_is_dialled() {
    let authority = Authority::new();
    let server = Server::start(&authority, "vault.freehold.test:{port}", |_| Reply::Sound).await;
    let key = key_at(&format!("https://contoso-a.{}/keys/key001/{VERSION}", server.suffix()));
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = asked.clone();
    // Every name leads to the server when it is asked for first, and inside from then on.
    let twice = Lookup::by(move |host| {
        let mut asked = log.lock().expect("no panic");
        let first = !asked.iter().any(|before| before == host);
        asked.push(host.to_owned());
        Ok(vec![IpAddr::V4(if first { Ipv4Addr::new(127, 0, 0, 1) } else { Ipv4Addr::new(127, 0, 0, 9) })])
    });
    let (first, _) = roots(resolved(&authority, &server, twice.clone(), &["127.0.0.1/32"]));
    first.describe(&key, request()).await.expect("what was checked is dialled");
    assert_eq!(asked.lock().expect("no panic").len(), 2, "one question for the vault, one for its authority");
    let (second, _) = roots(resolved(&authority, &server, twice, &["127.0.0.1/32"]));
    assert_eq!(
        second.describe(&key, request()).await,
        Err(Answer::Address),
        "the next connection is checked again"
    );
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_dialled() {
    let authority = Authority::new();
    let server = Server::start(&authority, "vault.freehold.test:{port}", |_| Reply::Sound).await;
    let key = key_at(&format!("https://contoso-a.{}/keys/key001/{VERSION}", server.suffix()));
    let inside = Lookup::by(|_| Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
    let (roots_, _) = roots(resolved(&authority, &server, inside.clone(), &[]));
    assert_eq!(roots_.describe(&key, request()).await, Err(Answer::Address));
    let login = Lookup::by(|host| {
        let inside = host.starts_with("login.");
        Ok(vec![IpAddr::V4(if inside { Ipv4Addr::new(169, 254, 169, 254) } else { Ipv4Addr::LOCALHOST })])
    });
    let (roots_, _) = roots(resolved(&authority, &server, login, &["127.0.0.0/8"]));
    assert_eq!(roots_.describe(&key, request()).await, Err(Answer::Address), "nor is the authority's");
    assert_eq!(server.seen().len(), 1, "the vault was asked for its challenge");
}

#[tokio::test]
async fn a_port_in_the_suffix_is_dialled_and_without_one_the_labs_port() {
    let authority = Authority::new();
    let server = Server::start(&authority, "vault.localhost:{port}", |_| Reply::Sound).await;
    let key = key_at(&format!("https://contoso-a.{}/keys/key001/{VERSION}", server.suffix()));
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let lab = LabMap::new([("vault.localhost".to_owned(), elsewhere)]).expect("a lab name");
    let (with_port, _) = roots(Application { lab, ..application(&authority, &server) });
    with_port.describe(&key, request()).await.expect("the URL's port");
    let token = server.seen().into_iter().find(Seen::is_token).expect("one");
    assert_eq!(token.host, format!("login.{}", server.suffix()));
    let scope = format!("https://{}/.default", server.suffix());
    let scope: String = url::form_urlencoded::byte_serialize(scope.as_bytes()).collect();
    assert!(token.body.contains(&scope), "the scope names the port too");
    Lab::sound().await.describe().await.expect("no port in the URL: the lab's");
}

#[tokio::test]
async fn each_vault_has_a_client_and_few_are_kept() {
    let lab = Lab::sound().await;
    for number in 0..=MAX_CLIENTS {
        let key = key_at(&format!("https://contoso-{number}.vault.localhost/keys/key001/{VERSION}"));
        lab.roots.describe(&key, request()).await.expect("a sound vault");
    }
    assert_eq!(lab.server.tokens(), MAX_CLIENTS + 1);
    let last = key_at(&format!("https://contoso-{MAX_CLIENTS}.vault.localhost/keys/key001/{VERSION}"));
    lab.roots.describe(&last, request()).await.expect("a sound vault");
    assert_eq!(lab.server.tokens(), MAX_CLIENTS + 1, "still there");
    let first = key_at(&format!("https://contoso-0.vault.localhost/keys/key001/{VERSION}"));
    lab.roots.describe(&first, request()).await.expect("a sound vault");
    assert_eq!(lab.server.tokens(), MAX_CLIENTS + 2, "had to go");
}

const CHILD: &str = "FREEHOLD_TEST_CHILD";

/// Run by the next test in a process with another environment; by itself it has nothing to do.
#[tokio::test]
async fn child_of_a_hostile_environment() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (port, root) = task.split_once(' ').expect("a port and a file");
    let suffix = format!("vault.freehold.test:{port}");
    let key = key_at(&format!("https://contoso-a.{suffix}/keys/key001/{VERSION}"));
    let ranges = vec!["127.0.0.1".parse().expect("a range")];
    let (roots, _) = roots(Application {
        cloud: Cloud::of(suffix.parse().expect("a suffix")).expect("our own"),
        client_id: "app".parse().expect("a client id"),
        owner: CredentialOwner::Operator,
        credential: secret(SECRET),
        ranges: Ranges::public_and(ranges).expect("few"),
        trust: Trust::bundle(root.as_ref()).expect("a root"),
        lab: LabMap::default(),
        lookup: Lookup::by(|_| Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])),
    });
    match roots.describe(&key, request()).await {
        Ok(_) => println!("child: described"),
        Err(answer) => println!("child: {answer:?}"),
    }
}

#[tokio::test]
async fn proxies_roots_and_authorities_of_the_environment_are_ignored() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = Server::start(&authority, "vault.freehold.test:{port}", |_| Reply::Sound).await;
    let proxied = Arc::new(AtomicUsize::new(0));
    let count = proxied.clone();
    let proxy = listen(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let proxy = format!("http://{proxy}");
    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (folder.path().join("own.pem"), folder.path().join("other.pem"));
    std::fs::write(&own, authority.pem()).expect("written");
    std::fs::write(&other, stranger.pem()).expect("written");
    let run = async |believed: &std::path::Path, environment: &std::path::Path| {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child
            .args(["--exact", "--nocapture", "roots::tests::wire::child_of_a_hostile_environment"])
            .env(CHILD, format!("{} {}", server.address.port(), believed.display()))
            .env("SSL_CERT_FILE", environment)
            .env("AZURE_AUTHORITY_HOST", "https://login.evil.example")
            .env_remove("NO_PROXY")
            .env_remove("no_proxy");
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
            child.env(name, &proxy);
        }
        let output = tokio::task::spawn_blocking(move || child.output().expect("it runs"));
        String::from_utf8(output.await.expect("no panic").stdout).expect("text")
    };
    let output = run(&own, &other).await;
    assert!(output.contains("child: described"), "{output}");
    let output = run(&other, &own).await;
    assert!(output.contains("child: Tls"), "{output}");
    assert_eq!(proxied.load(Ordering::SeqCst), 0, "no proxy was dialled");
}

//! HTTPS: who gets in, with what, and which certificate they see.

use std::{
    fs,
    future::ready,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use alula::{
    middleware::HttpsRedirect,
    serve::{Limits, Server, Shutdown, Tls},
};
use axum::{Router, routing::get};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{GET, Running, flood, gate, ok, soon};

const SHORT: Duration = Duration::from_millis(200);

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["test".to_owned()]).unwrap()
}

fn tls(certificate: &CertifiedKey<KeyPair>) -> Tls {
    let (cert, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    Tls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap()
}

async fn start(limits: Limits, tls: Tls, app: Router) -> Running {
    let server = Server::bind("127.0.0.1:0", limits).await.unwrap().tls(tls);
    assert_eq!(server.scheme(), "https");
    let (addr, shutdown) = (server.local_addr(), Shutdown::new());
    let mut task = JoinSet::new();
    task.spawn(server.run(app, shutdown.clone()));
    Running { addr, shutdown, task }
}

/// A client that trusts these certificates and nothing else.
async fn handshake(
    stream: TcpStream,
    trusted: &[&CertificateDer<'static>],
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add((*certificate).clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    soon("a handshake", connector.connect("test".try_into().unwrap(), stream)).await
}

async fn connect(
    server: &Running,
    trusted: &[&CertificateDer<'static>],
) -> std::io::Result<TlsStream<TcpStream>> {
    handshake(TcpStream::connect(server.addr).await.unwrap(), trusted, "http/1.1").await
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"ok") {
        let read = soon("an answer", stream.read_buf(&mut received)).await.unwrap();
        assert_ne!(read, 0, "closed: {:?}", String::from_utf8_lossy(&received));
    }
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let certificate = certificate();
    let server = start(Limits::default(), tls(&certificate), ok()).await;
    let mut one = connect(&server, &[certificate.cert.der()]).await.unwrap();
    for _ in 0..2 {
        assert!(ask(&mut one).await.starts_with("HTTP/1.1 200"));
    }

    let stream = TcpStream::connect(server.addr).await.unwrap();
    let two = handshake(stream, &[certificate.cert.der()], "h2").await.unwrap();
    assert_eq!(two.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (requests, connection) = h2::client::handshake(two).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let request = http::Request::get("https://test/").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    assert_eq!(soon("an answer", answer).await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn the_application_knows_that_it_is_https() {
    let app = Router::new().route("/", get(|| ready("ok"))).layer(HttpsRedirect::new());
    let certificate = certificate();
    let server = start(Limits::default(), tls(&certificate), app).await;
    let mut client = connect(&server, &[certificate.cert.der()]).await.unwrap();
    assert!(ask(&mut client).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn plain_http_is_told_so() {
    let server = start(Limits::default(), tls(&certificate()), ok()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let answer = client.receive_all().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.ends_with(r#"{"detail":"This port speaks HTTPS"}"#), "{answer}");
}

#[tokio::test]
async fn who_makes_no_handshake_is_closed_and_holds_nobody_up() {
    let certificate = certificate();
    let limits = Limits::default().header_read(5 * SHORT);
    let server = start(limits, tls(&certificate), ok()).await;
    let started = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(server.connect().await);
    }
    let mut client = connect(&server, &[certificate.cert.der()]).await.unwrap();
    ask(&mut client).await;
    for client in &mut silent {
        assert_eq!(client.receive_all().await, "");
    }
    assert!(started.elapsed() >= 5 * SHORT, "closed after {:?}", started.elapsed());
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_and_costs_little() {
    let certificate = certificate();
    let flood = flood();
    let limits = Limits::default().write_stall(SHORT);
    let server = start(limits, tls(&certificate), flood.app).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = socket.connect(server.addr).await.unwrap();
    let mut client = handshake(stream, &[certificate.cert.der()], "http/1.1").await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    soon("the body is dropped", flood.dropped.given()).await;
    let sent = flood.chunks.load(SeqCst) * 2;
    assert!(sent < 512, "{sent} KiB were produced for a client that never reads");
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_cut() {
    let certificate = certificate();
    let length = 96 * 1024;
    let body = "x".repeat(length);
    let app = Router::new().route("/", get(move || ready(body)));
    let limits = Limits::default().write_stall(5 * SHORT);
    let server = start(limits, tls(&certificate), app).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = socket.connect(server.addr).await.unwrap();
    let mut client = handshake(stream, &[certificate.cert.der()], "http/1.1").await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    let started = Instant::now();
    let (mut received, mut space) = (0, [0; 4096]);
    while received < length {
        let read = soon("more of the body", client.read(&mut space)).await.unwrap();
        assert_ne!(read, 0, "cut after {received} bytes");
        received += read;
        sleep(SHORT / 4).await;
    }
    assert!(started.elapsed() > 5 * SHORT, "the client was too fast for this test");
}

#[tokio::test]
async fn a_shutdown_finishes_what_has_begun() {
    let certificate = certificate();
    let gate = gate();
    let mut server = start(Limits::default(), tls(&certificate), gate.app).await;
    let mut client = connect(&server, &[certificate.cert.der()]).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    gate.started.given().await;
    server.shutdown.trigger();
    gate.go.give();
    let mut answer = Vec::new();
    // An end without TLS's goodbye would be an error here.
    soon("the end", client.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.ends_with(b"ok"));
    drop(client);
    assert_eq!(server.ended().await.connections_cut, 0);
}

/// Two files with a certificate and its key.
struct Files {
    dir: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self { dir }
    }

    fn write(&self, certificate: &CertifiedKey<KeyPair>) {
        fs::write(self.certificate(), certificate.cert.pem()).unwrap();
        fs::write(self.key(), certificate.signing_key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.dir.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.join("key.pem")
    }

    fn read(&self) -> Result<Tls, String> {
        Tls::from_pem_files(self.certificate(), self.key()).map_err(|error| error.to_string())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_for_new_connections() {
    let (old, new) = (certificate(), certificate());
    let files = Files::new("renewed");
    files.write(&old);
    let tls = files.read().unwrap();
    let server = start(Limits::default(), tls.clone(), ok()).await;
    let mut open = connect(&server, &[old.cert.der()]).await.unwrap();
    ask(&mut open).await;

    files.write(&new);
    tls.reload().unwrap();
    ask(&mut open).await;
    ask(&mut connect(&server, &[new.cert.der()]).await.unwrap()).await;
    assert!(connect(&server, &[old.cert.der()]).await.is_err(), "the old one is still shown");

    // Half a renewal changes nothing.
    fs::write(files.certificate(), old.cert.pem()).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("does not belong to the certificate"), "{error}");
    ask(&mut connect(&server, &[new.cert.der()]).await.unwrap()).await;
}

#[test]
fn mistakes_are_named() {
    let files = Files::new("mistakes");
    assert!(files.read().unwrap_err().contains("cert.pem"));
    files.write(&certificate());
    files.read().unwrap();
    fs::write(files.key(), "no key").unwrap();
    let error = files.read().unwrap_err();
    assert!(error.contains("private key") && error.contains("key.pem"), "{error}");
    fs::write(files.certificate(), "no certificate").unwrap();
    let error = files.read().unwrap_err();
    assert!(error.contains("CERTIFICATE") && error.contains("cert.pem"), "{error}");
    files.write(&certificate());
    fs::write(files.key(), certificate().signing_key.serialize_pem()).unwrap();
    let error = files.read().unwrap_err();
    assert!(error.contains("does not belong to the certificate"), "{error}");
}

#[test]
fn what_came_from_memory_is_not_reloaded() {
    let error = tls(&certificate()).reload().unwrap_err().to_string();
    assert!(error.contains("memory"), "{error}");
}

//! Calls by TLS, which is where HTTP/2 is spoken.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

/// What trusts these, and speaks either version.
pub(super) fn trusting(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    certificates.into_iter().for_each(|certificate| roots.add(certificate).unwrap());
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// A server that speaks only this version.
struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certified: CertifiedKey<KeyPair>,
    uri: Uri,
}

impl Server {
    async fn start(version: &str) -> Self {
        let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], PrivateKeyDer::from(key))
            .unwrap();
        config.alpn_protocols = vec![version.as_bytes().to_vec()];
        let (listener, _) = listen().await;
        let port = listener.local_addr().unwrap().port();
        let uri = format!("https://localhost:{port}/x").parse().unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), certified, uri }
    }

    fn direct(&self) -> Direct {
        Direct::new(trusting([self.certified.cert.der().clone()]), PATIENCE)
    }

    async fn accept(&self) -> TlsStream<TcpStream> {
        let (stream, _) = self.listener.accept().await.unwrap();
        self.acceptor.accept(stream).await.unwrap()
    }
}

#[tokio::test]
async fn a_connection_by_tls_is_used_again() {
    let server = Server::start("http/1.1").await;
    let direct = server.direct();
    let calls = async {
        for length in [0, 5, 3_000_000] {
            let text = "x".repeat(length);
            let answer = ask(&direct, &server.uri, text.clone()).await.unwrap();
            assert_eq!(answer, format!("200 {text}"));
        }
    };
    tokio::select! {
        () = calls => {}
        () = async { echo(server.accept().await).await } => panic!("the connection is closed"),
    }
}

#[tokio::test]
async fn a_body_in_parts_arrives_whole_by_either_version() {
    for version in ["http/1.1", "h2"] {
        let server = Server::start(version).await;
        let direct = server.direct();
        let (mut body, mut text) = (Parts::default(), "200 ".to_owned());
        for letter in 'a'..'m' {
            let part = letter.to_string().repeat(7000);
            text += &part;
            body.push(part.into());
        }
        let peer = async {
            let stream = server.accept().await;
            match version {
                "h2" => echo_by_http2(stream).await,
                _ => echo(stream).await,
            }
        };
        tokio::select! {
            answer = ask_in_parts(&direct, &server.uri, body) => assert!(answer.unwrap() == text),
            () = peer => panic!("the connection is closed"),
        }
    }
}

#[tokio::test]
async fn who_waits_for_a_connection_takes_one_that_is_given_back() {
    let server = Server::start("http/1.1").await;
    let direct = server.direct();
    let peer = async {
        let mut stream = server.accept().await;
        let first = read_request(&mut stream).await;
        // This one is never greeted.
        let _stalled = server.listener.accept().await.unwrap();
        say(&mut stream, OK).await;
        let second = read_request(&mut stream).await;
        assert_ne!(first.chars().last(), second.chars().last());
        say(&mut stream, OK).await;
    };
    let calls =
        async { tokio::join!(ask(&direct, &server.uri, "a"), ask(&direct, &server.uri, "b")) };
    let ((one, two), ()) = tokio::join!(calls, peer);
    assert_eq!((one.unwrap(), two.unwrap()), ("200 ok".to_owned(), "200 ok".to_owned()));
}

#[tokio::test]
async fn an_end_without_a_word_by_tls_is_no_end_of_the_answer() {
    let server = Server::start("http/1.1").await;
    let direct = server.direct();
    let peer = async {
        let mut stream = server.accept().await;
        read_request(&mut stream).await;
        say(&mut stream, "HTTP/1.1 200 OK\r\n\r\nhello").await;
        // Without what TLS says at the end, as one does that is cut off.
        drop(stream);
        let mut stream = server.accept().await;
        read_request(&mut stream).await;
        say(&mut stream, "HTTP/1.1 200 OK\r\n\r\nhello").await;
        stream.shutdown().await.unwrap();
    };
    let calls = async {
        let error = ask(&direct, &server.uri, "").await.unwrap_err();
        assert!(matches!(error, CallError::Http1(http1::Error::Read(_))), "{error:?}");
        assert_eq!(ask(&direct, &server.uri, "").await.unwrap(), "200 hello");
    };
    tokio::join!(peer, calls);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_no_connection() {
    let server = Server::start("http/1.1").await;
    let (direct, uri) = (direct(), server.uri.clone());
    let peer = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        assert!(server.acceptor.accept(stream).await.is_err());
    };
    let (error, ()) = tokio::join!(ask(&direct, &uri, ""), peer);
    let error = error.unwrap_err();
    assert!(matches!(error, CallError::Connect(_)), "{error:?}");
}

/// Answers each request with its body.
async fn echo_by_http2(stream: TlsStream<TcpStream>) {
    let service = service_fn(|request: Request<Incoming>| async {
        assert_eq!(request.uri().path(), "/x");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    let builder = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.serve_connection(TokioIo::new(stream), service).await.unwrap();
}

#[tokio::test]
async fn calls_share_a_connection_by_http2() {
    let server = Server::start("h2").await;
    let direct = server.direct();
    let peer = async { echo_by_http2(server.accept().await).await };
    let calls = async {
        assert_eq!(ask(&direct, &server.uri, "first").await.unwrap(), "200 first");
        let both = tokio::join!(
            ask(&direct, &server.uri, "hello"),
            ask(&direct, &server.uri, "x".repeat(300_000)),
        );
        assert_eq!(both.0.unwrap(), "200 hello");
        assert_eq!(both.1.unwrap().len(), 300_004);
    };
    tokio::select! {
        () = calls => {}
        () = peer => panic!("the connection is closed"),
    }
}

#[tokio::test]
async fn calls_that_connect_at_once_share_what_is_there_first() {
    let server = Server::start("h2").await;
    let direct = server.direct();
    let connection = async || {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let service = service_fn(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        });
        let stream = TokioIo::new(server.accept().await);
        let builder =
            hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
        // The one that is not needed is dropped as it is.
        let _ = builder.serve_connection(stream, service).await;
        asked.load(Ordering::Relaxed)
    };
    let calls = async {
        let both = tokio::join!(ask(&direct, &server.uri, "a"), ask(&direct, &server.uri, "b"));
        assert_eq!((both.0.unwrap().as_str(), both.1.unwrap().as_str()), ("200 ", "200 "));
        drop(direct);
    };
    let ((), one, two) = tokio::join!(calls, connection(), connection());
    assert_eq!((one.min(two), one.max(two)), (0, 2));
}

/// What is done with a request by HTTP/2.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// It is answered with 200.
    Answer,
    /// It was not looked at, and the next one is.
    Refuse,
    /// It was not looked at, and no other one is on this connection.
    GoAway,
    /// It is lost.
    Break,
}

/// Takes the requests of one connection, frame by frame (RFC 9113): what no library would do.
/// How many there were.
async fn speak(mut stream: TlsStream<TcpStream>, turns: &mut VecDeque<Turn>) -> Option<usize> {
    const PREFACE: usize = 24;
    const HEADERS: u8 = 1;
    let frame = |kind: u8, flags: u8, id: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let id = id.to_be_bytes();
        [&length[1..], &[kind, flags], &id, payload].concat()
    };
    stream.read_exact(&mut [0; PREFACE]).await.ok()?;
    stream.write_all(&frame(4, 0, 0, &[])).await.ok()?;
    let mut asked = 0;
    loop {
        let mut head = [0; 9];
        stream.flush().await.ok()?;
        if stream.read_exact(&mut head).await.is_err() {
            return Some(asked);
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] != HEADERS {
            continue;
        }
        asked += 1;
        let said = match turns.pop_front().unwrap() {
            // `:status: 200` is the eighth of the fields that have a number.
            Turn::Answer => frame(HEADERS, 4 | 1, id, &[0x88]),
            Turn::Refuse => frame(3, 0, id, &7_u32.to_be_bytes()),
            Turn::GoAway => frame(7, 0, 0, &[0; 8]),
            Turn::Break => return Some(asked),
        };
        stream.write_all(&said).await.ok()?;
    }
}

/// Asks so often, of a server that does this. How the calls ended, and how many requests there
/// were on each connection.
async fn asked(times: usize, turns: impl Into<VecDeque<Turn>>) -> (Vec<String>, Vec<usize>) {
    let server = Server::start("h2").await;
    let direct = server.direct();
    let mut turns = turns.into();
    let mut requests = Vec::new();
    let calls = async {
        let mut ended = Vec::new();
        for _ in 0..times {
            ended.push(match ask(&direct, &server.uri, "").await {
                Ok(answer) => answer,
                Err(error) => format!("{:?}", causes(&error).last()),
            });
        }
        drop(direct);
        ended
    };
    let peer = async {
        while !turns.is_empty() {
            let stream = server.accept().await;
            requests.extend(speak(stream, &mut turns).await);
        }
    };
    let (ended, ()) = tokio::join!(calls, peer);
    assert!(turns.is_empty());
    (ended, requests)
}

#[tokio::test]
async fn a_request_that_a_server_refused_is_sent_again() {
    use Turn::{Answer, Refuse};

    let (ended, requests) = asked(2, [Answer, Refuse, Refuse, Answer]).await;
    assert_eq!((ended, requests), (vec!["200 ".to_owned(); 2], vec![4]));
    // But not forever.
    let (ended, requests) = asked(1, [Refuse, Refuse, Refuse]).await;
    assert!(ended[0].contains("REFUSED_STREAM"), "{ended:?}");
    assert_eq!(requests, [3]);
}

#[tokio::test]
async fn a_request_that_a_server_has_not_looked_at_goes_to_the_next_connection() {
    use Turn::{Answer, GoAway};

    let (ended, requests) = asked(2, [Answer, GoAway, Answer]).await;
    assert_eq!((ended, requests), (vec!["200 ".to_owned(); 2], vec![2, 1]));
    let (ended, requests) = asked(1, [GoAway, Answer]).await;
    assert_eq!((ended, requests), (vec!["200 ".to_owned()], vec![1, 1]));
}

#[tokio::test]
async fn a_request_that_a_server_may_have_looked_at_is_not_sent_again() {
    use Turn::{Answer, Break};

    let (ended, requests) = asked(2, [Answer, Break]).await;
    assert_eq!((ended[0].as_str(), requests), ("200 ", vec![2]));
    assert!(!ended[1].starts_with("200"), "{ended:?}");
    // And the next call has a connection of its own.
    let (ended, requests) = asked(2, [Break, Answer]).await;
    assert_eq!((ended[1].as_str(), requests), ("200 ", vec![1, 1]));
}

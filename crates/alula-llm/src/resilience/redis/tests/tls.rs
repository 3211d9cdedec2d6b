//! A Redis behind TLS.

use std::{error::Error as _, sync::Arc};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    super::{super::limiter::Limiter, tls::Tls},
    Redis, Server, limiter,
};
use crate::{ErrorKind, RateLimit};

/// Takes connections by TLS, and passes on what comes by them in the clear. Where it listens.
async fn front(certified: &CertifiedKey<KeyPair>, to: u16, tasks: &mut JoinSet<()>) -> u16 {
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], PrivateKeyDer::from(key))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_redis_may_be_spoken_to_by_tls() {
    let Some(server) = Server::start() else { return };
    let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut tasks = JoinSet::new();
    let port = front(&certified, server.port(), &mut tasks).await;
    let redis = Redis::new(&format!("rediss://localhost:{port}")).unwrap();

    // Nobody vouches for it.
    let error = redis.check().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("certificate"), "{cause}");

    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = Tls::of(&redis.client, config.clone());
    let redis = Redis { tls, ..redis }.timeout(std::time::Duration::from_secs(5));
    redis.check().await.unwrap();
    let limit = RateLimit::default().requests(1);
    let by_tls = Limiter::new(limit, Some(redis.open().of("limit:test")));
    by_tls.reserve(1).await.unwrap().turn().await;
    assert!(limiter(&server, limit).reserve(1).await.is_err(), "it is the same Redis");

    // Another name than that of the certificate is another server.
    let other = Redis::new(&format!("rediss://127.0.0.1:{port}")).unwrap();
    let tls = Tls::of(&other.client, config);
    Redis { tls, ..other }.check().await.unwrap_err();
}

#[test]
fn nobody_turns_the_check_of_certificates_off() {
    let error = Redis::new("rediss://localhost/#insecure").unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Config);
}

//! Connections to Redis by TLS: rustls with the platform's certificates, as those to providers.

use std::sync::Arc;

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisResult,
    aio::MultiplexedConnection,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How a server is known that is spoken to by TLS.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// The server that the client's address names; nothing if it names none.
    pub(super) fn of(client: &Client, config: ClientConfig) -> Option<Self> {
        let (host, _) = place(client)?;
        let name = ServerName::try_from(host.to_owned()).ok()?;
        Some(Self { config: Arc::new(config), name })
    }

    /// Connects, and lets a task drive the connection until it is dropped.
    pub(super) async fn connect(
        &self,
        client: &Client,
        config: AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let place = place(client);
        let place =
            place.ok_or((ErrorKind::InvalidClientConfig, "TLS needs the name of a host"))?;
        let stream = TcpStream::connect(place).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(self.config.clone());
        let stream = connector.connect(self.name.clone(), stream).await?;
        let settings = client.get_connection_info().redis_settings();
        let (redis, driver) =
            MultiplexedConnection::new_with_config(settings, stream, config).await?;
        #[expect(clippy::disallowed_methods, reason = "it ends with the connection")]
        tokio::spawn(driver);
        Ok(redis)
    }
}

fn place(client: &Client) -> Option<(&str, u16)> {
    match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, port) => Some((host, *port)),
        _ => None,
    }
}

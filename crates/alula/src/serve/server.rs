//! Accepts connections and ends them.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host},
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    HttpService, Limits, PeerAddr, Shutdown,
    accept::Acceptor,
    connection::{End, Protocol},
    refuse::Refusals,
};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;

/// How long dropped connections have to be gone, and then the tasks that they leave. Only a handler
/// that blocks its thread, or an exit that waits for something, needs it.
const CUT_TIME: Duration = Duration::from_millis(500);

/// An HTTP server that is bound to its address and not running yet.
///
/// ```no_run
/// use alula::serve::{Limits, Server, Shutdown};
/// use axum::{Router, routing::get};
///
/// # async fn example() -> std::io::Result<()> {
/// let server = Server::bind("127.0.0.1:8000", Limits::default()).await?;
/// println!("listening on http://{}", server.local_addr());
/// let app: Router = Router::new().route("/", get(|| async { "hello" }));
/// server.run(app, Shutdown::on_signals()?).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    limits: Limits,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// HTTP connections that ended by themselves during the shutdown.
    pub connections_drained: usize,
    /// Connections that were still open at the deadline. Those that speak HTTP were dropped; one
    /// that had left it by an upgrade lasts as long as its task or the runtime.
    pub connections_cut: usize,
    /// Tasks started with [`Shutdown::spawn`] that were not done at the deadline.
    pub tasks_left: usize,
    /// How long the shutdown took.
    pub took: Duration,
}

impl Server {
    /// Binds to the first of the addresses that can be bound; port 0 picks a free one.
    ///
    /// The kernel accepts connections from here on; they wait for [`run`](Self::run).
    ///
    /// # Errors
    /// If the name does not resolve, or no address can be bound.
    pub async fn bind(addr: impl ToSocketAddrs, limits: Limits) -> io::Result<Self> {
        let mut failure = None;
        for addr in lookup_host(addr).await? {
            match listen(addr, &limits) {
                Ok(listener) => {
                    let local_addr = listener.local_addr()?;
                    return Ok(Self { listener, local_addr, limits });
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address")
        }))
    }

    /// The address that the server is bound to, with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The limits that the server was made with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Serves until the shutdown is over.
    ///
    /// Each request has a [`PeerAddr`] among its extensions. A panic of the service ends its
    /// connection and nothing else.
    ///
    /// The future must be polled to its end: if it is dropped, no new connections are accepted
    /// and the open ones go on without a deadline.
    pub async fn run<S: HttpService>(self, service: S, shutdown: Shutdown) -> Summary {
        let limits = self.limits.clone();
        let connections = Connections::new(self.limits.connections);
        let protocol = Protocol::new(self.limits);
        let mut acceptor = Acceptor::new(self.listener);
        let mut stopping = pin!(shutdown.stopping());
        loop {
            let (stream, addr) = tokio::select! {
                biased;
                () = &mut stopping => break,
                accepted = acceptor.accept() => accepted,
            };
            connections.start(stream, addr, &protocol, &service, &shutdown);
        }
        drop(acceptor);
        connections.drain(&limits, &shutdown).await
    }
}

fn listen(addr: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Windows this option lets two servers share a port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(limits.send_buffer_bytes)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// The open connections of a server.
#[derive(Debug)]
struct Connections {
    limit: usize,
    /// One token for each socket, also for one that has left HTTP by an upgrade.
    sockets: TaskTracker,
    /// One task for each connection that speaks HTTP.
    tasks: TaskTracker,
    tally: Arc<Tally>,
    refusals: Refusals,
}

/// Counts the connections that a shutdown ended.
#[derive(Debug, Default)]
struct Tally {
    drained: AtomicUsize,
    cut: AtomicUsize,
}

impl Connections {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            sockets: TaskTracker::new(),
            tasks: TaskTracker::new(),
            tally: Arc::default(),
            refusals: Refusals::default(),
        }
    }

    fn start<S: HttpService>(
        &self,
        stream: TcpStream,
        addr: SocketAddr,
        protocol: &Protocol,
        service: &S,
        shutdown: &Shutdown,
    ) {
        if self.sockets.len() >= self.limit {
            return self.refusals.refuse(stream);
        }
        // A token that waits for more is a token that is late. Without the option it still works.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
        let peer = PeerAddr(SocketAddr::new(addr.ip().to_canonical(), addr.port()));
        let open = self.sockets.token();
        let connection =
            protocol.clone().serve(stream, peer, service.clone(), shutdown.clone(), open);
        let (tally, shutdown) = (Arc::clone(&self.tally), shutdown.clone());
        self.tasks.spawn(async move {
            match connection.await {
                End::Cut => tally.cut.fetch_add(1, Relaxed),
                _ if shutdown.is_stopping() => tally.drained.fetch_add(1, Relaxed),
                _ => 0,
            };
        });
    }

    /// Waits for connections and tasks; at the deadline, drops what is left.
    async fn drain(self, limits: &Limits, shutdown: &Shutdown) -> Summary {
        let started = Instant::now();
        tracing::info!(connections = self.sockets.len(), tasks = shutdown.work_left(), "draining");
        let all_done = async {
            self.sockets.close();
            self.sockets.wait().await;
            self.tasks.close();
            self.tasks.wait().await;
            shutdown.wait_for_work().await;
        };
        tokio::select! {
            biased;
            () = all_done => {}
            () = deadline(limits, shutdown) => {}
        }
        if !self.sockets.is_empty() {
            shutdown.end_now();
            self.tasks.close();
            // A handler that blocks its thread is not waited for.
            let _ = timeout(CUT_TIME, self.tasks.wait()).await;
            // What was cut may have left work to do: a transaction to roll back.
            let _ = timeout(CUT_TIME, shutdown.wait_for_work()).await;
        }
        let tasks_left = shutdown.work_left();
        let summary = Summary {
            connections_drained: self.tally.drained.load(Relaxed),
            connections_cut: self.tally.cut.load(Relaxed) + self.sockets.len(),
            tasks_left,
            took: started.elapsed(),
        };
        summary.log();
        summary
    }
}

/// Passes when the drain is over, by time or by command; tells the streams before.
async fn deadline(limits: &Limits, shutdown: &Shutdown) {
    let ended = async {
        sleep(limits.drain.saturating_sub(limits.stream_grace)).await;
        shutdown.tell_streams();
        sleep(limits.stream_grace.min(limits.drain)).await;
    };
    tokio::select! {
        () = ended => {}
        () = shutdown.ended() => {}
    }
}

impl Summary {
    fn log(&self) {
        let Self { connections_drained, connections_cut, tasks_left, took } = *self;
        if connections_cut == 0 && tasks_left == 0 {
            tracing::info!(connections_drained, ?took, "stopped");
        } else {
            tracing::warn!(
                connections_drained,
                connections_cut,
                tasks_left,
                ?took,
                "stopped early"
            );
        }
    }
}

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
    net::{TcpListener, TcpStream, ToSocketAddrs},
    time::{sleep, timeout},
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tracing::Span;

#[cfg(feature = "tls")]
use super::tls::{Handshakes, Tls};
#[cfg(unix)]
use super::workers::InCrew;
use super::{
    HttpService, Limits, OpenConnections, PeerAddr, Shutdown,
    accept::Acceptor,
    activity::Activity,
    connection::{Arrival, End, Protocol},
    drain::{CUT_TIME, deadline},
    guarded_io::Socket,
    listen::listen,
    places::{Place, Places},
    refuse::Refusals,
    spawner::Spawner,
};

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
    /// One token for each socket, also for one that has left HTTP by an upgrade.
    sockets: TaskTracker,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    /// In a worker, what it has of the others.
    #[cfg(unix)]
    crew: Option<InCrew>,
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
        let listener = listen(addr, &limits).await?;
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
            limits,
            sockets: TaskTracker::new(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(unix)]
            crew: None,
        })
    }

    /// Speaks HTTPS, and nothing else.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What a client that wants to come here has to begin its URL with.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return "https";
        }
        "http"
    }

    /// A server on sockets of its supervisor.
    #[cfg(unix)]
    pub(super) fn of_worker(
        listener: TcpListener,
        limits: Limits,
        crew: InCrew,
    ) -> io::Result<Self> {
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
            limits,
            sockets: TaskTracker::new(),
            #[cfg(feature = "tls")]
            tls: None,
            crew: Some(crew),
        })
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

    /// What counts the open connections while the server runs, for a metric.
    ///
    /// ```
    /// use alula::serve::{Limits, Server};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let server = Server::bind("127.0.0.1:0", Limits::default()).await?;
    /// let open = server.open_connections();
    /// assert_eq!(open.count(), 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn open_connections(&self) -> OpenConnections {
        OpenConnections::of(&self.sockets)
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
        let connections = Connections::new(&self);
        #[cfg(feature = "tls")]
        self.reload_on_hangup(&shutdown);
        let protocol = Protocol::new(limits.clone());
        let mut acceptor = self.into_acceptor().await;
        let started = {
            let mut closing = pin!(closing(limits.drain_delay, &shutdown));
            loop {
                let (stream, addr) = tokio::select! {
                    biased;
                    started = &mut closing => break started,
                    accepted = acceptor.accept() => accepted,
                };
                connections.start(stream, addr, &protocol, &service, &shutdown);
            }
        };
        match acceptor.close() {
            Ok(waiting) => {
                for (stream, addr) in waiting {
                    connections.start(stream, addr, &protocol, &service, &shutdown);
                }
            }
            Err(error) => tracing::warn!(%error, "connections that waited are lost"),
        }
        connections.drain(&limits, &shutdown, started).await
    }

    /// What the log lines of a worker are in.
    pub(crate) fn worker_span(&self) -> Span {
        #[cfg(unix)]
        if let Some(crew) = &self.crew {
            return tracing::info_span!(parent: None, "worker", number = crew.number);
        }
        Span::none()
    }

    /// As the supervisor does by replacing its workers, if there is one.
    #[cfg(feature = "tls")]
    fn reload_on_hangup(&self, shutdown: &Shutdown) {
        #[cfg(unix)]
        if let Some(tls) = &self.tls {
            shutdown.listen(tls.clone().reload_on_hangup());
        }
    }

    async fn into_acceptor(self) -> Acceptor {
        #[cfg(unix)]
        if let Some(mut crew) = self.crew {
            crew.report_listening().await;
            return Acceptor::with_siblings(self.listener, crew.siblings);
        }
        Acceptor::new(self.listener)
    }
}

/// Waits for the moment from which on no connections are accepted, and returns when the shutdown
/// started.
async fn closing(drain_delay: Duration, shutdown: &Shutdown) -> Instant {
    shutdown.stopping().await;
    let started = Instant::now();
    if !drain_delay.is_zero() {
        tracing::info!(?drain_delay, "stopping; still accepting");
        tokio::select! {
            () = sleep(drain_delay) => {}
            () = shutdown.closing() => {}
        }
    }
    shutdown.close();
    started
}

/// The open connections of a server.
#[derive(Debug)]
struct Connections {
    limit: usize,
    #[cfg(feature = "tls")]
    tls: Option<Handshakes>,
    places: Places,
    /// One token for each socket, also for one that has left HTTP by an upgrade.
    sockets: TaskTracker,
    /// Starts one task for each connection that speaks HTTP, and more for one of HTTP/2.
    spawner: Spawner,
    tally: Arc<Tally>,
    refusals: Refusals,
}

/// Kept as long as a connection is open.
#[derive(Debug)]
pub(super) struct Open {
    _socket: TaskTrackerToken,
    _place: Place,
}

/// Counts the connections that a shutdown ended.
#[derive(Debug, Default)]
struct Tally {
    drained: AtomicUsize,
    cut: AtomicUsize,
}

impl Connections {
    fn new(server: &Server) -> Self {
        let limits = &server.limits;
        Self {
            limit: limits.connections,
            #[cfg(feature = "tls")]
            tls: server.tls.clone().map(|tls| Handshakes::new(tls, limits)),
            places: Places::new(limits.connections_per_ip),
            sockets: server.sockets.clone(),
            spawner: Spawner::new(TaskTracker::new(), server.worker_span()),
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
        let peer = PeerAddr(SocketAddr::new(addr.ip().to_canonical(), addr.port()));
        let place = self.places.take(peer.0.ip());
        let (true, Some(place)) = (self.sockets.len() < self.limit, place) else {
            return self.refuse(stream);
        };
        // A token that waits for more is a token that is late. Without the option it still works.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
        let activity = Arc::new(Activity::default());
        let arrival = Arrival {
            io: Socket::new(stream, Arc::clone(&activity)),
            activity,
            peer,
            https: false,
            shutdown: shutdown.clone(),
            spawner: self.spawner.clone(),
            open: Open { _socket: self.sockets.token(), _place: place },
        };
        let (protocol, service) = (protocol.clone(), service.clone());
        #[cfg(feature = "tls")]
        if let Some(handshakes) = &self.tls {
            let handshakes = handshakes.clone();
            return self.run(shutdown, async move {
                match handshakes.make(arrival).await {
                    Ok(arrival) => protocol.serve(arrival, service).await,
                    Err(end) => end,
                }
            });
        }
        self.run(shutdown, protocol.serve(arrival, service));
    }

    fn run(&self, shutdown: &Shutdown, connection: impl Future<Output = End> + Send + 'static) {
        let (tally, shutdown) = (Arc::clone(&self.tally), shutdown.clone());
        self.spawner.spawn(async move {
            match connection.await {
                End::Cut => tally.cut.fetch_add(1, Relaxed),
                _ if shutdown.is_stopping() => tally.drained.fetch_add(1, Relaxed),
                _ => 0,
            };
        });
    }

    /// Says that there is no place; with TLS that would take a handshake, so it is not said.
    fn refuse(&self, stream: TcpStream) {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return;
        }
        self.refusals.refuse(stream);
    }

    /// Waits for connections and tasks; at the deadline, drops what is left.
    async fn drain(self, limits: &Limits, shutdown: &Shutdown, started: Instant) -> Summary {
        tracing::info!(connections = self.sockets.len(), tasks = shutdown.work_left(), "draining");
        let all_done = async {
            self.sockets.close();
            self.sockets.wait().await;
            self.spawner.tasks().close();
            self.spawner.tasks().wait().await;
            shutdown.wait_for_work().await;
        };
        let is_done = tokio::select! {
            biased;
            () = all_done => true,
            () = deadline(limits, shutdown) => false,
        };
        // Also without sockets: who has left HTTP may go on when its client is gone.
        if !is_done {
            shutdown.end_now();
            self.spawner.tasks().close();
            // A handler that blocks its thread is not waited for.
            let _ = timeout(CUT_TIME, self.spawner.tasks().wait()).await;
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

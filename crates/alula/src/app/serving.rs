//! From an address to a running application.

use std::{io, time::Duration};

use tracing::Instrument as _;

use super::{App, Running, StartError, build, lifespan::Closing};
use crate::{
    error::Result,
    serve::{Launch, Server, Shutdown, Workers, without_connections},
};

impl App {
    /// Serves with several processes, see [`Workers`]; with one by default.
    ///
    /// Only [`serve`](Self::serve) looks at it. It starts this program again for each worker, so
    /// `main` runs in the supervisor and in each worker, up to there; the lifespan and all that
    /// serves runs in the workers only. State in memory is each worker's own.
    ///
    /// ```no_run
    /// # async fn example(app: alula::App) -> alula::Result<()> {
    /// app.workers(4).serve("0.0.0.0:8000").await
    /// # }
    /// ```
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.workers = workers.into();
        self
    }

    /// Speaks HTTPS where it is served; see [`Tls`](crate::serve::Tls).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::serve::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves the application at an address such as `127.0.0.1:8000`, until SIGTERM or SIGINT.
    ///
    /// With several [`workers`](Self::workers) this process becomes their supervisor.
    ///
    /// It prints nothing by itself. The address, the access log and the causes of errors go to
    /// [`tracing`](https://docs.rs/tracing): `tracing_subscriber::fmt::init()` shows them.
    ///
    /// # Errors
    ///
    /// If the application has a mistake, its lifespan fails, or the address cannot be bound. The
    /// error is made to be returned from `main`; [`serve_on`](Self::serve_on) has a typed one.
    pub async fn serve(self, address: &str) -> Result<()> {
        let launch = self.workers.bind(address, self.limits.clone()).await;
        let launch = launch.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })?;
        match launch {
            Launch::Serve { server, shutdown } => self.serve_on(server, shutdown).await?,
            Launch::Supervise(supervisor) => {
                // A mistake that no worker could start with is said here, once.
                self.openapi()?;
                supervisor.run().await?;
            }
        }
        Ok(())
    }

    /// Serves the application on a server that is bound already, until `shutdown`.
    ///
    /// The start of the lifespan ends when the shutdown begins; its end has what is left of
    /// [`Limits::drain`](crate::Limits#structfield.drain), at least a second, and at most a second
    /// after [`Shutdown::end_now`]. A start that is broken off, by a shutdown or an error, ends what
    /// has started, in the same time.
    ///
    /// # Errors
    ///
    /// If the application has a mistake or its lifespan fails.
    pub async fn serve_on(self, server: Server, shutdown: Shutdown) -> Result<(), StartError> {
        #[cfg(feature = "tls")]
        let server = match &self.tls {
            Some(tls) => server.tls(tls.clone()),
            None => server,
        };
        let span = server.worker_span();
        // Large, and started once.
        Box::pin(self.run_on(server, shutdown)).instrument(span).await
    }

    /// Runs the application where nobody can reach it, until `shutdown`: its lifespan, with what
    /// that begins.
    ///
    /// For a process that works in the background, with what the application has set up for its
    /// endpoints. What was begun by [`Shutdown::spawn`] has
    /// [`Limits::drain`](crate::Limits#structfield.drain) to end; all else is as with
    /// [`serve_on`](Self::serve_on).
    ///
    /// ```
    /// use alula::{App, Shutdown};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), alula::StartError> {
    /// // `Shutdown::on_signals()` in a program.
    /// let shutdown = Shutdown::new();
    /// let stop = shutdown.clone();
    /// let app = App::new("Mailer", "1.0.0").lifespan(|startup| async move {
    ///     let stopping = stop.clone();
    ///     stop.spawn(async move {
    ///         // Sends mails until then.
    ///         stopping.stopping().await;
    ///     });
    ///     Ok(startup)
    /// });
    /// # shutdown.trigger();
    /// app.run(shutdown).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the application has a mistake or its lifespan fails.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StartError> {
        let (limits, stop) = (self.limits.clone(), shutdown.clone());
        let within = limits.shutdown_max();
        let work = async move |running: Running| {
            #[cfg(feature = "jobs")]
            if let Some(jobs) = running.jobs {
                jobs.start(&stop, within)?;
            }
            // What it has lives as long as what the lifespan has begun.
            let _service = running.service;
            Ok(without_connections(&limits, &stop).await)
        };
        // Large, and started once.
        Box::pin(self.live(within, shutdown, work)).await
    }

    async fn run_on(self, server: Server, shutdown: Shutdown) -> Result<(), StartError> {
        let within = server.limits().shutdown_max();
        let stop = shutdown.clone();
        let serve = async move |running: Running| {
            #[cfg(feature = "jobs")]
            if let Some(jobs) = running.jobs {
                jobs.start(&stop, within)?;
            }
            tracing::info!("serving on {}://{}", server.scheme(), server.local_addr());
            Ok(server.run(running.service, stop).await.took)
        };
        self.live(within, shutdown, serve).await
    }

    /// Starts the application, works until the shutdown and ends it, all of that in the time that
    /// a shutdown has. The work returns how much of it that took.
    pub(super) async fn live(
        self,
        mut left: Duration,
        shutdown: Shutdown,
        work: impl AsyncFnOnce(Running) -> Result<Duration, StartError>,
    ) -> Result<(), StartError> {
        let closing = Closing::default();
        // An application is large.
        let starting = Box::pin(build::start(self, shutdown.clone(), closing.clone()));
        let started = tokio::select! {
            biased;
            started = starting => started,
            () = shutdown.stopping() => {
                tracing::warn!("stopped before the lifespan had started");
                closing.run_within(left, &shutdown).await;
                return Ok(());
            }
        };
        let worked = match started {
            Ok(running) => work(running).await.map(|took| left = left.saturating_sub(took)),
            Err(error) => Err(error),
        };
        closing.run_within(left, &shutdown).await;
        worked
    }
}

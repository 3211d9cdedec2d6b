//! An application inside another server, and axum routes inside an application.

use std::fmt;

use super::{App, AppService, Running, StartError, paths::method_not_allowed, rest::Rest};
use crate::serve::Shutdown;

impl App {
    /// Starts the application as a tower service, for a server that is not Alula's.
    ///
    /// Requests reach it as they are; limits on connections, heads and unread answers are then that
    /// server's business. What is left to do at its end is the second part of the answer. Streams
    /// and WebSockets end when that runs, or on [`Shutdown::end_now`].
    ///
    /// # Errors
    ///
    /// If the application has a mistake or its lifespan fails.
    ///
    /// ```no_run
    /// use alula::{App, Shutdown};
    ///
    /// # async fn serve(_: axum::Router) {}
    /// # async fn run() -> alula::Result<()> {
    /// let (service, ending) = App::new("Inner", "1.0.0").into_service(Shutdown::new()).await?;
    /// let router = axum::Router::new().fallback_service(service);
    /// serve(router).await;
    /// ending.run().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_service(
        self,
        shutdown: Shutdown,
    ) -> Result<(AppService, Ending), StartError> {
        #[cfg(feature = "jobs")]
        let within = self.limits.shutdown_max();
        #[cfg_attr(not(feature = "jobs"), expect(unused_mut, reason = "only jobs are taken out"))]
        let mut running = self.start(shutdown).await?;
        #[cfg(feature = "jobs")]
        if let Some(jobs) = running.jobs.take()
            && let Err(error) = jobs.start(&running.shutdown, within)
        {
            running.stop().await;
            return Err(error.into());
        }
        Ok((running.service.clone(), Ending(running)))
    }

    /// Adds the routes of an axum router, of axum 0.8, behind those of the application.
    ///
    /// They answer what no route of the application has the path of, inside its middleware, and
    /// are not in the document. The limits of endpoints do not hold for them, and a fallback of
    /// theirs gives way to the application's own 404. Of several routers the first has precedence.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let old = axum::Router::new().route("/old", axum::routing::get(|| async { "still here" }));
    /// let client = App::new("Moving", "1.0.0").merge_axum(old).client().await;
    /// assert_eq!(client.get("/old").await.text(), "still here");
    /// assert_eq!(client.get("/older").await.text(), r#"{"detail":"Not Found"}"#);
    /// # });
    /// ```
    pub fn merge_axum(mut self, router: axum::Router) -> Self {
        self.foreign.push(router);
        self
    }
}

/// What is to be done after the last request of an [`AppService`].
#[must_use = "the lifespan ends when it is run"]
pub struct Ending(Running);

impl Ending {
    /// Waits for WebSockets, background tasks and exits, then runs what the lifespan left for the
    /// end.
    ///
    /// Streams and WebSockets that are open are told to end, as at the end of Alula's own server.
    /// It waits as long as they take: put a timeout around it, or call [`Shutdown::end_now`].
    pub async fn run(self) {
        let shutdown = &self.0.shutdown;
        shutdown.tell_streams();
        shutdown.wait_for_work().await;
        self.0.stop().await;
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending")
    }
}

/// Lets routers answer, one after the other, what a router does not.
pub(super) fn fall_back(
    router: axum::Router,
    foreign: Vec<axum::Router>,
    rest: Rest,
) -> axum::Router {
    // Without the others no request takes a way around them.
    let all = std::iter::once(router).chain(foreign).rev();
    let behind = move |next: Option<axum::Router>, router: axum::Router| {
        let rest = rest.clone();
        let router = router.method_not_allowed_fallback(method_not_allowed);
        Some(match next {
            Some(next) => router.fallback_service(next),
            None => router.fallback(move |request| rest.answer(request)),
        })
    };
    all.fold(None, behind).unwrap_or_default()
}

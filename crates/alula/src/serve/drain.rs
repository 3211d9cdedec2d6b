//! The end of a process: what has begun is waited for, up to a deadline.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::{Limits, Shutdown};

/// How long dropped connections have to be gone, and then the tasks that they leave. Only a handler
/// that blocks its thread, or an exit that waits for something, needs it.
pub(super) const CUT_TIME: Duration = Duration::from_millis(500);

/// Waits for the shutdown of a process without connections, and for its tasks; at the deadline, drops
/// what is left. Returns how long the shutdown took.
pub(crate) async fn without_connections(limits: &Limits, shutdown: &Shutdown) -> Duration {
    shutdown.stopping().await;
    let started = Instant::now();
    shutdown.close();
    tracing::info!(tasks = shutdown.work_left(), "draining");
    let is_done = tokio::select! {
        biased;
        () = shutdown.wait_for_work() => true,
        () = deadline(limits, shutdown) => false,
    };
    if !is_done {
        shutdown.end_now();
        let _ = timeout(CUT_TIME, shutdown.wait_for_work()).await;
    }
    let (tasks_left, took) = (shutdown.work_left(), started.elapsed());
    match tasks_left {
        0 => tracing::info!(?took, "stopped"),
        _ => tracing::warn!(tasks_left, ?took, "stopped early"),
    }
    took
}

/// Passes when the drain is over, by time or by command; tells the streams before.
pub(super) async fn deadline(limits: &Limits, shutdown: &Shutdown) {
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

use std::{collections::HashSet, io, sync::Arc, thread, time::Duration};

use tokio::{
    runtime,
    sync::oneshot,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Shared, event::Event, outage::Outage};
use crate::{Progress, Store, StoreError, store::Held};

/// How often progress is noted.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Renews the leases of a worker.
struct Renewer {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
}

/// Starts to renew, until it is told to stop, on a thread and a runtime of its own: code that blocks
/// in a handler must not cost the worker its leases. The answer comes when it has stopped.
pub(super) fn start(
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> io::Result<oneshot::Receiver<()>> {
    let (stopped, has_stopped) = oneshot::channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let renew = async move {
        // Its connections are of this runtime.
        let store = shared.queue.store().detached();
        let renewer = Renewer { shared, store };
        stop.run_until_cancelled(renewer.run()).await;
        renewer.store.close().await;
    };
    thread::Builder::new().name("alula-jobs-lease".to_owned()).spawn(move || {
        runtime.block_on(renew);
        // Nobody may wait for it any more.
        let _ = stopped.send(());
    })?;
    Ok(has_stopped)
}

impl Renewer {
    async fn run(&self) {
        let (lease, registry) = (self.shared.lease, &self.shared.registry);
        // Often enough for several tries before a lease runs out.
        let mut outage = Outage::new("renewing leases", lease / 10, self.shared.observer.clone());
        let mut renewed_at = Instant::now();
        loop {
            let due = renewed_at + lease / 3;
            sleep(PROGRESS_INTERVAL.min(due - Instant::now())).await;
            let (held, progress) = (registry.snapshot(), registry.take_progress());
            if held.is_empty() {
                renewed_at = Instant::now();
            } else if due <= Instant::now() || !progress.is_empty() {
                match self.renew(&held, progress).await {
                    Ok(()) => {
                        outage.over();
                        renewed_at = Instant::now();
                    }
                    Err(error) => outage.wait(&error).await,
                }
            }
        }
    }

    /// Renews what is held, notes progress, and stops what is not this worker's any more.
    async fn renew(
        &self,
        held: &[(Held, bool)],
        progress: Vec<(Held, Progress)>,
    ) -> Result<(), StoreError> {
        let Shared { queue, registry, .. } = &*self.shared;
        let all: Vec<Held> = held.iter().map(|(held, _)| *held).collect();
        let until = queue.time().now() + self.shared.lease;
        let renewed: HashSet<Held> = match self.store.renew(&all, until, &progress).await {
            Ok(renewed) => renewed.into_iter().collect(),
            Err(error) => {
                registry.restore_progress(progress);
                return Err(error);
            }
        };
        for (held, _) in &progress {
            queue.signals().changed(held.id);
        }
        // Of what was ending, the store has told the other task already.
        let gone = held.iter().filter(|(held, ending)| !ending && !renewed.contains(held));
        for attempt in gone.filter_map(|(held, _)| registry.lose(*held)) {
            let claim = &attempt.claim;
            tracing::warn!(
                job_id = %claim.held.id,
                job = claim.step.name,
                attempt = claim.attempt,
                "the job was cancelled, or another worker may have it: its handler is stopped",
            );
            self.shared.observer.tell(&Event::Lost { claim });
        }
        Ok(())
    }
}

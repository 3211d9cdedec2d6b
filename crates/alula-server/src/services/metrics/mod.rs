//! What the server counts, for Prometheus.
//!
//! Whoever counts something asks the [registry] for an instrument once, and keeps it:
//!
//! ```ignore
//! let lost = metrics::registry().counter("alula_usage_rows_lost_total", "Rows that …", &[]);
//! lost.add(1);
//! ```
//!
//! Instruments are atomic numbers: to count takes no lock, no allocation and no look-up. The
//! registry is the process's own, as a scrape is about the process. Where the values of a label
//! come from clients, [`Series`] bounds their number.

mod beside;
mod format;
mod http;
mod instruments;
mod jobs;
mod llm;
mod peers;
mod process;
mod registry;
mod series;

use alula::serve::OpenConnections;

pub(crate) use self::{
    beside::{Exhausted, count_document, count_refusal, watch_ledger},
    format::Format,
    http::{Ended, HttpMetrics},
    jobs::{QueueGauges, note_job},
    llm::LlmMetrics,
    peers::{everything, forget, share},
    registry::{Kind, Sample, registry},
};

/// Registers what is known of the process itself.
pub(crate) fn describe_process() {
    process::register(registry());
}

/// Shows how many connections are open.
pub(crate) fn watch_connections(open: OpenConnections) {
    let count = move || u32::try_from(open.count()).unwrap_or(u32::MAX).into();
    registry().find("alula_open_connections", "Connections of clients.", Kind::Gauge, move || {
        vec![Sample::new(&[], count())]
    });
}

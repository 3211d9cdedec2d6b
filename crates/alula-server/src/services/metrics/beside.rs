//! What services tell of themselves, beside requests and calls.

use std::sync::LazyLock;

use super::{
    instruments::Counter,
    registry::{Kind, Sample, registry},
};
use crate::services::usage::Ledger;

/// Shows how the ledger keeps up.
pub(crate) fn watch_ledger(ledger: &Ledger) {
    let waiting = ledger.clone();
    registry().find(
        "alula_ledger_waiting_rows",
        "Calls that wait to be written to the ledger.",
        Kind::Gauge,
        move || vec![Sample::new(&[], as_number(waiting.waiting()))],
    );
    let ledger = ledger.clone();
    registry().find(
        "alula_ledger_lost_rows_total",
        "Calls that are missing in the ledger.",
        Kind::Counter,
        move || vec![Sample::new(&[], as_number(ledger.lost()))],
    );
}

/// What a key had nothing left of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exhausted {
    Rate,
    Streams,
    Budget,
    UnknownPrice,
    DatabaseAway,
}

impl Exhausted {
    /// In the order of their numbers.
    const ALL: [Self; 5] =
        [Self::Rate, Self::Streams, Self::Budget, Self::UnknownPrice, Self::DatabaseAway];

    fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Streams => "streams",
            Self::Budget => "budget",
            Self::UnknownPrice => "unknown_price",
            Self::DatabaseAway => "database_away",
        }
    }
}

/// Counts a request that was not let in.
pub(crate) fn count_refusal(exhausted: Exhausted) {
    static COUNTERS: LazyLock<[Counter; 5]> = LazyLock::new(|| {
        let help = "Calls that keys were not let in with, by what was exhausted.";
        let counter = |it: Exhausted| {
            registry().counter("alula_refusals_total", help, &[("reason", it.as_str())])
        };
        Exhausted::ALL.map(counter)
    });
    if let Some(counter) = COUNTERS.get(exhausted as usize) {
        counter.add(1);
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a number of a graph")]
pub(super) fn as_number(count: u64) -> f64 {
    count as f64
}

/// Counts a file that was sent to be a document, by what became of it.
pub(crate) fn count_document(outcome: &'static str) {
    let help = "Files that were sent to be documents, by what became of them.";
    registry().counter("alula_documents_total", help, &[("outcome", outcome)]).add(1);
}

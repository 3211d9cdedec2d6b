//! Variables about requests with an `Idempotency-Key`.

use std::time::Duration;

use super::Variables;
use crate::services::idempotency::IdempotencySettings;

/// The longest time for which answers are kept.
const HOURS_MAX: u32 = 24 * 366;

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    pub(super) fn idempotency(&mut self) -> IdempotencySettings {
        let defaults = IdempotencySettings::default();
        let hours = "ALULA_IDEMPOTENCY_HOURS";
        let kept = match self.parsed::<u32>(hours) {
            None => defaults.kept,
            Some(number @ 1..=HOURS_MAX) => Duration::from_secs(u64::from(number) * 3600),
            Some(number) => {
                self.mistakes.push(format!("{hours}={number}: from 1 to {HOURS_MAX}"));
                defaults.kept
            }
        };
        IdempotencySettings {
            kept,
            lease: self.seconds("ALULA_IDEMPOTENCY_LEASE_SECONDS", defaults.lease),
            bytes_max: self.count("ALULA_IDEMPOTENCY_BYTES_MAX", defaults.bytes_max),
        }
    }
}

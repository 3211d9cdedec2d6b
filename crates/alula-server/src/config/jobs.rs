//! Variables about answers that come later.

use std::{fmt, num::NonZeroU32};

use super::Variables;
use crate::services::jobs::{BatchLimits, JobLimits, WebhookSettings};

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    pub(super) fn jobs(&mut self) -> JobLimits {
        let defaults = JobLimits::default();
        let queued_max = self.count("ALULA_JOBS_QUEUED_MAX", defaults.queued_max);
        let attempts = self.parsed::<NonZeroU32>("ALULA_JOBS_ATTEMPTS");
        JobLimits {
            queued_max,
            per_key_max: self.count("ALULA_JOBS_PER_KEY_MAX", queued_max.div_ceil(4)),
            attempts_max: attempts.map_or(defaults.attempts_max, NonZeroU32::get),
            timeout: self.seconds("ALULA_JOBS_SECONDS", defaults.timeout),
            lease: self.seconds("ALULA_JOBS_LEASE_SECONDS", defaults.lease),
            kept: self.seconds("ALULA_JOBS_KEPT_SECONDS", defaults.kept),
            failed_kept: self.seconds("ALULA_JOBS_FAILED_KEPT_SECONDS", defaults.failed_kept),
            bytes_max: self.count("ALULA_JOBS_BYTES_MAX", defaults.bytes_max),
            batches: self.batches(),
        }
    }

    fn batches(&mut self) -> BatchLimits {
        let defaults = BatchLimits::default();
        let attempts = self.parsed::<NonZeroU32>("ALULA_BATCH_ATTEMPTS");
        BatchLimits {
            requests_max: self.count("ALULA_BATCH_REQUESTS_MAX", defaults.requests_max),
            bytes_max: self.count("ALULA_BATCH_BYTES_MAX", defaults.bytes_max),
            attempts_max: attempts.map_or(defaults.attempts_max, NonZeroU32::get),
        }
    }

    pub(super) fn webhooks(&mut self) -> WebhookSettings {
        let defaults = WebhookSettings::default();
        WebhookSettings {
            secrets: self.parts("ALULA_WEBHOOK_SECRET", |_, error| error),
            allowed: self.parts("ALULA_WEBHOOK_ALLOW", |part, error| format!("{part}: {error}")),
            attempts_max: self.count("ALULA_WEBHOOK_ATTEMPTS", defaults.attempts_max),
            timeout: self.seconds("ALULA_WEBHOOK_SECONDS", defaults.timeout),
            concurrent_max: self.count("ALULA_WEBHOOKS_RUNNING_MAX", defaults.concurrent_max),
        }
    }

    /// Values with commas or white space between them. `tell` makes of a part and its mistake what
    /// is said of it.
    pub(super) fn parts<T: std::str::FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
        tell: impl Fn(&str, String) -> String,
    ) -> Vec<T> {
        let text = self.text(name).unwrap_or_default();
        let parts = text.split(|char: char| char == ',' || char.is_whitespace());
        let mut values = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(value) => values.push(value),
                Err(error) => {
                    let told = tell(part, format!("{error}"));
                    self.mistakes.push(format!("{name}: {told}"));
                }
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_have_several_secrets_and_networks_and_no_secret_is_shown() {
        let read = |secret: &'static str, networks: &'static str| {
            let variable = move |name: &str| match name {
                "ALULA_WEBHOOK_SECRET" => Some(secret.to_owned()),
                "ALULA_WEBHOOK_ALLOW" => Some(networks.to_owned()),
                _ => None,
            };
            let mut variables = Variables { variable, mistakes: Vec::new() };
            (variables.webhooks(), variables.mistakes)
        };
        let secrets = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw \
                       whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldw==";
        let (settings, mistakes) = read(secrets, "10.0.0.0/8, ::1/128");
        assert_eq!((settings.secrets.len(), settings.allowed.len()), (2, 2));
        assert_eq!(mistakes, Vec::<String>::new());
        assert!(!format!("{settings:?}").contains("MfKQ9"));
        let (_, mistakes) = read("canary", "10.0.0.1");
        assert_eq!(
            mistakes,
            [
                "ALULA_WEBHOOK_SECRET: a secret begins with whsec_",
                "ALULA_WEBHOOK_ALLOW: 10.0.0.1: invalid IP address syntax"
            ]
        );
    }
}

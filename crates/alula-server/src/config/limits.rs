//! Limits of connections.

use std::num::NonZeroU32;

use alula::Limits;

use super::Variables;

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// What connections are held to.
    pub(super) fn limits(&mut self) -> Limits {
        let limits = Limits::default();
        Limits::default()
            .header_read(self.seconds("ALULA_HEADER_READ_SECONDS", limits.header_read))
            .body_stall(self.seconds("ALULA_BODY_STALL_SECONDS", limits.body_stall))
            .write_stall(self.seconds("ALULA_WRITE_STALL_SECONDS", limits.write_stall))
            .idle(self.seconds("ALULA_KEEP_ALIVE_SECONDS", limits.idle))
            .drain_delay(self.seconds_or_none("ALULA_DRAIN_DELAY_SECONDS", limits.drain_delay))
            .drain(self.seconds("ALULA_DRAIN_SECONDS", limits.drain))
            .connections(self.count("ALULA_CONNECTIONS_MAX", limits.connections))
            .h2_streams(
                self.parsed::<NonZeroU32>("ALULA_H2_STREAMS_MAX")
                    .map_or(limits.h2_streams, NonZeroU32::get),
            )
            .connections_per_ip(
                self.count("ALULA_CONNECTIONS_PER_IP_MAX", limits.connections_per_ip),
            )
            .body_bytes_per_second_min(
                self.parsed("ALULA_BODY_BYTES_PER_SECOND_MIN")
                    .unwrap_or(limits.body_bytes_per_second_min),
            )
    }
}

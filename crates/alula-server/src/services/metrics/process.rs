//! The process itself, by the names that Prometheus' own libraries use.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use super::registry::{Kind, Registry, Sample};

pub(super) fn register(registry: &Registry) {
    let one = |value: f64| vec![Sample::new(&[], value)];
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry.find("alula_build_info", "Always 1: the version is a label.", Kind::Gauge, || {
        vec![Sample::new(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)]
    });
    registry.find(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
        Kind::Gauge,
        move || one(start),
    );
    registry.find(
        "process_cpu_seconds_total",
        "Time that the processor has worked for the process.",
        Kind::Counter,
        move || cpu_seconds().map_or_else(Vec::new, one),
    );
    registry.find(
        "process_resident_memory_bytes",
        "Memory that the process takes up.",
        Kind::Gauge,
        move || resident_bytes().map_or_else(Vec::new, one),
    );
    registry.find("process_open_fds", "Open files and connections.", Kind::Gauge, move || {
        open_files().map_or_else(Vec::new, one)
    });
    registry.find(
        "process_max_fds",
        "How many files and connections may be open.",
        Kind::Gauge,
        move || open_files_max().map_or_else(Vec::new, one),
    );
}

/// User and system time.
#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "to the microsecond for centuries")]
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

/// Nothing where there is no `/proc`.
fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// Nothing where there is no `/proc`. The folder that is read counts itself.
fn open_files() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(open).ok().map(f64::from)
}

/// The limit that is in force, if there is one.
#[cfg(unix)]
fn open_files_max() -> Option<f64> {
    use rustix::process::{Resource, getrlimit};
    #[expect(clippy::cast_precision_loss, reason = "nobody has so many files")]
    getrlimit(Resource::Nofile).current.map(|files| files as f64)
}

#[cfg(not(unix))]
fn open_files_max() -> Option<f64> {
    None
}

//! The machine: its cores, and who uses them. Whatever cannot be told is left out.

use std::{
    fs,
    process::{self, Command, Stdio},
    thread,
    time::Duration,
};

/// Ticks per second in `/proc/PID/stat`; Linux tells programs no other number.
const TICKS_PER_SECOND: u64 = 100;

/// The cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The average number of processes that wanted a core in the last minute.
#[must_use]
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Keeps this process, and what it starts from now on, on one core. Says whether that worked.
#[must_use]
pub fn pin_self(core: usize) -> bool {
    Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &process::id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The processor time that a process and its children have used.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let mut ticks = None;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(used) = ticks_of(&stat, pid) {
            ticks = Some(ticks.unwrap_or(0) + used);
        }
    }
    ticks.map(duration)
}

/// The memory that a process holds, in bytes.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The processor time that this process has used, without its children.
#[must_use]
pub fn own_cpu_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    ticks_of(&stat, process::id()).map(duration)
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// The ticks in a `stat` of the process or of a child of it.
fn ticks_of(stat: &str, pid: u32) -> Option<u64> {
    // The name of the program stands in parentheses and may hold anything.
    let (id, rest) = stat.split_once(' ')?;
    let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let ours = id.parse() == Ok(pid) || field(1)? == u64::from(pid);
    if ours { Some(field(11)? + field(12)?) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_and_its_children_counts() {
        let stat = "42 (a ) name) S 7 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(ticks_of(stat, 42), Some(300));
        assert_eq!(ticks_of(stat, 7), Some(300), "a child of 7");
        assert_eq!(ticks_of(stat, 8), None);
        assert_eq!(ticks_of("", 8), None);
    }
}

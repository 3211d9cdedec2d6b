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

/// The processor time that a process and all below it have used; nothing if it has ended.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let family = family(pid);
    if family.is_empty() {
        return None;
    }
    Some(duration(family.iter().map(|process| process.ticks).sum()))
}

/// The memory that a process holds, in bytes.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    kibibytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// The memory of a process and of all below it, in bytes; what processes share counts once.
#[must_use]
pub fn memory_bytes(pid: u32) -> Option<u64> {
    let share = |process: &Process| {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)).ok()?;
        kibibytes(&rollup, "Pss:")
    };
    let shares: Vec<u64> = family(pid).iter().filter_map(share).collect();
    (!shares.is_empty()).then(|| shares.iter().sum())
}

/// How many files a process may have open at a time.
#[must_use]
pub fn files_max() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The bytes of a line `name 12 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The processor time that this process has used, without its children.
#[must_use]
pub fn own_cpu_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    Process::read(&stat).map(|process| duration(process.ticks))
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// What `/proc/PID/stat` says of a process that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
}

impl Process {
    fn read(stat: &str) -> Option<Self> {
        // The name of the program stands in parentheses and may hold anything.
        let (pid, rest) = stat.split_once(' ')?;
        let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        if fields.first() == Some(&"Z") {
            return None;
        }
        Some(Self {
            pid: pid.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            ticks: field(11)? + field(12)?,
        })
    }
}

/// A process, its children, theirs, and so on.
fn family(pid: u32) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    family_in(pid, stats.filter_map(|stat| Process::read(&stat)).collect())
}

fn family_in(pid: u32, mut others: Vec<Process>) -> Vec<Process> {
    let mut found: Vec<Process> = others.extract_if(.., |process| process.pid == pid).collect();
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).map(|process| process.pid) {
        found.extend(others.extract_if(.., |process| process.parent == parent));
        looked_at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "42 (a ) name) S 7 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(Process::read(stat), Some(Process { pid: 42, parent: 7, ticks: 300 }));
        assert_eq!(Process::read(&stat.replace(") S 7", ") Z 7")), None, "it has ended");
        assert_eq!(Process::read(""), None);
    }

    #[test]
    fn all_that_a_process_has_started_belongs_to_it() {
        let all = [(5, 3), (3, 1), (1, 0), (2, 1), (4, 2)].map(|(pid, parent)| Process {
            pid,
            parent,
            ticks: 1,
        });
        let pids = |pid| {
            let mut pids: Vec<u32> =
                family_in(pid, all.to_vec()).iter().map(|process| process.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(3), [3, 5]);
        assert_eq!(pids(2), [2, 4]);
        assert_eq!(pids(1), [1, 2, 3, 4, 5]);
        assert_eq!(pids(9), [0; 0]);
    }

    #[test]
    fn the_memory_of_this_process_is_known() {
        let known = memory_bytes(process::id()).unwrap();
        assert!(known > 100 * 1024, "{known}");
        assert_eq!(kibibytes("Rss: 12 kB\nPss:   3 kB\n", "Pss:"), Some(3072));
        assert!(files_max().unwrap() > 16);
    }
}

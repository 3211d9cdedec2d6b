//! Lines on their way to stderr.
//!
//! The lines of requests, of which there are many, are written together a moment later by a thread
//! of their own. All others are written at once, behind those that came before.

use std::{
    io::{self, Write as _, stderr},
    iter, mem,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::ACCESS;

/// How long the first line waits for others.
const MOMENT: Duration = Duration::from_millis(5);
/// How many bytes may wait. What would be more is written at once.
const BYTES_MAX: usize = 64 << 10;
/// How many bytes the system writes to a pipe without something of another process in between
/// (`PIPE_BUF` of POSIX in Linux): workers have one stderr.
const UNDIVIDED: usize = 4096;

static WAITING: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static FILLED: Condvar = Condvar::new();
/// Whether there is a thread that writes.
static HAS_WRITER: OnceLock<bool> = OnceLock::new();

/// Makes writers of lines to stderr.
pub(super) struct Lines;

/// A writer of one line.
pub(super) struct Line {
    may_wait: bool,
}

/// Writes what waits.
pub(crate) fn flush() {
    write_behind(&[]).unwrap_or_default();
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { may_wait: false }
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Line {
        Line { may_wait: line.target() == ACCESS && *line.level() == Level::INFO }
    }
}

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !(self.may_wait && put(line)) {
            write_behind(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets a line wait; false if it must not.
fn put(line: &[u8]) -> bool {
    if !*HAS_WRITER.get_or_init(start) {
        return false;
    }
    let mut waiting = waiting();
    if waiting.len() + line.len() > BYTES_MAX {
        return false;
    }
    let is_first = waiting.is_empty();
    waiting.extend_from_slice(line);
    drop(waiting);
    if is_first {
        FILLED.notify_one();
    }
    true
}

fn start() -> bool {
    thread::Builder::new().name("log".to_owned()).spawn(write_on).is_ok()
}

/// Writes what waits, again and again.
fn write_on() {
    loop {
        let is_empty = |waiting: &mut Vec<u8>| waiting.is_empty();
        drop(FILLED.wait_while(waiting(), is_empty).unwrap_or_else(PoisonError::into_inner));
        thread::sleep(MOMENT);
        flush();
    }
}

/// Writes a line behind those that wait. Whoever has stderr writes first what came first.
fn write_behind(line: &[u8]) -> io::Result<()> {
    let mut stderr = stderr().lock();
    let before = mem::take(&mut *waiting());
    // One that cannot be written takes no other with it.
    let before = groups(&before).map(|lines| stderr.write_all(lines)).fold(Ok(()), io::Result::and);
    stderr.write_all(line).and(before)
}

/// Whole lines, as many as are written undivided; one that is longer is by itself.
fn groups(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let is_end = |byte: &u8| *byte == b'\n';
        let fitting = lines.get(..UNDIVIDED).unwrap_or(lines);
        let last = fitting.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
        let (group, rest) = lines.split_at(last.map_or(lines.len(), |last| last + 1));
        lines = rest;
        (!group.is_empty()).then_some(group)
    })
}

fn waiting() -> MutexGuard<'static, Vec<u8>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_whole_and_none_is_left_out() {
        let line = |length: usize| format!("{}\n", "x".repeat(length - 1));
        for lengths in [vec![], vec![10], vec![4096, 1], vec![3000, 3000, 9], vec![5, 9000, 5, 5]] {
            let lines: String = lengths.iter().map(|length| line(*length)).collect();
            let groups: Vec<&[u8]> = groups(lines.as_bytes()).collect();
            assert_eq!(groups.concat(), lines.as_bytes(), "{lengths:?}");
            for group in groups {
                let is_one = group.iter().position(|byte| *byte == b'\n') == Some(group.len() - 1);
                assert!(group.ends_with(b"\n") && (group.len() <= UNDIVIDED || is_one));
            }
        }
    }
}

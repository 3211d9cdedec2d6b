//! Programs end with whoever has started them by hand.

#![cfg(target_os = "linux")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process::{PATIENCE, alula};

/// It is in a group of its own, so that no signal to us reaches it.
#[test]
fn a_program_ends_with_whoever_has_started_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("pid").display().to_string();
    let script = format!("trap '' TERM; echo $$ > {file}.new; mv {file}.new {file}; sleep 600");
    let alula = alula(&["mcp", "list", &format!("sh -c \"{script}\"")]).spawn();
    let mut pid = String::new();
    until("the program has begun", || {
        pid = fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
        !pid.is_empty()
    });
    alula.signal("TERM");
    let ended = alula.end_after_signal();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), "alula: stopped\n"));
    // Whoever adopts it may leave it there for a while.
    let runs =
        || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|it| !it.contains(") Z "));
    until("the program has ended", || !runs());
}

/// Waits for something, not for ever.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

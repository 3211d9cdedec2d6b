//! What only Linux can enforce, or show.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use alula_rag::{ExtractLimits, Extractor, Kind};

use super::{MIB, extract_by, extractor, limits, program};

#[test]
fn the_process_has_only_so_much_memory() {
    // Much at once, and very many small pieces.
    let text = "word ".repeat(1 << 20);
    let row = format!("<table><tr>{}", "<td>a cell of a row".repeat(200_000));
    for (kind, document) in [(Kind::Text, text), (Kind::Html, row)] {
        let limits = ExtractLimits { memory_bytes_max: 4 * MIB, ..limits() };
        let error = extract_by(&extractor().limits(limits), kind, document.as_bytes());
        let says = "the document needs more than 4 MiB of memory to be read";
        assert_eq!(error.unwrap_err().to_string(), says);
    }
}

#[test]
fn the_process_has_given_up_its_rights_before_it_reads() {
    // Its document does not come.
    let limits = serde_json::to_string(&limits()).unwrap();
    let request = format!("{{\"kind\":\"text\",\"bytes\":9,\"limits\":{limits}}}");
    let mut command = Command::new(program());
    command.arg("extract-document").arg(request);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let path = format!("/proc/{}/limits", child.id());
    let expected = [
        "Max cpu time 6 7 seconds",
        "Max file size 0 0 bytes",
        "Max core file size 0 0 bytes",
        "Max processes 0 0 processes",
        "Max open files 0 0 files",
    ];
    let started = Instant::now();
    loop {
        let limits = std::fs::read_to_string(&path).unwrap();
        let limits: Vec<String> = limits
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        if expected.iter().all(|line| limits.iter().any(|limit| limit == line)) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{limits:#?}");
        std::thread::yield_now();
    }
    child.stdin.take().unwrap().write_all(b"too few").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

#[test]
fn the_process_does_not_outlive_the_one_that_wants_the_text() {
    let limits = serde_json::to_string(&limits()).unwrap();
    let request = format!("{{\"kind\":\"text\",\"bytes\":9,\"limits\":{limits}}}");
    // A shell is its parent; its document does not come.
    let script = "exec 3<&0; \"$0\" extract-document \"$1\" <&3 & echo $!; wait";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(program()).arg(request);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shell = shell.spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut pid).unwrap();
    let limits = format!("/proc/{}/limits", pid.trim());
    let stat = format!("/proc/{}/stat", pid.trim());
    let until = |is_so: &dyn Fn() -> bool, what: &str| {
        let started = Instant::now();
        while !is_so() {
            assert!(started.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let has_begun = || {
        let limits = std::fs::read_to_string(&limits).unwrap();
        limits.lines().any(|line| line.starts_with("Max open files") && line.contains(" 0 "))
    };
    until(&has_begun, "it does not begin");
    shell.kill().unwrap();
    shell.wait().unwrap();
    let has_ended = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    until(&has_ended, "it goes on");
}

#[test]
fn the_process_has_no_files_of_its_parent() {
    // It is open, as a database is.
    let kept = tempfile::NamedTempFile::new().unwrap();
    let script = "ls -l /proc/$$/fd | grep -c tmp >&2; exit 2";
    let shell = Extractor::new("/bin/sh").arg("-c").arg(script).env("PATH", "/usr/bin:/bin");
    let error = extract_by(&shell, Kind::Text, b"hi").unwrap_err();
    // The document, and nothing else.
    assert!(error.to_string().ends_with("exit status: 2 1"), "{error}");
    drop(kept);
}

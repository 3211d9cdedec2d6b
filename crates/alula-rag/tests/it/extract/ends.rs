//! How the process may end.

use std::time::{Duration, Instant};

use alula_rag::{ExtractError, ExtractLimits, Extractor, Kind, Unreadable};

use super::{extract_by, extractor, file, limits};

/// A shell that stands in for the process. The request is its last argument, `$0`.
fn shell(script: &str) -> Extractor {
    Extractor::new("/bin/sh").arg("-c").arg(script)
}

fn error(extractor: &Extractor) -> ExtractError {
    extract_by(extractor, Kind::Text, b"hi").unwrap_err()
}

#[test]
fn a_process_that_ends_by_itself_is_the_fault_of_the_document() {
    for (script, code) in [
        ("kill -SEGV $$", "crashed"),
        ("kill -ABRT $$", "crashed"),
        ("kill -XCPU $$", "took_too_long"),
        ("echo 'memory allocation of 7 bytes failed' >&2; kill -ABRT $$", "out_of_memory"),
        ("echo 'thread main has overflowed its stack' >&2; kill -ABRT $$", "crashed"),
    ] {
        let error = error(&shell(script));
        assert_eq!((error.code(), error.is_permanent()), (code, true), "{error}");
    }
}

#[test]
fn a_process_that_is_ended_or_is_another_one_is_tried_again() {
    for script in ["kill -KILL $$", "kill -TERM $$", "exit 2", "echo hi", "true"] {
        let error = error(&shell(script));
        assert_eq!(error.code(), "extraction_unavailable", "{script}: {error}");
        assert!(!error.is_permanent());
    }
    let missing = error(&Extractor::new("/no/such/program"));
    assert!(!missing.is_permanent(), "{missing}");
    let says = error(&shell("echo what is this >&2; exit 2"));
    assert!(says.to_string().ends_with("exit status: 2 what is this"), "{says}");
}

#[test]
fn an_answer_counts_only_to_its_last_byte() {
    let head = |bytes: u64| {
        format!("{{\"text\":{{\"bytes\":{bytes},\"title\":null,\"pages\":[],\"headings\":[]}}}}")
    };
    let answer = |bytes, text: &str| shell(&format!("echo '{}'; printf '{text}'", head(bytes)));
    assert_eq!(extract_by(&answer(2, "hi"), Kind::Text, b"").unwrap().text, "hi");
    for (bytes, text) in [(3, "hi"), (1, "hi"), (u64::MAX, "hi"), (1, "\\377")] {
        assert!(!error(&answer(bytes, text)).is_permanent());
    }
    // Much more than it may say, and without an end.
    for script in ["yes", "yes >&2"] {
        let limits = ExtractLimits { wall_seconds_max: 0, ..limits() };
        let error = error(&shell(script).limits(limits));
        assert!(matches!(error.code(), "took_too_long" | "extraction_unavailable"), "{error}");
    }
}

#[test]
fn a_process_that_hangs_is_ended() {
    let limits = ExtractLimits { wall_seconds_max: 0, ..limits() };
    let started = Instant::now();
    let error = error(&shell("exec sleep 100").limits(limits));
    assert_eq!(error.to_string(), "the document took longer than 0 seconds to be read");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_process_has_limits_and_no_environment() {
    let large = ExtractLimits { document_bytes_max: 1, ..limits() };
    let error = error(&extractor().limits(large));
    assert_eq!(error.to_string(), "the document has more than 1 bytes");

    let ours = "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^MIMALLOC";
    let text = format!("{{\"unreadable\":{{\"crashed\":\"$({ours})\"}}}}");
    let error = extract_by(
        &shell(&format!("echo \"{}\"", text.replace('"', "\\\""))).env("A", "b"),
        Kind::Text,
        b"",
    );
    let Err(ExtractError::Unreadable(Unreadable::Crashed(environment))) = error else {
        panic!("{error:?}")
    };
    assert_eq!(environment.replace("OLDPWD=", "").trim(), "A=b");
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000", path.display());
    let extractor = shell(&script);
    let pid = {
        let extraction = extractor.extract(Kind::Text, file(b"hi"));
        tokio::pin!(extraction);
        loop {
            let wait = tokio::time::sleep(Duration::from_millis(5));
            tokio::select! {
                ended = &mut extraction => panic!("{ended:?}"),
                () = wait => {}
            }
            if let Ok(pid) = std::fs::read_to_string(&path) {
                break pid;
            }
        }
    };
    let process = std::path::PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let is_alive = || {
        // A process that has ended waits for its parent as a zombie.
        std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z "))
    };
    let started = Instant::now();
    while is_alive() {
        assert!(started.elapsed() < Duration::from_secs(5), "it goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn only_so_many_run_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; touch $$; ls | wc -l >&2; n=$(ls | wc -l); sleep 0.1; rm $$; \
         echo '{{\"unreadable\":{{\"crashed\":\"'$n'\"}}}}'",
        folder.path().display()
    );
    let extractor = shell(&script).env("PATH", "/usr/bin:/bin").concurrency(2);
    let all: Vec<_> = (0..6)
        .map(|_| {
            let extractor = extractor.clone();
            async move { extractor.extract(Kind::Text, file(b"hi")).await }
        })
        .collect();
    let mut most = 0;
    for ended in futures_util::future::join_all(all).await {
        let Err(ExtractError::Unreadable(Unreadable::Crashed(count))) = ended else {
            panic!("{ended:?}")
        };
        most = most.max(count.parse::<u32>().unwrap());
    }
    assert_eq!(most, 2);
}

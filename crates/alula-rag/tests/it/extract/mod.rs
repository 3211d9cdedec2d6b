//! Documents whose text is taken out in a process of its own.

mod archive;
mod ends;
mod hostile;
mod kinds;
#[cfg(target_os = "linux")]
mod linux;
mod pdf;

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    path::PathBuf,
    process::Command,
    sync::Once,
    time::{Duration, Instant},
};

use alula_rag::{ExtractError, ExtractLimits, Extracted, Extractor, Kind, Unreadable};

const MIB: u64 = 1 << 20;

/// The example that prints documents. Cargo builds it with the tests, unless it was asked for the
/// tests alone.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = folder.join("examples/extract");
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        if !program.is_file() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--package", "alula-rag", "--example", "extract"]);
            assert!(cargo.status().unwrap().success());
        }
    });
    program
}

/// Less than there is by default: without optimization all takes longer.
fn limits() -> ExtractLimits {
    ExtractLimits {
        text_bytes_max: 2 * MIB,
        unpacked_bytes_max: 4 * MIB,
        cpu_seconds_max: 6,
        ..ExtractLimits::default()
    }
}

fn extractor() -> Extractor {
    Extractor::new(program()).arg("extract-document").limits(limits())
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

#[tokio::main(flavor = "current_thread")]
async fn extract_by(
    extractor: &Extractor,
    kind: Kind,
    bytes: &[u8],
) -> Result<Extracted, ExtractError> {
    extractor.extract(kind, file(bytes)).await
}

fn extract(kind: Kind, bytes: &[u8]) -> Extracted {
    extract_by(&extractor(), kind, bytes).unwrap()
}

/// Why a document is not read, which has to be said soon.
fn refused(kind: Kind, bytes: &[u8]) -> Unreadable {
    let started = Instant::now();
    let reason = match extract_by(&extractor(), kind, bytes) {
        Err(ExtractError::Unreadable(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}: {reason}");
    reason
}

//! Where the recordings are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The recordings of real providers; without them it says so.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration to read")]
pub(crate) fn root() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let root = env::var_os("ALULA_RECORDINGS").map_or(beside, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: there are no recordings at {} (set ALULA_RECORDINGS)", root.display());
    None
}

/// Two small recordings of our own.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replay")
}

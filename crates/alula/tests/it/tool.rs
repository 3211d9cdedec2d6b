//! Programs that only some tests need.
//!
//! A test without its program says so in one line and passes, unless `ALULA_TEST_REQUIRE=1`.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A Python that has what the tests import: `ALULA_TEST_PYTHON`, or that of `target/python`.
pub(crate) fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python");
    env::var_os("ALULA_TEST_PYTHON").map(PathBuf::from).or_else(|| own.exists().then_some(own))
}

/// A Chromium: `ALULA_TEST_CHROMIUM`, or one in the path.
pub(crate) fn chromium() -> Option<PathBuf> {
    let named = env::var_os("ALULA_TEST_CHROMIUM").map(PathBuf::from);
    named
        .or_else(|| ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(in_path))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Says that a test did not run, or fails where every test has to.
pub(crate) fn skipped(why: &str) {
    assert!(env::var("ALULA_TEST_REQUIRE").as_deref() != Ok("1"), "{why}");
    println!("skipped: {why}");
}

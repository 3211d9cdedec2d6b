//! Programs that only some tests need.
//!
//! A test without its program says so in one line and passes, unless `ALULA_TEST_REQUIRE=1`.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// What the environment says of the machine and of this run.
#[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
pub(crate) fn setting(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// A Python that has what the tests import: `ALULA_TEST_PYTHON`, or that of `target/python`.
pub(crate) fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python");
    setting("ALULA_TEST_PYTHON").map(PathBuf::from).or_else(|| own.exists().then_some(own))
}

/// Says that a test did not run, or fails where every test has to.
pub(crate) fn skipped(why: &str) {
    assert!(setting("ALULA_TEST_REQUIRE").is_none_or(|value| value != "1"), "{why}");
    println!("skipped: {why}");
}

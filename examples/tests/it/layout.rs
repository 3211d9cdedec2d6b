//! What all programs have in common.

use std::{fs, path::Path};

/// A program shows one thing; a longer one would show two.
const LINES_MAX: usize = 60;

#[test]
fn every_program_is_short() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut programs = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
            programs += 1;
        }
    }
    assert!(programs > 0);
}

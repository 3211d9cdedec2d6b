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

#[test]
fn the_code_of_every_page_is_compiled() {
    let book = include_str!("../../book.rs");
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read_to_string(&path).unwrap().contains("```rust\n") {
                let page = path.to_string_lossy();
                let page = page.rsplit_once("/docs/").unwrap().1;
                assert!(book.contains(&format!("\"{page}\"")), "{page} is not in book.rs");
            }
        }
    }
}

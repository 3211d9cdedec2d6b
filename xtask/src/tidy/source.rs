//! The files of the repository, as the rules see them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::process;

/// A text file that is committed, or will be.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the root of the repository.
    pub(super) path: String,
    pub(super) text: String,
}

/// A line of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
    /// Whether it is part of a test.
    pub(super) test: bool,
}

/// Folders of what others wrote and what was recorded: it stays as it is.
const FOREIGN: &[&str] = &[
    "assets/swagger-ui/",
    "assets/redoc/",
    "fuzz/seeds/",
    "/fixtures/",
    "/recordings/",
    "/cassettes/",
];

impl Source {
    /// All text files that git tracks or would add, without what others wrote.
    pub(super) fn load_all(root: &Path) -> Result<Vec<Self>> {
        Self::load(root, |path| !FOREIGN.iter().any(|folder| path.contains(folder)))
    }

    /// The files that may be recordings of calls, by their names.
    pub(super) fn load_recordings(root: &Path) -> Result<Vec<Self>> {
        let extensions = [".jsonl", ".yaml", ".yml"];
        Self::load(root, |path| extensions.iter().any(|extension| path.ends_with(extension)))
    }

    fn load(root: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Self>> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let paths = process::output(Command::new("git").current_dir(root).args(list))?;
        let mut sources = Vec::new();
        for path in paths.split_terminator('\0') {
            let file = root.join(path);
            // A link, or a file that is deleted and not yet committed as such, has no text.
            if !wanted(path) || !file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                continue;
            }
            let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                sources.push(Self { path: path.to_owned(), text });
            }
        }
        Ok(sources)
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is a test, or serves tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Whether the file was written by a tool, which does not keep the rules of layout.
    pub(super) fn is_generated(&self) -> bool {
        let extensions = [".snap", ".stderr", ".lock", ".json"];
        extensions.iter().any(|extension| self.path.ends_with(extension))
    }

    /// Whether the file is in the folder, or is that file.
    pub(super) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// The lines, each with whether it is in a test: in a test file, or in an item under
    /// `#[cfg(test)]`. That the code is formatted by rustfmt makes the end of an item easy to see.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let whole = self.is_test();
        // The indentation of the test item that we are in, or whose attribute we have passed.
        let mut inside: Option<usize> = None;
        self.text.lines().zip(1..).map(move |(text, number)| {
            let indent = text.len() - text.trim_start().len();
            let code = text.trim();
            if inside.is_none()
                && (code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test,"))
            {
                inside = Some(indent);
            }
            let test = whole || inside.is_some();
            if inside == Some(indent) && !code.starts_with("#[") && code.ends_with(['}', ';']) {
                inside = None;
            }
            Line { number, text, test }
        })
    }
}

impl Line<'_> {
    pub(super) fn is_comment(&self) -> bool {
        self.text.trim_start().starts_with("//")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_lines(path: &str, text: &str) -> Vec<usize> {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        source.lines().filter(|line| line.test).map(|line| line.number).collect()
    }

    #[test]
    fn test_items_are_told_from_code() {
        let text = "\
fn code() {}

#[cfg(test)]
mod tests;

#[cfg(test)]
#[expect(clippy::panic)]
fn helper() {
    one();
}

fn more_code() {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn test() {}
}
";
        let tests: Vec<usize> = [3..=4, 6..=10, 14..=20].into_iter().flatten().collect();
        assert_eq!(test_lines("src/lib.rs", text), tests);
        let feature = "#[cfg(feature = \"testing\")]\nmod testing;\n";
        assert!(test_lines("src/lib.rs", feature).is_empty());
    }

    #[test]
    fn test_files_are_tests_as_a_whole() {
        for path in ["crates/alula/tests/it/main.rs", "src/serve/tests.rs"] {
            assert_eq!(test_lines(path, "fn code() {}\n"), [1]);
        }
    }
}

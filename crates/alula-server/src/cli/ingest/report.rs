//! What becomes of files, as people and programs read it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::cli::{
    jobs::{Bar, Pace, Screen, columns, span},
    say,
    table::clean,
    tell,
};

/// How often it is looked and drawn.
const INTERVAL: Duration = Duration::from_millis(300);
/// How often a line is printed where nothing can be drawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// What became of files.
pub(super) struct Report {
    is_json: bool,
    total: usize,
    ready: usize,
    chunks: i64,
    failures: Vec<String>,
    screen: Option<Screen>,
    pace: Pace,
    began: Instant,
    looked: Option<Instant>,
    printed: Option<Instant>,
}

impl Report {
    pub(super) fn new(is_json: bool, total: usize) -> Self {
        Self {
            is_json,
            total,
            ready: 0,
            chunks: 0,
            failures: Vec::new(),
            screen: (!is_json).then(Screen::new),
            pace: Pace::default(),
            began: Instant::now(),
            looked: None,
            printed: None,
        }
    }

    /// How many could not be taken or read.
    pub(super) fn failures(&self) -> usize {
        self.failures.len()
    }

    pub(super) fn ready(&mut self, path: &Path, id: &str, chunks: i64) {
        self.ready += 1;
        self.chunks += chunks;
        self.line(path, json!({ "status": "ready", "document_id": id, "chunks": chunks }));
    }

    /// A document that cannot be read.
    pub(super) fn failed(&mut self, path: &Path, id: &str, code: &str, words: &str) {
        self.failures.push(clean(&format!("{}: {words}", path.display())));
        let error = json!({ "code": code, "message": words });
        self.line(path, json!({ "status": "failed", "document_id": id, "error": error }));
    }

    /// A file that was not taken.
    pub(super) fn refused(&mut self, path: &Path, code: &str, words: &str) {
        self.failures.push(clean(&format!("{}: {words}", path.display())));
        let error = json!({ "code": code, "message": words });
        self.line(path, json!({ "status": "refused", "error": error }));
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= INTERVAL);
        if is_due {
            self.looked = Some(Instant::now());
        }
        is_due
    }

    /// Shows how far it is.
    pub(super) fn draw(&mut self) {
        let done = (self.ready + self.failures.len()) as u64;
        self.pace.note(Instant::now(), done);
        let Some(screen) = &mut self.screen else { return };
        let total = self.total as u64;
        let bar = Bar {
            status: "ingesting",
            done,
            total: Some(total),
            failed: self.failures.len() as u64,
            per_second: self.pace.per_second(),
            left: self.pace.left(total.saturating_sub(done)),
            message: "",
        };
        if screen.is_terminal {
            // That nobody sees it is no reason to stop.
            let _ = screen.show(&bar.draw(columns()));
        } else if self.printed.is_none_or(|printed| printed.elapsed() >= PLAIN_INTERVAL) {
            self.printed = Some(Instant::now());
            let _ = screen.show(&bar.text());
        }
    }

    /// Says what became of all of them.
    pub(super) fn end(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.leave();
        }
        let Self { ready, chunks, failures, .. } = self;
        let took = self.began.elapsed();
        if self.is_json {
            let failed = failures.len();
            let all = json!({ "files": self.total, "ready": ready, "failed": failed, "chunks": chunks,
                "seconds": took.as_secs_f64() });
            return say(&all.to_string());
        }
        say(&format!("{ready} documents with {chunks} chunks are ready, in {}", span(took)));
        if !failures.is_empty() {
            tell(&format!("{} files are not:", failures.len()));
            failures.iter().for_each(|failure| tell(&format!("  {failure}")));
        }
    }

    fn line(&self, path: &Path, mut what: Value) {
        if !self.is_json {
            return;
        }
        if let Some(what) = what.as_object_mut() {
            what.insert("path".to_owned(), path.to_string_lossy().into());
        }
        // JSON leaves those as they are that some terminals take for commands.
        let escaped = |char: char| match char {
            '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(char)),
            char => char.to_string(),
        };
        say(&what.to_string().chars().map(escaped).collect::<String>());
    }
}

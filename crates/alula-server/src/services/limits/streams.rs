//! How many streams of a key are running.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Counts the streams of a key that are running in this process.
#[derive(Debug, Default)]
pub(super) struct Streams(Arc<AtomicUsize>);

/// A stream that is running. Dropping it makes room for another one.
#[derive(Debug)]
pub(crate) struct Stream(Arc<AtomicUsize>);

impl Streams {
    /// Begins one, if there are fewer than so many.
    pub(super) fn begin(&self, max: usize) -> Option<Stream> {
        let next = |running: usize| (running < max).then_some(running + 1);
        self.0.fetch_update(Relaxed, Relaxed, next).ok()?;
        Some(Stream(self.0.clone()))
    }

    pub(super) fn are_running(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

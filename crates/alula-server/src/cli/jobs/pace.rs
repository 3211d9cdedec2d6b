//! How fast something goes, and how long it takes yet.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How far back it is looked.
const WINDOW: Duration = Duration::from_secs(30);

/// What was done at which time, in the last while.
#[derive(Debug, Default)]
pub(in crate::cli) struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    /// So much is done by now.
    pub(in crate::cli) fn note(&mut self, now: Instant, done: u64) {
        // It began again.
        if self.0.back().is_some_and(|(_, before)| *before > done) {
            self.0.clear();
        }
        self.0.push_back((now, done));
        // One that is older stays, so that there is always something to compare with.
        let is_old = |(then, _): &(Instant, u64)| now.duration_since(*then) > WINDOW;
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// How much is done in a second; nothing if that cannot be said.
    pub(in crate::cli) fn per_second(&self) -> Option<f64> {
        let ((since, before), (now, done)) = (self.0.front()?, self.0.back()?);
        let seconds = now.duration_since(*since).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "it is rounded when it is shown")]
        let done = done.saturating_sub(*before) as f64;
        (seconds > 0.0 && done > 0.0).then(|| done / seconds)
    }

    /// How long the rest takes, if it goes on like this.
    pub(in crate::cli) fn left(&self, rest: u64) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "it is rounded when it is shown")]
        let seconds = rest as f64 / self.per_second()?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_while_counts() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        pace.note(at(0), 5);
        assert_eq!((pace.per_second(), pace.left(10)), (None, None));
        pace.note(at(10), 25);
        assert_eq!(pace.per_second(), Some(2.0));
        assert_eq!(pace.left(10), Some(Duration::from_secs(5)));
        // What was slow long ago is forgotten, and what is silent for a moment is no end.
        for second in 11..=60 {
            pace.note(at(second), 25 + (second - 10) * 4);
        }
        assert_eq!(pace.per_second(), Some(4.0));
        pace.note(at(61), 0);
        assert_eq!(pace.per_second(), None);
    }
}

//! How the calls of the last minute went.

use std::time::Duration;

use tokio::time::Instant;

/// How long a part of the minute is.
const PART: Duration = Duration::from_secs(10);
const PARTS: usize = 6;

/// How the calls of the last minute went, as far as they say something about a target.
///
/// ```
/// use alula_llm::{ChatRequest, Demo, Llm};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).build()?;
/// llm.chat(ChatRequest::new("demo").user("What is an alula?")).await?;
/// let target = &llm.statuses()[0].targets[0];
/// assert_eq!((target.recent.worked, target.recent.failed), (1, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentCalls {
    /// It answered, if only to refuse.
    pub worked: u64,
    /// It was in trouble, at each of the attempts.
    pub failed: u64,
}

/// Counts the calls of the last minute, in parts that are forgotten one by one.
#[derive(Debug)]
pub(super) struct Recent {
    epoch: Instant,
    parts: [RecentCalls; PARTS],
    /// The part, since the epoch, that was counted in last.
    newest: u64,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), parts: <[RecentCalls; PARTS]>::default(), newest: 0 }
    }

    pub(super) fn note(&mut self, has_worked: bool) {
        self.forget();
        let newest = self.newest;
        let part = self.parts.get_mut(place(newest));
        let Some(part) = part else { return };
        let count = if has_worked { &mut part.worked } else { &mut part.failed };
        *count = count.saturating_add(1);
    }

    pub(super) fn calls(&mut self) -> RecentCalls {
        self.forget();
        self.parts.iter().fold(RecentCalls::default(), |sum, part| RecentCalls {
            worked: sum.worked.saturating_add(part.worked),
            failed: sum.failed.saturating_add(part.failed),
        })
    }

    /// Forgets what is a minute old.
    fn forget(&mut self) {
        let now = self.epoch.elapsed().as_secs() / PART.as_secs();
        for part in (self.newest + 1..=now).take(PARTS) {
            if let Some(part) = self.parts.get_mut(place(part)) {
                *part = RecentCalls::default();
            }
        }
        self.newest = now;
    }
}

fn place(part: u64) -> usize {
    usize::try_from(part % PARTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_is_remembered() {
        let mut recent = Recent::new();
        recent.note(true);
        recent.note(false);
        advance(Duration::from_secs(45)).await;
        recent.note(true);
        assert_eq!(recent.calls(), RecentCalls { worked: 2, failed: 1 });
        advance(Duration::from_secs(20)).await;
        assert_eq!(recent.calls(), RecentCalls { worked: 1, failed: 0 });
        advance(Duration::from_secs(600)).await;
        assert_eq!(recent.calls(), RecentCalls::default());
    }
}

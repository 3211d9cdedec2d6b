//! What a report of a process changes: arithmetic, without a database.

use super::Spend;

/// What a process may have set aside beyond its calls under way: at most one part in so many of
/// what nobody has spent or set aside. It is lost to the key if the process crashes, and to the
/// other processes until it is given back.
pub(crate) const IDLE_SHARE: i64 = 20;

/// What a process says of a slice: money of a key that it has set aside, and pays calls from. All
/// sums are whole ones since the slice began, so that a report may be made again whose answer was
/// not heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    pub(crate) id: &'a str,
    pub(crate) process: &'a str,
    pub(crate) key: &'a str,
    pub(crate) period: &'a str,
    /// The budget of the key.
    pub(crate) limit: i64,
    /// What calls have cost.
    pub(crate) spent: i64,
    /// What stays set aside.
    pub(crate) keeps: i64,
    /// What a call needs beside that.
    pub(crate) needs: i64,
    /// What is given back of what stays, if there is not so much.
    pub(crate) yields: i64,
    /// What is welcome for the next calls, within [`IDLE_SHARE`].
    pub(crate) likes: i64,
    pub(crate) expires_at: i64,
    /// Whether something was granted to this slice before.
    pub(crate) is_known: bool,
    /// Whether the slice ends with this report.
    pub(crate) is_last: bool,
}

/// What comes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// So much more is set aside: what the call needs, and perhaps some of what is welcome.
    Granted { more: i64, spend: Spend },
    /// The call might cost more than is left of the budget, or more is spent than that.
    Refused(Spend),
    /// The process was taken for gone so long ago that its slice is charged for good.
    Gone,
}

/// A slice as it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    /// What is left of it.
    pub(crate) amount: i64,
    /// What its calls have cost.
    pub(crate) spent: i64,
    /// Its process was taken for gone, and what is left counts as spent.
    pub(crate) is_charged: bool,
}

impl Slice {
    pub(crate) fn from_row((amount, spent, is_charged): (i64, i64, i64)) -> Self {
        Self { amount, spent, is_charged: is_charged != 0 }
    }
}

/// How it stands after a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) spend: Spend,
    /// Nothing if there is nothing to be noted of it.
    pub(crate) slice: Option<Slice>,
    pub(crate) answer: Answer,
}

impl Report<'_> {
    /// What this report changes; nothing if the slice is gone.
    pub(crate) fn settle(&self, spend: Spend, found: Option<Slice>) -> Option<Settled> {
        if found.is_none() && self.is_known {
            return None;
        }
        let slice = found.unwrap_or_default();
        // If its process was taken for gone, that was wrong: it is set aside again.
        let (charged, reserved) = match slice.is_charged {
            true => (slice.amount, 0),
            false => (0, slice.amount),
        };
        let counted = slice.spent.saturating_add(charged);
        let spent = spend.spent.saturating_add(self.spent.saturating_sub(counted));
        let of_others = spend.reserved.saturating_sub(reserved);
        let taken = spent.saturating_add(of_others).saturating_add(self.keeps);
        let left = self.limit.saturating_sub(taken).saturating_sub(self.needs);
        let more = (left >= 0).then(|| self.needs + self.likes.min(left / IDLE_SHARE));
        let amount = match more {
            Some(more) => self.keeps.saturating_add(more),
            None => self.keeps.saturating_sub(self.yields),
        };
        let spend = Spend { spent, reserved: of_others.saturating_add(amount) };
        let is_noted = !self.is_last && (found.is_some() || more.is_some());
        let slice = Slice { amount, spent: self.spent, is_charged: false };
        Some(Settled {
            spend,
            slice: is_noted.then_some(slice),
            answer: match more {
                Some(more) => Answer::Granted { more, spend },
                None => Answer::Refused(spend),
            },
        })
    }
}

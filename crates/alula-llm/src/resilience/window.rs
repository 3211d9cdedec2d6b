use std::collections::VecDeque;

/// The seconds of a window.
pub(super) const WINDOW: u64 = 60;

/// How much of something may be used within any 60 seconds.
///
/// It counts by whole seconds, and rounds so that the limit holds for every 60 seconds, not only
/// for those that begin with a minute. What is booked may lie ahead: bookings are made in the
/// order in which they were asked for, so a large one is not overtaken for ever by small ones.
#[derive(Debug)]
pub(super) struct Window {
    limit: u64,
    /// What was used in which second, the oldest first.
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    second: u64,
    used: u64,
}

impl Window {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, slots: VecDeque::new() }
    }

    /// The first second, from `from` on, in which so much may be used; none if it is more than the
    /// limit itself.
    ///
    /// It forgets what nobody has to look at from `now` on. That may be earlier than `from`: who
    /// is booked ahead may give up, and others take the place.
    pub(super) fn earliest(&mut self, now: u64, from: u64, amount: u64) -> Option<u64> {
        if amount > self.limit {
            return None;
        }
        self.forget(now);
        let mut second = self.slots.back().map_or(from, |last| from.max(last.second));
        let mut used = self.slots.iter().fold(0_u64, |sum, slot| sum.saturating_add(slot.used));
        for slot in &self.slots {
            let has_passed = slot.second + WINDOW < second;
            if !has_passed && used.saturating_add(amount) <= self.limit {
                break;
            }
            used = used.saturating_sub(slot.used);
            second = second.max(slot.second + WINDOW + 1);
        }
        Some(second)
    }

    /// Holds to another limit, or to none.
    pub(super) fn change(window: &mut Option<Self>, limit: Option<u64>) {
        match (window.as_mut(), limit) {
            (Some(window), Some(limit)) => window.limit = limit,
            (None, Some(limit)) => *window = Some(Self::new(limit)),
            (_, None) => *window = None,
        }
    }

    /// All that is booked.
    pub(super) fn used(&self) -> u64 {
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.used))
    }

    /// The first second with a booking.
    pub(super) fn first(&self) -> Option<u64> {
        self.slots.iter().find(|slot| slot.used > 0).map(|slot| slot.second)
    }

    /// The last second with a booking.
    pub(super) fn last(&self) -> Option<u64> {
        self.slots.back().map(|slot| slot.second)
    }

    /// Uses so much in a second that [`earliest`](Self::earliest) gave, or in a later one.
    pub(super) fn book(&mut self, second: u64, amount: u64) {
        match self.slots.back_mut() {
            Some(last) if last.second >= second => last.used = last.used.saturating_add(amount),
            _ => self.slots.push_back(Slot { second, used: amount }),
        }
    }

    /// Corrects what was booked for a second: it was `actual` in truth. What is more than was booked
    /// counts from now on where that second has passed.
    pub(super) fn correct(&mut self, now: u64, second: u64, booked: u64, actual: u64) {
        self.forget(now);
        let more = actual.saturating_sub(booked);
        match self.slots.iter_mut().find(|slot| slot.second == second) {
            Some(slot) => slot.used = slot.used.saturating_add(actual).saturating_sub(booked),
            None if more == 0 => {}
            None if second + WINDOW < now => self.book(now, more),
            None => self.book(second, more),
        }
        // Who gave up a place ahead holds up nobody behind it.
        while self.slots.back().is_some_and(|slot| slot.used == 0) {
            self.slots.pop_back();
        }
    }

    /// Forgets what no later second has to look at.
    pub(super) fn forget(&mut self, now: u64) {
        while self.slots.front().is_some_and(|slot| slot.second + WINDOW < now) {
            self.slots.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_limit_may_be_used_at_once_and_then_a_minute_passes() {
        let mut window = Window::new(3);
        for second in [10, 10, 12] {
            assert_eq!(window.earliest(second, second, 1), Some(second));
            window.book(second, 1);
        }
        assert_eq!(window.earliest(13, 13, 1), Some(71));
        assert_eq!(window.earliest(13, 13, 3), Some(73));
        assert_eq!(window.earliest(13, 13, 4), None);
    }

    #[test]
    fn what_was_less_in_truth_makes_room() {
        let mut window = Window::new(100);
        window.book(5, 90);
        window.correct(6, 5, 90, 10);
        assert_eq!(window.earliest(6, 6, 90), Some(6));
        window.correct(6, 5, 10, 95);
        assert_eq!(window.earliest(6, 6, 10), Some(66));
        // A second that is long past is nothing to correct.
        window.correct(900, 5, 95, 0);
        assert_eq!(window.earliest(900, 900, 100), Some(900));
    }

    #[test]
    fn what_was_more_in_truth_counts_even_when_it_is_known_late() {
        let mut window = Window::new(100);
        window.book(5, 10);
        window.correct(200, 5, 10, 95);
        assert_eq!((window.used(), window.last()), (85, Some(200)));
        assert_eq!(window.earliest(201, 201, 15), Some(201));
        assert_eq!(window.earliest(201, 201, 16), Some(261));
        // What was booked for nothing, and taken away, has not passed.
        window.book(210, 0);
        window.correct(211, 200, 0, 0);
        window.correct(212, 210, 0, 5);
        assert_eq!((window.used(), window.last()), (90, Some(210)));
    }

    #[test]
    fn nobody_is_overtaken() {
        let mut window = Window::new(10);
        window.book(0, 9);
        let large = window.earliest(1, 1, 10).unwrap();
        window.book(large, 10);
        assert_eq!(large, 61);
        assert!(window.earliest(2, 2, 1).unwrap() > large);
    }

    proptest! {
        /// For any bookings at any times, no 60 seconds hold more than the limit, even if each
        /// booking happens at the worst moment of its second.
        #[test]
        fn no_minute_holds_more_than_the_limit(
            limit in 1_u64..50,
            steps in prop::collection::vec((0_u64..20, 1_u64..20), 1..200),
        ) {
            let mut window = Window::new(limit);
            let (mut now, mut booked) = (0, Vec::new());
            for (pause, amount) in steps {
                now += pause;
                let amount = amount.min(limit);
                let second = window.earliest(now, now, amount).unwrap();
                prop_assert!(second >= now);
                window.book(second, amount);
                booked.push((second, amount));
            }
            for (from, _) in &booked {
                let within = booked.iter().filter(|(second, _)| (*from..=from + WINDOW).contains(second));
                let used: u64 = within.map(|(_, amount)| amount).sum();
                prop_assert!(used <= limit, "{used} of {limit} from {from} on");
            }
        }

        /// A booking waits no longer than it has to: one second earlier would be too much.
        #[test]
        fn nobody_waits_longer_than_needed(
            limit in 1_u64..20,
            steps in prop::collection::vec((0_u64..20, 1_u64..20), 1..100),
        ) {
            let mut window = Window::new(limit);
            let (mut now, mut booked) = (0, Vec::<(u64, u64)>::new());
            for (pause, amount) in steps {
                now += pause;
                let amount = amount.min(limit);
                let second = window.earliest(now, now, amount).unwrap();
                let last = booked.last().map_or(0, |(second, _)| *second);
                if second > now.max(last) {
                    let before = second - 1;
                    let seen = (before.saturating_sub(WINDOW))..=before;
                    let used: u64 =
                        booked.iter().filter(|(at, _)| seen.contains(at)).map(|(_, n)| n).sum();
                    prop_assert!(used + amount > limit);
                }
                window.book(second, amount);
                booked.push((second, amount));
            }
        }
    }
}

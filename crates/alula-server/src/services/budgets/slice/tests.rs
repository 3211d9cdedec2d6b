//! Processes at random over a database that is only its arithmetic.

use std::collections::HashMap;

use super::*;
use crate::{
    db::budget_model::{self, Settled},
    services::keys::Period,
};

/// What the database knows.
#[derive(Default)]
struct Kept {
    spend: Spend,
    slices: HashMap<String, budget_model::Slice>,
}

impl Kept {
    fn report(&mut self, report: &Report<'_>) -> Answer {
        let found = self.slices.get(report.id).copied();
        let Some(Settled { spend, slice, answer }) = report.settle(self.spend, found) else {
            return Answer::Gone;
        };
        self.spend = spend;
        match slice {
            Some(slice) => self.slices.insert(report.id.to_owned(), slice),
            None => self.slices.remove(report.id),
        };
        answer
    }

    /// All processes are taken for gone. One that is there says so later.
    fn charge(&mut self) {
        for slice in self.slices.values_mut().filter(|slice| !slice.is_charged) {
            slice.is_charged = true;
            self.spend.spent += slice.amount;
            self.spend.reserved -= slice.amount;
        }
    }
}

/// Calls under way: the most that they may cost, and what they do.
type Calls = Vec<(Arc<Slice>, u64, u64)>;

#[derive(Default)]
struct Process {
    slice: Option<Arc<Slice>>,
    calls: Calls,
}

/// How often calls were paid in memory, were granted, and were refused.
#[derive(Debug, Default)]
struct Counts {
    paid: u32,
    granted: u32,
    refused: u32,
}

const BY: Reporter<'_> = Reporter { process: "p", expires_at: 0 };

/// Who says something is not heard now and then, or does not hear the answer.
fn exchange(
    random: &mut fastrand::Rng,
    kept: &mut Kept,
    (slice, report): (&Slice, &Report<'_>),
    call: Option<u64>,
) -> Option<Answer> {
    if random.u8(0..10) == 0 {
        return None;
    }
    let answer = kept.report(report);
    (random.u8(0..10) > 0).then(|| {
        slice.hear(report, answer, call);
        answer
    })
}

impl Process {
    fn begins(
        &mut self,
        random: &mut fastrand::Rng,
        kept: &mut Kept,
        (limit, most): (u64, u64),
    ) -> Option<bool> {
        let budget = Budget { micro_usd: limit, period: Period::Total };
        let span = || Span::of(Period::Total, Timestamp::from_millis(0));
        let slice = self.slice.get_or_insert_with(|| Arc::new(Slice::new("k".into(), span())));
        let slice = slice.clone();
        let is_paid = slice.pay(most, budget);
        if !is_paid {
            let report = slice.ask(most, budget, BY);
            let answer = exchange(random, kept, (&slice, &report), Some(most))?;
            self.replace();
            if !matches!(answer, Answer::Granted { .. }) {
                return None;
            }
        }
        self.calls.push((slice, most, random.u64(0..=most)));
        Some(is_paid)
    }

    fn tells(&mut self, random: &mut fastrand::Rng, kept: &mut Kept, due: Due) {
        let Some(slice) = self.slice.clone() else { return };
        if let Some(report) = slice.tell(due, Timestamp::from_millis(0), BY) {
            exchange(random, kept, (&slice, &report), None);
        }
        self.replace();
    }

    fn replace(&mut self) {
        self.slice = self.slice.take().filter(|slice| !slice.is_over());
    }
}

/// Two processes that make calls, report, hear nothing, crash and come back.
fn schedule(seed: u64, counts: &mut Counts) {
    let mut random = fastrand::Rng::with_seed(seed);
    let limit = random.u64(1..2_000);
    let (mut kept, mut processes, mut paid) =
        (Kept::default(), [(); 2].map(|()| Process::default()), 0);
    for step in 0..random.usize(10..60) {
        let process = &mut processes[random.usize(0..2)];
        match random.u8(0..20) {
            0..9 => {
                let most = random.u64(0..1 + limit / 4);
                match process.begins(&mut random, &mut kept, (limit, most)) {
                    Some(true) => counts.paid += 1,
                    Some(false) => counts.granted += 1,
                    None => counts.refused += 1,
                }
            }
            9..14 if !process.calls.is_empty() => {
                let index = random.usize(0..process.calls.len());
                let (slice, most, cost) = process.calls.swap_remove(index);
                slice.end(most, cost);
                paid += cost;
            }
            14..18 => {
                let due = [Due::Excess, Due::News, Due::End][random.usize(0..3)];
                process.tells(&mut random, &mut kept, due);
            }
            18 => {
                // A crash: what the calls cost is paid, and nobody is told.
                paid += std::mem::take(process).calls.iter().map(|(_, _, cost)| cost).sum::<u64>();
            }
            19 if random.bool() => kept.charge(),
            19 => kept.slices.retain(|_, slice| !slice.is_charged),
            _ => {}
        }
        check(&format!("seed {seed}, step {step}"), limit, paid, &kept, &processes);
    }
    for process in &mut processes {
        for (slice, most, cost) in std::mem::take(&mut process.calls) {
            slice.end(most, cost);
            paid += cost;
        }
        process.tells(&mut random, &mut kept, Due::End);
    }
    kept.charge();
    check(&format!("the end of seed {seed}"), limit, paid, &kept, &processes);
    assert_eq!(kept.spend.reserved, 0);
}

/// No more is spent or set aside than there is, and no call is paid by nobody.
fn check(place: &str, limit: u64, paid: u64, kept: &Kept, processes: &[Process]) {
    let Spend { spent, reserved } = kept.spend;
    assert!(spent >= 0 && reserved >= 0 && spent + reserved <= signed(limit), "{place}");
    let slices = kept.slices.values().filter(|slice| !slice.is_charged);
    assert_eq!(slices.map(|slice| slice.amount).sum::<i64>(), reserved, "{place}");
    let calls = processes.iter().flat_map(|process| &process.calls);
    let owed = signed(paid + calls.map(|(_, _, cost)| cost).sum::<u64>());
    assert!(owed <= spent + reserved, "{place}: {owed} of {spent} and {reserved}");
}

#[test]
fn no_schedule_spends_more_than_the_limit() {
    let mut counts = Counts::default();
    for seed in 0..10_000 {
        schedule(seed, &mut counts);
    }
    let Counts { paid, granted, refused } = counts;
    assert!(paid > 10_000 && granted > 10_000 && refused > 10_000, "{counts:?}");
}

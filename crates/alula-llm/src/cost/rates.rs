//! The prices of a model, and what they make of usage.

use super::{
    Cost, CostKind, KINDS, PICOS_PER_MICRO,
    date::{Day, is_weekend},
};
use crate::Usage;

/// What a token of each kind costs in picodollars, and a search and a call in micro-dollars.
pub(super) type PerKind = [Option<u64>; KINDS];

/// The prices of a model.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    pub(super) base: PerKind,
    /// What replaces them when the prompt has more tokens; the larger prompts come last.
    pub(super) above: Vec<(u64, PerKind)>,
}

/// What a service tier costs.
#[derive(Debug, Clone)]
pub(super) enum Tier {
    /// So many percent of the model's prices.
    Percent(u64),
    /// Prices of its own.
    Rates(Box<Rates>),
}

/// Hours in which everything costs more, or less.
#[derive(Debug, Clone)]
pub(super) struct Peak {
    pub(super) percent: u64,
    /// Minutes of the day, in UTC, without the last.
    pub(super) hours: Vec<(u64, u64)>,
    pub(super) weekdays_only: bool,
}

impl Peak {
    pub(super) fn is_at(&self, day: Day, minute: u64) -> bool {
        let is_hour = self.hours.iter().any(|(from, to)| (*from..*to).contains(&minute));
        is_hour && !(self.weekdays_only && is_weekend(day))
    }
}

impl Rates {
    /// Everything costs nothing.
    pub(super) fn free() -> Self {
        Self { base: [Some(0); KINDS], above: Vec::new() }
    }

    /// What usage costs, with tokens at so many percent of the price; `None` if something was used
    /// that has no price here.
    pub(super) fn cost(&self, usage: &Usage, percent: Percent) -> Option<Cost> {
        let mut cost = Cost::default();
        for (kind, count) in counts(usage) {
            if count == 0 {
                continue;
            }
            let picos = match kind {
                CostKind::Search => product(count, self.base_of(kind)?, PICOS_PER_MICRO.into(), 1),
                _ => product(count, self.rate(kind, usage.input)?, percent.over, percent.of),
            };
            cost.add(kind, picos);
        }
        let fee = self.base_of(CostKind::Request).unwrap_or_default();
        cost.add(CostKind::Request, fee.saturating_mul(PICOS_PER_MICRO));
        Some(cost)
    }

    /// The most that so many tokens may cost, whatever kinds they turn out to be.
    pub(super) fn ceiling(&self, input: u64, output: u64, percent: Percent) -> u64 {
        const INPUT: [CostKind; 5] = [
            CostKind::Input,
            CostKind::CacheWrite,
            CostKind::CacheWriteHour,
            CostKind::AudioInput,
            CostKind::ImageInput,
        ];
        const OUTPUT: [CostKind; 4] =
            [CostKind::Output, CostKind::Reasoning, CostKind::AudioOutput, CostKind::ImageOutput];
        let reached = self.above.iter().filter(|(tokens, _)| input > *tokens);
        let lists = || reached.clone().map(|(_, rates)| rates).chain([&self.base]);
        let dearest = |kinds: &[CostKind]| {
            let rates =
                lists().flat_map(|rates| kinds.iter().map(|kind| rates.get(*kind as usize)));
            rates.flatten().flatten().copied().max().unwrap_or_default()
        };
        let input = product(input, dearest(&INPUT), percent.over, percent.of);
        input.saturating_add(product(output, dearest(&OUTPUT), percent.over, percent.of))
    }

    /// The most that so many searches, and a call at all, may cost.
    pub(super) fn fees(&self, searches: u64) -> u64 {
        let search = self.base_of(CostKind::Search).unwrap_or_default().saturating_mul(searches);
        let fees = self.base_of(CostKind::Request).unwrap_or_default().saturating_add(search);
        fees.saturating_mul(PICOS_PER_MICRO)
    }

    /// The price of a kind, or of the kind that it counts as where it has none of its own.
    fn rate(&self, kind: CostKind, prompt: u64) -> Option<u64> {
        let above = self.above.iter().rev().find(|(tokens, _)| prompt > *tokens);
        let own = |kind: CostKind| {
            let above = above.and_then(|(_, rates)| rates.get(kind as usize).copied().flatten());
            above.or_else(|| self.base_of(kind))
        };
        own(kind).or_else(|| stands_for(kind).iter().find_map(|kind| own(*kind)))
    }

    fn base_of(&self, kind: CostKind) -> Option<u64> {
        self.base.get(kind as usize).copied().flatten()
    }
}

/// A factor that is exact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Percent {
    over: u128,
    of: u128,
}

impl Percent {
    pub(super) const ALL: Self = Self { over: 1, of: 1 };

    /// The larger of both.
    pub(super) fn at_least(self, percent: u64) -> Self {
        let is_less = self.over.saturating_mul(100) < self.of.saturating_mul(percent.into());
        if is_less { Self::ALL.times(percent) } else { self }
    }

    pub(super) fn times(self, percent: u64) -> Self {
        Self { over: self.over.saturating_mul(percent.into()), of: self.of.saturating_mul(100) }
    }
}

/// Whose price holds for a kind that has none. Sound that has no price, and pictures in an answer,
/// are not taken for text: elsewhere they cost many times as much.
fn stands_for(kind: CostKind) -> &'static [CostKind] {
    match kind {
        CostKind::CacheRead | CostKind::CacheWrite | CostKind::ImageInput => &[CostKind::Input],
        CostKind::CacheWriteHour => &[CostKind::CacheWrite, CostKind::Input],
        CostKind::CacheReadAudio => &[CostKind::CacheRead, CostKind::AudioInput],
        CostKind::Reasoning => &[CostKind::Output],
        _ => &[],
    }
}

/// How much of each kind was used. No token is counted twice, whatever the provider says.
fn counts(usage: &Usage) -> [(CostKind, u64); 12] {
    let mut input = usage.input;
    let cache_read = take(&mut input, usage.cache_read);
    let cache_write = take(&mut input, usage.cache_write);
    let cache_read_audio = usage.cache_read_audio.unwrap_or_default().min(cache_read);
    let fresh_audio = usage.audio_input.map(|tokens| tokens.saturating_sub(cache_read_audio));
    let audio_input = take(&mut input, fresh_audio);
    let image_input = take(&mut input, usage.image_input);
    let cache_write_hour = usage.cache_write_hour.unwrap_or_default().min(cache_write);

    let mut output = usage.output;
    let reasoning = take(&mut output, usage.reasoning);
    let audio_output = take(&mut output, usage.audio_output);
    let image_output = take(&mut output, usage.image_output);
    [
        (CostKind::Input, input),
        (CostKind::CacheRead, cache_read - cache_read_audio),
        (CostKind::CacheReadAudio, cache_read_audio),
        (CostKind::CacheWrite, cache_write - cache_write_hour),
        (CostKind::CacheWriteHour, cache_write_hour),
        (CostKind::AudioInput, audio_input),
        (CostKind::ImageInput, image_input),
        (CostKind::Output, output),
        (CostKind::Reasoning, reasoning),
        (CostKind::AudioOutput, audio_output),
        (CostKind::ImageOutput, image_output),
        (CostKind::Search, usage.searches.unwrap_or_default()),
    ]
}

/// Takes so many tokens, or as many as are left.
fn take(left: &mut u64, tokens: Option<u64>) -> u64 {
    let taken = tokens.unwrap_or_default().min(*left);
    *left -= taken;
    taken
}

/// A part of a picodollar counts as a whole one.
fn product(count: u64, rate: u64, over: u128, of: u128) -> u64 {
    let picos = u128::from(count).saturating_mul(rate.into()).saturating_mul(over).div_ceil(of);
    u64::try_from(picos).unwrap_or(u64::MAX)
}

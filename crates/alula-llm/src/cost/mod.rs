//! What calls cost.
//!
//! A provider that says itself what it charged is believed; else the tokens that it counted are
//! multiplied with its prices, in integers: a price in micro-dollars per million tokens is one in
//! picodollars (millionths of a micro-dollar) per token, so that nothing is rounded on the way.
//! Who adds up many calls adds [`Cost::picos`]; [`Cost::total`] counts a part of a micro-dollar as
//! a whole one, so that a call that costs is never shown as free.
//!
//! Before a call its [size](CallSize) bounds what it may cost, by the dearest of all that it may
//! turn out to be.
//!
//! What nobody knows the price of has no cost, which is another thing than costing nothing.

mod ceiling;
mod date;
mod models;
mod money;
mod prices;
mod rates;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;

pub use ceiling::CallSize;
pub use models::ModelSize;
pub use money::MicroUsd;
pub use prices::{Prices, Terms};

use crate::Usage;

const PICOS_PER_MICRO: u64 = 1_000_000;
const PICOS_PER_DOLLAR: f64 = 1e12;
/// `xAI` counts in units of which ten thousand million are a dollar.
const PICOS_PER_TICK: u64 = 100;

/// How many kinds of charges there are.
const KINDS: usize = CostKind::ALL.len();

/// What a call cost, by what was paid for.
///
/// ```
/// use alula_llm::{Prices, Usage};
///
/// let usage = Usage { input: 1_000_001, output: 100, ..Usage::default() };
/// let cost = Prices::builtin().cost("openai", "gpt-4o-mini", &usage).expect("it has a price");
/// assert_eq!(cost.picos(), 150_060_150_000); // $0.15 and $0.60 for a million tokens
/// assert_eq!(cost.total().to_string(), "$0.150061");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// In picodollars, in the order of [`CostKind::ALL`].
    picos: [u64; KINDS],
}

/// What a part of a [`Cost`] was paid for.
///
/// ```
/// use alula_llm::{CostKind, Prices, Usage};
///
/// let usage = Usage { input: 1_000, cache_read: Some(800), output: 100, ..Usage::default() };
/// let cost = Prices::builtin().cost("openai", "gpt-4o-mini", &usage).expect("it has a price");
/// let kinds: Vec<CostKind> = cost.parts().map(|(kind, _)| kind).collect();
/// assert_eq!(kinds, [CostKind::Input, CostKind::CacheRead, CostKind::Output]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CostKind {
    /// Tokens of the prompt that are none of the following.
    Input,
    /// Tokens of the prompt that came from a cache.
    CacheRead,
    /// Sound in the prompt that came from a cache.
    CacheReadAudio,
    /// Tokens of the prompt that were put into a cache.
    CacheWrite,
    /// Tokens of the prompt that were put into a cache for an hour.
    CacheWriteHour,
    /// Sound in the prompt.
    AudioInput,
    /// Images in the prompt.
    ImageInput,
    /// Tokens of the answer that are none of the following.
    Output,
    /// Reasoning, which is part of the answer.
    Reasoning,
    /// Sound in the answer.
    AudioOutput,
    /// Images in the answer.
    ImageOutput,
    /// Searches that the provider made for the answer.
    Search,
    /// A fee for each call.
    Request,
    /// All of the above: the provider said what it charged, and not for what.
    Reported,
}

impl CostKind {
    /// Every kind there is.
    pub const ALL: [Self; 14] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheReadAudio,
        Self::CacheWrite,
        Self::CacheWriteHour,
        Self::AudioInput,
        Self::ImageInput,
        Self::Output,
        Self::Reasoning,
        Self::AudioOutput,
        Self::ImageOutput,
        Self::Search,
        Self::Request,
        Self::Reported,
    ];
}

impl Cost {
    /// All parts together. A part of a micro-dollar counts as a whole one.
    pub fn total(&self) -> MicroUsd {
        micros(self.picos())
    }

    /// All parts together, exactly: in millionths of a micro-dollar.
    pub fn picos(&self) -> u64 {
        self.picos.iter().fold(0, |sum, picos| sum.saturating_add(*picos))
    }

    /// What was paid for, each rounded like the [`total`](Self::total).
    pub fn parts(&self) -> impl Iterator<Item = (CostKind, MicroUsd)> {
        let parts = CostKind::ALL.into_iter().zip(self.picos);
        parts.filter(|(_, picos)| *picos > 0).map(|(kind, picos)| (kind, micros(picos)))
    }

    /// What a provider says that it charged.
    fn reported(picos: u64) -> Self {
        let mut cost = Self::default();
        cost.add(CostKind::Reported, picos);
        cost
    }

    fn add(&mut self, kind: CostKind, picos: u64) {
        if let Some(sum) = self.picos.get_mut(kind as usize) {
            *sum = sum.saturating_add(picos);
        }
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entry(&"total", &self.total()).entries(self.parts()).finish()
    }
}

impl Usage {
    /// What the provider itself says that the call cost.
    ///
    /// `OpenRouter` says it in dollars (`cost`; of a call with a key of one's own that is its fee,
    /// to which the price of the provider behind it is added), `xAI` in `cost_in_usd_ticks`.
    pub fn reported_cost(&self) -> Option<Cost> {
        let number = |name: &str| self.extra.get(name);
        if let Some(ticks) = number("cost_in_usd_ticks").and_then(serde_json::Value::as_u64) {
            return Some(Cost::reported(ticks.saturating_mul(PICOS_PER_TICK)));
        }
        let mut dollars = number("cost")?.as_f64()?;
        if number("is_byok").and_then(serde_json::Value::as_bool) == Some(true) {
            dollars += number("cost_details")?.get("upstream_inference_cost")?.as_f64()?;
        }
        if !dollars.is_finite() || dollars < 0.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and a cast stops at the largest number"
        )]
        let picos = (dollars * PICOS_PER_DOLLAR).round() as u64;
        Some(Cost::reported(picos))
    }
}

impl Usage {
    /// The service tier that answered, where that is told beside the tokens.
    pub(crate) fn service_tier(&self) -> Option<&str> {
        let text = |name: &str| self.extra.get(name)?.as_str();
        text("speed")
            .filter(|speed| *speed == "fast")
            .or_else(|| text("service_tier"))
            .or_else(|| text("serviceTier"))
    }
}

fn micros(picos: u64) -> MicroUsd {
    MicroUsd::new(picos.div_ceil(PICOS_PER_MICRO))
}

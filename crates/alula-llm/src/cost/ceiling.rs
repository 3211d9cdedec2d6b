//! The most that a call may cost, before it is made.

use super::{
    MicroUsd, ModelSize, Prices, Terms,
    date::day_and_minute,
    micros,
    prices::{Own, STANDARD_TIERS},
    rates::{Percent, Tier},
};

/// How large a call may become: bounds, not estimates.
///
/// [`ChatRequest::size`](crate::ChatRequest::size) and its like say it of a request, and
/// [`Llm::cost_ceiling`](crate::Llm::cost_ceiling) what it may cost.
///
/// ```
/// use alula_llm::{ChatRequest, Media, Part};
///
/// let size = ChatRequest::new("gpt-4o").user("What is an alula?").max_tokens(100).size();
/// assert!(size.input.is_some_and(|tokens| tokens < 1_100));
/// assert_eq!(size.output, Some(100));
/// // How long is the document? As long as the model reads at most.
/// let report = Part::File(Media::url("https://example.com/report.pdf"));
/// assert_eq!(ChatRequest::new("gpt-4o").user_parts([report]).size().input, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSize {
    /// The tokens of the prompt but for its pictures; `None` for as many as the model reads.
    pub input: Option<u64>,
    /// The pictures in the prompt.
    pub images: u64,
    /// The longest answer, in tokens; `None` for as long as the model writes.
    pub output: Option<u64>,
    /// How many answers there are.
    pub answers: u64,
    /// Searches that the provider makes.
    pub searches: u64,
    /// The service tier that is asked for.
    pub tier: Option<String>,
}

impl Default for CallSize {
    /// As large as the model allows.
    fn default() -> Self {
        Self { input: None, images: 0, output: None, answers: 1, searches: 0, tier: None }
    }
}

impl CallSize {
    /// A call of so many tokens.
    pub fn of_tokens(input: u64, output: u64) -> Self {
        Self { input: Some(input), output: Some(output), ..Self::default() }
    }
}

impl Prices {
    /// The most that a call of this size may cost, in the dearest of the kinds that its tokens may
    /// turn out to be; `None` if the model has no price. `unknown` is how large a model is of
    /// which that is not known.
    ///
    /// ```
    /// use alula_llm::{CallSize, ModelSize, Prices};
    ///
    /// let unknown = ModelSize { input: 1_000_000, output: 100_000 };
    /// let prices = Prices::builtin();
    /// let most = |size| prices.ceiling("openai", "gpt-4o-mini", &size, unknown).map(|it| it.get());
    /// assert_eq!(most(CallSize::of_tokens(1_000, 100)), Some(210)); // $0.15 and $0.60 a million
    /// assert_eq!(most(CallSize::default()), Some(19_200 + 9_831)); // 128,000 and 16,384 tokens
    /// ```
    pub fn ceiling(
        &self,
        provider: &str,
        model: &str,
        size: &CallSize,
        unknown: ModelSize,
    ) -> Option<MicroUsd> {
        let (day, _) = day_and_minute(Terms::now().at);
        let (own, provider, model) = self.find(provider, model, day)?;
        let model_size = ModelSize::of(provider, model).unwrap_or(unknown);
        let images = size.images.saturating_mul(image_tokens(model));
        let input = size.input.map_or(model_size.input, |tokens| tokens.saturating_add(images));
        // Who asks for more than the model writes gets less, or is refused.
        let output = size.output.unwrap_or(model_size.output).saturating_mul(size.answers);
        Some(micros(own.ceiling(input, output, size)))
    }
}

impl Own {
    fn ceiling(&self, input: u64, output: u64, size: &CallSize) -> u64 {
        let peak =
            self.peak.as_ref().map_or(Percent::ALL, |peak| Percent::ALL.at_least(peak.percent));
        let standard = self.rates.ceiling(input, output, peak);
        let asked = size.tier.as_deref().unwrap_or_default();
        let is_standard = STANDARD_TIERS.iter().any(|name| name.eq_ignore_ascii_case(asked));
        // Another tier than the one that was asked for may answer.
        let tiers = self.tiers.iter().filter(|_| !is_standard).map(|(_, tier)| match tier {
            Tier::Percent(percent) => self.rates.ceiling(input, output, peak.times(*percent)),
            Tier::Rates(rates) => rates.ceiling(input, output, peak),
        });
        tiers.fold(standard, u64::max).saturating_add(self.rates.fees(size.searches))
    }
}

/// The most that a picture costs, as providers document it: OpenAI's eight tiles, which with its
/// smallest models count 5,667 each, and Google's tiles of 258 tokens.
fn image_tokens(model: &str) -> u64 {
    match model.contains("4o-mini") {
        true => 2_833 + 8 * 5_667,
        false => 64 * 258 + 258,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Usage;

    const UNKNOWN: ModelSize = ModelSize { input: 1_000_000, output: 100_000 };

    fn ceiling(provider: &str, model: &str, size: &CallSize) -> u64 {
        Prices::builtin().ceiling(provider, model, size, UNKNOWN).expect("it has a price").get()
    }

    #[test]
    fn no_usage_of_that_size_costs_more() {
        let size = CallSize::of_tokens(300_000, 10_000);
        for (provider, model) in [
            ("openai", "gpt-4o"),
            ("openai", "gpt-4o-audio-preview"),
            ("openai", "gpt-5.4"),
            ("anthropic", "claude-sonnet-4-5"),
            ("gemini", "gemini-2.5-pro"),
            ("groq", "llama-3.3-70b-versatile"),
        ] {
            let most = ceiling(provider, model, &size);
            for seed in 0..500 {
                let mut random = fastrand::Rng::with_seed(seed);
                let (input, output) = (random.u64(0..=300_000), random.u64(0..=10_000));
                let part =
                    |random: &mut fastrand::Rng, of: u64| random.bool().then(|| random.u64(0..=of));
                let usage = Usage {
                    input,
                    output,
                    cache_read: part(&mut random, input),
                    cache_write: part(&mut random, input),
                    cache_write_hour: part(&mut random, input),
                    audio_input: part(&mut random, input),
                    reasoning: part(&mut random, output),
                    audio_output: part(&mut random, output),
                    ..Usage::default()
                };
                let Some(cost) = Prices::builtin().cost(provider, model, &usage) else { continue };
                assert!(cost.total().get() <= most, "{provider}/{model}: {cost:?} over {most}");
            }
        }
    }

    #[test]
    fn what_is_dearer_is_counted() {
        let size = CallSize::of_tokens(1_000_000, 1_000_000);
        assert_eq!(ceiling("openai", "gpt-4o", &size), 12_500_000);
        let priority = CallSize { tier: Some("priority".to_owned()), ..size };
        assert_eq!(ceiling("openai", "gpt-4o", &priority), 21_250_000);
        let three = CallSize { answers: 3, ..CallSize::of_tokens(0, 1_000_000) };
        assert_eq!(ceiling("openai", "gpt-4o", &three), 30_000_000);
        let images = CallSize { images: 2, ..CallSize::of_tokens(0, 0) };
        assert!(ceiling("openai", "gpt-4o-mini", &images) >= 2 * 7_000);
    }

    #[test]
    fn a_model_of_unknown_size_is_as_large_as_one_assumes() {
        let prices = Prices::default();
        let prices = prices.with_toml(
            "[[provider]]\nname = \"gpu\"\nas_of = \"2026-11-01\"\nsource = \"x\"\n\
             prices = [{ models = [\"*\"], input = 1_000_000, output = 2_000_000 }]",
        );
        let most = prices.unwrap().ceiling("gpu", "ours", &CallSize::default(), UNKNOWN);
        assert_eq!(most.unwrap().get(), 1_200_000);
        assert!(Prices::builtin().ceiling("gpu", "ours", &CallSize::default(), UNKNOWN).is_none());
    }
}

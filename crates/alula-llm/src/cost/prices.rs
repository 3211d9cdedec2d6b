use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use super::{
    Cost,
    date::{Day, day_and_minute},
    rates::{Peak, Percent, Rates, Tier},
    read,
};
use crate::{Result, Usage};

/// The longest chain of rows that point at each other.
const LIKE_MAX: usize = 4;

/// What providers call the tier whose prices they publish first.
pub(super) const STANDARD_TIERS: [&str; 5] = ["", "default", "standard", "auto", "on_demand"];

static BUILTIN: LazyLock<Prices> = LazyLock::new(|| {
    // A test reads the file.
    Prices::from_toml(include_str!("prices.toml")).unwrap_or_default()
});

/// What providers charge for their models.
///
/// A provider is known by the name under which it is added; one with a name of its own has the
/// prices of another by `like`, also for all models: `{ models = ["*"], like = "openai/*" }`.
///
/// ```
/// use alula_llm::{Prices, Usage};
///
/// # fn main() -> alula_llm::Result<()> {
/// let prices = Prices::builtin();
/// let usage = Usage { input: 1_000, output: 100, ..Usage::default() };
/// let cost = prices.cost("openai", "gpt-4o-mini", &usage).expect("it has a price");
/// assert_eq!(cost.total().to_string(), "$0.000210");
///
/// // Servers of one's own have a price, or are free, only if somebody says so.
/// assert!(prices.cost("ollama", "llama3.2", &usage).is_none());
/// let prices = prices.with_toml(
///     r#"
///     [[provider]]
///     name = "ollama"
///     as_of = "2026-11-01"
///     source = "our own machine"
///     prices = [{ models = ["*"], free = true }]
///
///     [[provider]]
///     name = "azure"
///     as_of = "2026-11-01"
///     source = "our contract"
///     prices = [
///         { models = ["our-deployment"], like = "openai/gpt-4o" },
///         { models = ["embeddings"], input = 20_000 }, # $0.02 for a million tokens
///     ]
///     "#,
/// )?;
/// assert_eq!(prices.cost("ollama", "llama3.2", &usage).unwrap().picos(), 0);
/// assert_eq!(prices.cost("azure", "our-deployment", &usage).unwrap().total().get(), 3_500);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// The newest come first.
    layers: Vec<Arc<Layer>>,
}

/// How a call was made, as far as its price depends on it.
///
/// ```
/// use alula_llm::{Prices, Terms, Usage};
///
/// let prices = Prices::builtin();
/// let usage = Usage { input: 1_000, output: 100, ..Usage::default() };
/// let picos = |terms| prices.cost_on(terms, "openai", "gpt-5", &usage).map(|cost| cost.picos());
/// let standard = picos(Terms::now()).expect("it has a price");
/// assert_eq!(picos(Terms::now().tier("flex")), Some(standard / 2));
/// assert_eq!(picos(Terms::now().tier("unheard-of")), None);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    tier: Option<&'a str>,
    pub(super) at: SystemTime,
}

/// The prices of one file.
pub(super) type Layer = HashMap<Box<str>, Models>;

/// The models of a provider. Later changes of a price come last.
#[derive(Debug, Default)]
pub(super) struct Models {
    pub(super) exact: HashMap<Box<str>, Vec<Arc<Row>>>,
    pub(super) beginnings: BTreeMap<Box<str>, Vec<Arc<Row>>>,
}

/// The price of a model.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) since: Day,
    pub(super) price: Price,
}

#[derive(Debug)]
pub(super) enum Price {
    Own(Box<Own>),
    /// That of another provider's model; `None` for the model of the same name.
    Like {
        provider: Box<str>,
        model: Option<Box<str>>,
    },
}

#[derive(Debug)]
pub(super) struct Own {
    pub(super) rates: Rates,
    pub(super) tiers: Vec<(Box<str>, Tier)>,
    pub(super) peak: Option<Peak>,
}

impl Prices {
    /// The prices that come with this crate.
    ///
    /// They are of the standard tier and of one day, see `prices.toml` in the source. Those of
    /// `OpenRouter` are not among them, as it says with each answer what it charged.
    pub fn builtin() -> Self {
        BUILTIN.clone()
    }

    /// Reads prices; [`builtin`](Self::builtin) shows the format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which names the line, the row and the field.
    pub fn from_toml(text: &str) -> Result<Self> {
        Ok(Self { layers: vec![Arc::new(read::layer(text)?)] })
    }

    /// Adds prices that are used instead of those before. Models that they do not name keep
    /// theirs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which names the line, the row and the field.
    pub fn with_toml(mut self, text: &str) -> Result<Self> {
        self.layers.insert(0, Arc::new(read::layer(text)?));
        Ok(self)
    }

    /// The same with the prices in a list of a file that holds other things too.
    ///
    /// ```
    /// use alula_llm::Prices;
    ///
    /// let settings = r#"
    ///     listen = "0.0.0.0"
    ///
    ///     [[prices]]
    ///     name = "gpu"
    ///     as_of = "2026-11-01"
    ///     source = "our own machine"
    ///     prices = [{ models = ["*"], free = true }]
    /// "#;
    /// let prices = Prices::builtin().with_toml_list(settings, "prices")?;
    /// assert!(prices.cost("gpu", "llama", &Default::default()).is_some());
    /// # Ok::<(), alula_llm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which names the line, the row and the field.
    pub fn with_toml_list(mut self, text: &str, list: &str) -> Result<Self> {
        self.layers.insert(0, Arc::new(read::layer_in(text, list)?));
        Ok(self)
    }

    /// What a call in the standard tier cost that has just been answered; `None` if that is not
    /// known.
    ///
    /// What a provider charges beside its usage is not in it: searches that it does not count, the
    /// time that a cache is kept.
    pub fn cost(&self, provider: &str, model: &str, usage: &Usage) -> Option<Cost> {
        self.cost_on(Terms::now(), provider, model, usage)
    }

    /// What a call cost on these terms; `None` if that is not known.
    pub fn cost_on(
        &self,
        terms: Terms<'_>,
        provider: &str,
        model: &str,
        usage: &Usage,
    ) -> Option<Cost> {
        if let Some(reported) = usage.reported_cost() {
            return Some(reported);
        }
        let (day, minute) = day_and_minute(terms.at);
        let (Own { rates, tiers, peak }, ..) = self.find(provider, model, day)?;
        let (rates, percent) = match terms.tier {
            None => (rates, Percent::ALL),
            Some(tier) => match tiers.iter().find(|(name, _)| name.eq_ignore_ascii_case(tier))? {
                (_, Tier::Percent(percent)) => (rates, Percent::ALL.times(*percent)),
                (_, Tier::Rates(rates)) => (&**rates, Percent::ALL),
            },
        };
        let peak = peak.as_ref().filter(|peak| peak.is_at(day, minute));
        rates.cost(usage, peak.map_or(percent, |peak| percent.times(peak.percent)))
    }

    /// The price of a model, and whose it is.
    pub(super) fn find<'p>(
        &'p self,
        mut provider: &'p str,
        mut model: &'p str,
        day: Day,
    ) -> Option<(&'p Own, &'p str, &'p str)> {
        for _ in 0..=LIKE_MAX {
            let mut layers = self.layers.iter();
            let row = layers.find_map(|layer| layer.get(provider)?.row(model, day))?;
            match &row.price {
                Price::Own(own) => return Some((own, provider, model)),
                Price::Like { provider: other, model: its } => {
                    provider = other;
                    model = its.as_deref().unwrap_or(model);
                }
            }
        }
        None
    }
}

impl Models {
    /// The row that says most about a model.
    fn row(&self, model: &str, day: Day) -> Option<&Row> {
        let exact = self.exact.get(model);
        let exact = exact.or_else(|| self.exact.get(undated(model)?));
        let rows = exact.or_else(|| longest_beginning(&self.beginnings, model))?;
        rows.iter().rev().find(|row| row.since <= day).map(|row| &**row)
    }
}

impl Terms<'_> {
    /// The standard tier, now.
    pub fn now() -> Self {
        Self { tier: None, at: SystemTime::now() }
    }

    /// Sets when the call was made: some prices depend on the hour, and others will change.
    #[must_use]
    pub fn at(mut self, at: SystemTime) -> Self {
        self.at = at;
        self
    }
}

impl<'a> Terms<'a> {
    /// Sets the service tier that answered, in the provider's words: `flex`, `priority`, ….
    #[must_use]
    pub fn tier(self, tier: &'a str) -> Self {
        let is_standard = STANDARD_TIERS.iter().any(|name| name.eq_ignore_ascii_case(tier));
        Self { tier: (!is_standard).then_some(tier), ..self }
    }
}

/// The name without the date at its end.
pub(super) fn undated(model: &str) -> Option<&str> {
    let is_date = |date: &str, form: &str| {
        date.len() == form.len()
            && date.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    ["-0000-00-00", "-00000000", "@00000000"].into_iter().find_map(|form| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(form.len())?)?;
        (!name.is_empty() && is_date(date, form)).then_some(name)
    })
}

/// The value of the longest key that the name begins with.
pub(super) fn longest_beginning<'m, K: Borrow<str> + Ord, V>(
    map: &'m BTreeMap<K, V>,
    name: &str,
) -> Option<&'m V> {
    let mut bound = name;
    loop {
        let (key, value) =
            map.range::<str, _>((Bound::Unbounded, Bound::Included(bound))).next_back()?;
        let key: &str = key.borrow();
        if name.starts_with(key) {
            return Some(value);
        }
        // Whatever is shorter and still a beginning is also one of what both have in common.
        let common = key.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        bound = name.get(..name.floor_char_boundary(common))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_at_the_end_of_a_name_is_seen() {
        assert_eq!(undated("gpt-4o-2024-08-06"), Some("gpt-4o"));
        assert_eq!(undated("claude-sonnet-4-5-20250929"), Some("claude-sonnet-4-5"));
        assert_eq!(undated("claude-sonnet-4-5@20250929"), Some("claude-sonnet-4-5"));
        for name in ["gpt-4o", "mistral-2508", "-20250929", "a-2025092é", "", "gpt-4-0613"] {
            assert_eq!(undated(name), None, "{name}");
        }
    }

    #[test]
    fn the_longest_beginning_wins() {
        let names = ["", "a", "ab", "abc-", "abd", "b"];
        let map: BTreeMap<&str, &str> = names.into_iter().map(|name| (name, name)).collect();
        for (name, found) in [
            ("abc-1", "abc-"),
            ("abcd", "ab"),
            ("abx", "ab"),
            ("az", "a"),
            ("é", ""),
            ("bé", "b"),
            ("", ""),
        ] {
            assert_eq!(longest_beginning(&map, name), Some(&found), "{name}");
        }
        let none = BTreeMap::from([("b", ())]);
        assert_eq!(longest_beginning(&none, "a"), None);
        assert_eq!(longest_beginning(&none, "c"), None);
    }
}

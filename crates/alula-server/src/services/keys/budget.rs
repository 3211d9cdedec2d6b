//! How much money a key may spend.

use std::fmt;

use alula::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A billion dollars, which JSON and the database can tell from one micro-dollar more.
pub(crate) const MICRO_USD_MAX: u64 = 1_000_000_000_000_000;

/// A sum, and how long it has to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Millionths of a dollar.
    #[schemars(range(max = MICRO_USD_MAX))]
    pub(crate) micro_usd: u64,
    /// How long it has to last.
    pub(crate) period: Period,
}

/// How long a budget has to last. Days and months are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Period {
    Day,
    Month,
    /// For good.
    Total,
}

impl Period {
    const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// As it is kept.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The period of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == name)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_read_as_it_is_kept() {
        for period in Period::ALL {
            assert_eq!(Period::from_name(&period.to_string()), Some(period));
        }
        assert_eq!(Period::from_name("week"), None);
    }
}

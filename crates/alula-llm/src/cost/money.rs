use std::{fmt, iter::Sum, ops::Add};

/// Money, in millionths of a dollar.
///
/// ```
/// use alula_llm::MicroUsd;
///
/// assert_eq!(MicroUsd::new(1_234).to_string(), "$0.001234");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd(u64);

impl MicroUsd {
    /// So many millionths of a dollar.
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// The millionths of a dollar.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Stops at the largest amount.
impl Add for MicroUsd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for MicroUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Self::add)
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_in_dollars() {
        let shown = |micros| MicroUsd::new(micros).to_string();
        assert_eq!(shown(0), "$0.000000");
        assert_eq!(shown(1), "$0.000001");
        assert_eq!(shown(12_345_678), "$12.345678");
        assert_eq!(shown(u64::MAX), "$18446744073709.551615");
    }

    #[test]
    fn sums_do_not_overflow() {
        let amounts = [MicroUsd::new(u64::MAX), MicroUsd::new(1)];
        assert_eq!(amounts.into_iter().sum::<MicroUsd>(), MicroUsd::new(u64::MAX));
    }
}

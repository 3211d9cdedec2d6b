//! Numbers of every width, compared as JSON Schema compares them: by value.

use std::cmp::Ordering;

/// How far a float may lie from a multiple, relative to itself; pydantic's figure.
const TOLERANCE: f64 = 1e-9;

/// A number under check, or a bound.
///
/// Integers stay integers, so that nothing is rounded on the way to a comparison.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// An integer of any width.
    Integer(Integer),
    /// An `f32`. It is not widened: `0.1_f32` is more than `0.1_f64`, yet both are `0.1`.
    Single(f32),
    /// An `f64`.
    Double(f64),
}

/// Every integer from `i128::MIN` to `u128::MAX`; the derived order is their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Integer {
    /// Below zero.
    Negative(i128),
    /// Zero and above.
    NonNegative(u128),
}

/// A bound on a number, or on a count.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// At least this.
    Minimum(Number),
    /// At most this.
    Maximum(Number),
    /// More than this.
    ExclusiveMinimum(Number),
    /// Less than this.
    ExclusiveMaximum(Number),
}

impl Limit {
    /// Whether `number` keeps this bound; NaN keeps none.
    ///
    /// Always inlined, as is all it calls: the bound is a constant where it is written, and what
    /// is left of this is one comparison.
    #[inline(always)]
    pub(crate) fn admits(self, number: Number) -> bool {
        match self {
            Self::Minimum(bound) => number.compare(bound).is_some_and(Ordering::is_ge),
            Self::Maximum(bound) => number.compare(bound).is_some_and(Ordering::is_le),
            Self::ExclusiveMinimum(bound) => number.compare(bound).is_some_and(Ordering::is_gt),
            Self::ExclusiveMaximum(bound) => number.compare(bound).is_some_and(Ordering::is_lt),
        }
    }

    /// Whether a text of this length in characters keeps this bound.
    ///
    /// They are counted only if the bytes leave it open: a character takes one to four.
    #[inline]
    pub(crate) fn admits_characters(self, text: &str) -> bool {
        let fewest = self.admits(text.len().div_ceil(4).into());
        let most = self.admits(text.len().into());
        // A bound has one side: what holds at both ends holds between them.
        if fewest == most { most } else { self.admits(text.chars().count().into()) }
    }
}

impl Number {
    #[inline(always)]
    fn compare(self, bound: Self) -> Option<Ordering> {
        match (self, bound) {
            (Self::Integer(number), Self::Integer(bound)) => Some(number.cmp(&bound)),
            (Self::Integer(number), bound) => number.compare(bound.to_f64()),
            (number, Self::Integer(bound)) => bound.compare(number.to_f64()).map(Ordering::reverse),
            (Self::Single(number), Self::Single(bound)) => number.partial_cmp(&bound),
            (Self::Single(number), Self::Double(bound)) => number.partial_cmp(&to_f32(bound)),
            (Self::Double(number), bound) => number.partial_cmp(&bound.to_f64()),
        }
    }

    /// Whether this is a multiple of `step`, exactly so between integers and between whole floats.
    #[inline]
    pub(crate) fn is_multiple_of(self, step: Self) -> bool {
        if let (Self::Integer(number), Self::Integer(step)) = (self, step) {
            return number.magnitude().checked_rem(step.magnitude()) == Some(0);
        }
        let tolerance =
            if matches!(self, Self::Single(_)) { f32::EPSILON.into() } else { TOLERANCE };
        let (number, step) = (self.to_f64(), step.to_f64());
        // Not a number if `step` is zero, and so a multiple by none of the comparisons.
        let remainder = (number % step).abs();
        if number.fract() == 0.0 && step.fract() == 0.0 {
            return remainder == 0.0;
        }
        let slack = number.abs() * tolerance;
        remainder <= slack || step.abs() - remainder <= slack
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        match self {
            Self::Integer(Integer::Negative(number)) => number as f64,
            Self::Integer(Integer::NonNegative(number)) => number as f64,
            Self::Single(number) => number.into(),
            Self::Double(number) => number,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounds as reading it from JSON would")]
fn to_f32(number: f64) -> f32 {
    number as f32
}

impl Integer {
    fn magnitude(self) -> u128 {
        match self {
            Self::Negative(number) => number.unsigned_abs(),
            Self::NonNegative(number) => number,
        }
    }

    /// Compares without rounding: first the whole part, then the sign of the fraction.
    fn compare(self, bound: f64) -> Option<Ordering> {
        if bound.is_infinite() {
            return 0.0.partial_cmp(&bound);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the whole part is wanted")]
        let whole = if bound < 0.0 && bound.trunc() != 0.0 {
            Self::Negative(bound as i128)
        } else {
            Self::NonNegative(bound as u128)
        };
        0.0.partial_cmp(&bound.fract()).map(|fraction| self.cmp(&whole).then(fraction))
    }
}

impl From<i128> for Number {
    #[inline]
    fn from(number: i128) -> Self {
        Self::Integer(match u128::try_from(number) {
            Ok(number) => Integer::NonNegative(number),
            Err(_) => Integer::Negative(number),
        })
    }
}

impl From<u128> for Number {
    #[inline]
    fn from(number: u128) -> Self {
        Self::Integer(Integer::NonNegative(number))
    }
}

impl From<isize> for Number {
    #[inline]
    fn from(number: isize) -> Self {
        (number as i128).into()
    }
}

impl From<usize> for Number {
    #[inline]
    fn from(number: usize) -> Self {
        (number as u128).into()
    }
}

macro_rules! from_integers {
    ($($narrow:ty),* => $wide:ty) => {$(
        impl From<$narrow> for Number {
            #[inline]
            fn from(number: $narrow) -> Self {
                <$wide>::from(number).into()
            }
        }
    )*};
}

from_integers!(i8, i16, i32, i64 => i128);
from_integers!(u8, u16, u32, u64 => u128);

impl From<f32> for Number {
    #[inline]
    fn from(number: f32) -> Self {
        Self::Single(number)
    }
}

impl From<f64> for Number {
    #[inline]
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        if let Some(number) = number.as_u64() {
            number.into()
        } else if let Some(number) = number.as_i64() {
            number.into()
        } else {
            Self::Double(number.as_f64().unwrap_or(f64::NAN))
        }
    }
}

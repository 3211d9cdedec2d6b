//! Random choices that a seed makes again.

/// `SplitMix64`: small, fast, and good enough to choose with.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The choices of one request.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `below`, without `below`; 0 if that is 0.
    pub(super) fn below(&mut self, below: usize) -> usize {
        match below {
            0 => 0,
            _ => usize::try_from(self.next() % below as u64).unwrap(),
        }
    }

    /// A number from `low` to `high`, with both.
    pub(super) fn between(&mut self, low: i128, high: i128) -> i128 {
        let span = u128::try_from(high - low + 1).unwrap();
        low + i128::try_from(u128::from(self.next()) % span).unwrap()
    }

    /// Whether one of `in_` cases is this one.
    pub(super) fn one_in(&mut self, in_: usize) -> bool {
        self.below(in_) == 0
    }

    pub(super) fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(super) fn bytes(&mut self, length_max: usize) -> Vec<u8> {
        let length = self.below(length_max + 1);
        (0..length).map(|_| self.byte()).collect()
    }
}

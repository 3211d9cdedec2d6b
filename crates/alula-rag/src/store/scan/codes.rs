//! Vectors as bytes.

use crate::store::StoreError;

/// The bytes of a number of the scale.
const SCALE: usize = 4;
/// How large the numbers of a probe are at most, so that the sum of so many products fits.
const PROBE_MAX: [(usize, f32); 3] = [(1024, 8191.0), (4096, 2047.0), (8192, 1023.0)];

/// Vectors of one length, each number as a byte, with a scale for each vector.
///
/// First come the scales, and then the numbers of one vector after the other.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    bytes: Vec<u8>,
    dimensions: usize,
    count: usize,
}

impl Codes {
    /// Reads what [`encode`] has written.
    pub(crate) fn new(bytes: Vec<u8>, dimensions: usize, count: usize) -> Result<Self, StoreError> {
        let expected = dimensions.checked_add(SCALE).and_then(|it| it.checked_mul(count));
        if dimensions == 0 || expected != Some(bytes.len()) {
            return Err(StoreError::Malformed("a segment of vectors"));
        }
        Ok(Self { bytes, dimensions, count })
    }

    /// How much memory they take.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }

    /// How near each is to the probe, in their order.
    pub(crate) fn near(&self, probe: &Probe) -> impl Iterator<Item = f32> {
        let (scales, numbers) = self.bytes.split_at(self.count * SCALE);
        let scales = scales.as_chunks::<SCALE>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let vectors = numbers.chunks_exact(self.dimensions);
        scales
            .zip(vectors)
            .map(|(scale, vector)| product(vector, &probe.numbers) * scale * probe.scale)
    }
}

/// A vector that others are compared to.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    numbers: Vec<i16>,
    scale: f32,
}

impl Probe {
    pub(crate) fn new(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
        let most = PROBE_MAX.iter().find(|(length, _)| vector.len() <= *length);
        let most = most.map_or(511.0, |(_, most)| *most);
        let scale = if largest > 0.0 { largest / most } else { 1.0 };
        Self { numbers: vector.iter().map(|it| rounded(it / scale)).collect(), scale }
    }
}

/// The sum of the products of bytes and numbers.
///
/// Written so that compilers make it of instructions that multiply eight at once.
fn product(bytes: &[u8], numbers: &[i16]) -> f32 {
    const AT_ONCE: usize = 32;
    let (bytes, bytes_rest) = bytes.as_chunks::<AT_ONCE>();
    let (numbers, numbers_rest) = numbers.as_chunks::<AT_ONCE>();
    let mut sum = 0_i32;
    for (bytes, numbers) in bytes.iter().zip(numbers) {
        sum += dot(bytes, numbers);
    }
    sum += dot(bytes_rest, numbers_rest);
    #[expect(clippy::cast_precision_loss, reason = "it is rounded already")]
    let sum = sum as f32;
    sum
}

#[inline(always)]
fn dot(bytes: &[u8], numbers: &[i16]) -> i32 {
    let products = bytes.iter().zip(numbers);
    products
        .map(|(byte, number)| i32::from(i16::from(byte.cast_signed())) * i32::from(*number))
        .sum()
}

/// A number without what is behind its point. It is small.
#[expect(clippy::cast_possible_truncation, reason = "no scale lets it be larger")]
fn rounded(number: f32) -> i16 {
    number.round() as i16
}

/// Vectors of length one as bytes, for [`Codes`].
pub(crate) fn encode(vectors: &[&[f32]]) -> Vec<u8> {
    const MOST: f32 = 127.0;
    let scale = |vector: &[f32]| {
        let largest = vector.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
        if largest > 0.0 { largest / MOST } else { 1.0 }
    };
    let scales = vectors.iter().flat_map(|vector| scale(vector).to_le_bytes());
    let numbers = vectors.iter().flat_map(|vector| {
        let scale = scale(vector);
        vector.iter().map(move |it| {
            let number = rounded(it / scale).clamp(-127, 127);
            i8::try_from(number).unwrap_or_default().cast_unsigned()
        })
    });
    scales.chain(numbers).collect()
}

/// A vector of the same direction and length one. Nothing if it has no direction.
pub(crate) fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = length(vector);
    #[expect(clippy::cast_possible_truncation, reason = "it is rounded")]
    let scaled = |it: &f32| (f64::from(*it) / length) as f32;
    (length.is_finite() && length > 0.0).then(|| vector.iter().map(scaled).collect())
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|it| f64::from(*it) * f64::from(*it)).sum::<f64>().sqrt()
}

/// A vector that is written as it is.
pub(crate) fn decode(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64, length: usize) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        let vector: Vec<f32> = (0..length).map(|_| random.f32() - 0.5).collect();
        unit(&vector).unwrap()
    }

    #[test]
    fn bytes_tell_almost_the_same() {
        for length in [1, 7, 31, 32, 384, 1536, 8192] {
            let vectors: Vec<_> = (0..20).map(|seed| random(seed, length)).collect();
            let slices: Vec<_> = vectors.iter().map(Vec::as_slice).collect();
            let bytes = encode(&slices);
            let codes = Codes::new(bytes, length, vectors.len()).unwrap();
            let probe = random(99, length);
            for (vector, near) in vectors.iter().zip(codes.near(&Probe::new(&probe))) {
                let exact: f32 = vector.iter().zip(&probe).map(|(a, b)| a * b).sum();
                assert!((near - exact).abs() < 0.01, "{length}: {near} and {exact}");
            }
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        for length in [1024, 4096, 8192] {
            let vector = unit(&vec![1.0; length]).unwrap();
            let codes = Codes::new(encode(&[&vector]), length, 1).unwrap();
            let near: Vec<f32> = codes.near(&Probe::new(&vector)).collect();
            assert!((near[0] - 1.0).abs() < 1e-3, "{length}: {near:?}");
        }
    }

    #[test]
    fn what_is_no_segment_is_refused() {
        assert!(Codes::new(vec![0; 11], 8, 1).is_err());
        assert!(Codes::new(vec![0; 8], 0, 2).is_err());
        assert_eq!(unit(&[0.0, 0.0]), None);
        assert_eq!(unit(&[f32::NAN]), None);
    }
}

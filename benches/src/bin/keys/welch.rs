//! Welch's t-test: how surely two samples come from different means.

/// The size, the mean and the sum of the squared distances from it, by Welford's method.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        values.into_iter().fold(Self::default(), |sample, value| {
            let count = sample.count + 1.0;
            let distance = value - sample.mean;
            let mean = sample.mean + distance / count;
            Self { count, mean, squares: sample.squares + distance * (value - mean) }
        })
    }
}

impl Sample {
    /// The variance of the mean.
    fn error(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// The distance of the means in standard errors; zero where nothing varies.
pub(crate) fn t(one: Sample, two: Sample) -> f64 {
    let error = (one.error() + two.error()).sqrt();
    let distance = one.mean - two.mean;
    if distance == 0.0 { 0.0 } else { distance / error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_is_that_of_other_programs() {
        let one = Sample::from_iter([27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6]);
        let two = Sample::from_iter([27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2]);
        assert!((t(one, two) + 2.035_661_877_068_064).abs() < 1e-12, "{}", t(one, two));
        assert_eq!(t(one, one), 0.0);
    }
}

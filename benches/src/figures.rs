//! Medians and percentiles, and how figures are shown and kept.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// A figure with some decimals, or a dash if it is unknown.
///
/// ```
/// use alula_benches::figures::Figure;
///
/// assert_eq!(format!("{:>6}|{:>3}", Figure(Some(1.25), 1), Figure(None, 1)), "   1.2|  -");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Figure(pub Option<f64>, pub usize);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(value), decimals) => f.pad(&format!("{value:.decimals$}")),
            Self(None, _) => f.pad("-"),
        }
    }
}

/// Writes figures as JSON, and makes the folder.
///
/// # Errors
///
/// If the file cannot be written.
pub fn save(figures: &impl Serialize, file: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(figures)? + "\n";
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, text))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The value below which a share of all values lies; zero without values.
///
/// ```
/// assert_eq!(alula_benches::figures::percentile(&mut [4.0, 1.0, 2.0, 3.0, 5.0], 0.5), 3.0);
/// ```
#[must_use]
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the rank of a value among far fewer than 2^52"
    )]
    let rank = (share.clamp(0.0, 1.0) * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(rank).copied().unwrap_or_default()
}

/// The middle value.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(&mut values.into_iter().collect::<Vec<_>>(), 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.0), 0.0);
        assert_eq!(percentile(&mut values, 0.99), 99.0);
        assert_eq!(percentile(&mut values, 1.0), 100.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
        assert_eq!(median([9.0, 1.0, 5.0]), 5.0);
    }
}

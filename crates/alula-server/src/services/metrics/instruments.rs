//! The numbers themselves.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A number that only grows. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Arc<AtomicI64>);

impl Gauge {
    pub(crate) fn add(&self, more: i64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// For what is counted elsewhere.
    #[cfg_attr(not(test), expect(dead_code, reason = "for queues, which come next"))]
    pub(crate) fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How long things took, in buckets. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    /// The upper ends, in seconds, in order.
    bounds: &'static [f64],
    /// One for each bound, and one for what is beyond.
    counts: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let counts = std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect();
        Self(Arc::new(Buckets { bounds, counts, sum_nanos: AtomicU64::default() }))
    }

    pub(crate) fn observe(&self, took: Duration) {
        let Buckets { bounds, counts, sum_nanos } = &*self.0;
        let seconds = took.as_secs_f64();
        let bucket = bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len());
        if let Some(count) = counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        sum_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Writes the samples of this histogram.
    pub(super) fn write(&self, text: &mut String, name: &str, labels: &str) {
        let Buckets { bounds, counts, sum_nanos } = &*self.0;
        let comma = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        // As OpenMetrics has it: `1.0`, and not `1`.
        let ends = bounds.iter().map(|bound| format!("{bound:?}"));
        for (end, more) in ends.chain(["+Inf".to_owned()]).zip(counts) {
            count += more.load(Relaxed);
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{end}\"}} {count}");
        }
        let sum = Duration::from_nanos(sum_nanos.load(Relaxed)).as_secs_f64();
        let braced = braced(labels);
        let _ = writeln!(text, "{name}_sum{braced} {sum}\n{name}_count{braced} {count}");
    }
}

/// Labels as they stand behind a name.
pub(super) fn braced(labels: &str) -> String {
    match labels {
        "" => String::new(),
        labels => format!("{{{labels}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [50, 100, 500, 5_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let mut text = String::new();
        histogram.write(&mut text, "h", "a=\"b\"");
        let expected = "h_bucket{a=\"b\",le=\"0.1\"} 2\n\
                        h_bucket{a=\"b\",le=\"1.0\"} 3\n\
                        h_bucket{a=\"b\",le=\"+Inf\"} 4\n\
                        h_sum{a=\"b\"} 5.65\n\
                        h_count{a=\"b\"} 4\n";
        assert_eq!(text, expected);
    }
}

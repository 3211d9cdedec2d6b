//! All instruments of the process, by name.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use super::instruments::{Counter, Gauge, Histogram, braced};

/// The registry of this process.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::default);
    &REGISTRY
}

/// All instruments. Its lock is taken to add one and to read them all, never to count.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

/// What is measured under one name.
#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: Kind,
    /// By their labels, as they are written.
    series: BTreeMap<String, Instrument>,
    /// What else there is, found when it is asked for.
    found: Vec<Find>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Clone)]
enum Instrument {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// A number that is found when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    labels: String,
    value: f64,
}

impl Sample {
    pub(crate) fn new(labels: &[(&str, &str)], value: f64) -> Self {
        Self { labels: written(labels), value }
    }
}

struct Find(Box<dyn Fn() -> Vec<Sample> + Send + Sync>);

impl std::fmt::Debug for Find {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Find")
    }
}

impl Registry {
    /// The counter of this name and these labels, which is made the first time. Its name ends in
    /// `_total`.
    pub(crate) fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
    ) -> Counter {
        let make = || Instrument::Counter(Counter::default());
        match self.instrument(name, help, Kind::Counter, labels, make) {
            Some(Instrument::Counter(counter)) => counter,
            _ => Counter::default(),
        }
    }

    /// The gauge of this name and these labels, which is made the first time.
    pub(crate) fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
    ) -> Gauge {
        let make = || Instrument::Gauge(Gauge::default());
        match self.instrument(name, help, Kind::Gauge, labels, make) {
            Some(Instrument::Gauge(gauge)) => gauge,
            _ => Gauge::default(),
        }
    }

    /// The histogram of this name and these labels, which is made the first time. Its name ends in
    /// `_seconds`, and so do the bounds of its buckets.
    pub(crate) fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
        labels: &[(&str, &str)],
    ) -> Histogram {
        let make = || Instrument::Histogram(Histogram::new(bounds));
        match self.instrument(name, help, Kind::Histogram, labels, make) {
            Some(Instrument::Histogram(histogram)) => histogram,
            _ => Histogram::new(bounds),
        }
    }

    /// Numbers that are found when they are asked for. To find them must be quick.
    pub(crate) fn find(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        find: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    ) {
        let mut families = self.lock();
        family(&mut families, name, help, kind).found.push(Find(Box::new(find)));
    }

    /// Nothing for a name that is used for something else: then the number is counted and not
    /// shown, which is better than to stop.
    fn instrument(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &[(&str, &str)],
        make: impl FnOnce() -> Instrument,
    ) -> Option<Instrument> {
        let mut families = self.lock();
        let family = family(&mut families, name, help, kind);
        debug_assert_eq!(family.kind, kind, "{name} is something else");
        let is_its_own = family.kind == kind;
        is_its_own.then(|| family.series.entry(written(labels)).or_insert_with(make).clone())
    }

    /// Everything in the [text format](https://prometheus.io/docs/instrumenting/exposition_formats/)
    /// of Prometheus, version 0.0.4. One of several workers puts its number at each series, as the
    /// others count for themselves.
    pub(crate) fn render(&self, worker: Option<usize>) -> String {
        let common = worker.map(|worker| format!("worker=\"{worker}\"")).unwrap_or_default();
        let families = self.lock();
        let mut text = String::with_capacity(16 * 1024);
        for (name, family) in &*families {
            family.write(&mut text, name, &common);
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn family<'a>(
    families: &'a mut BTreeMap<&'static str, Family>,
    name: &'static str,
    help: &'static str,
    kind: Kind,
) -> &'a mut Family {
    let new = || Family { help, kind, series: BTreeMap::new(), found: Vec::new() };
    families.entry(name).or_insert_with(new)
}

impl Family {
    /// Writes all samples, with the labels that they have in `common` with all others.
    fn write(&self, text: &mut String, name: &str, common: &str) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", self.help);
        for (labels, instrument) in &self.series {
            let labels = &joined(common, labels);
            let _ = match instrument {
                Instrument::Counter(it) => writeln!(text, "{name}{} {}", braced(labels), it.get()),
                Instrument::Gauge(it) => writeln!(text, "{name}{} {}", braced(labels), it.get()),
                Instrument::Histogram(it) => {
                    it.write(text, name, labels);
                    Ok(())
                }
            };
        }
        for Sample { labels, value } in self.found.iter().flat_map(|find| (find.0)()) {
            let _ = writeln!(text, "{name}{} {value}", braced(&joined(common, &labels)));
        }
    }
}

/// Labels behind those before them.
fn joined<'a>(common: &str, labels: &'a str) -> Cow<'a, str> {
    match (common, labels) {
        ("", labels) => labels.into(),
        (common, "") => common.to_owned().into(),
        (common, labels) => format!("{common},{labels}").into(),
    }
}

/// Labels as the text format has them.
fn written(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_labels_are_one_number() {
        let registry = Registry::default();
        let refused = |kind| registry.counter("refused_total", "Refused.", &[("kind", kind)]);
        refused("rate").add(2);
        refused("rate").add(1);
        refused("a \"quoted\" \\ word").add(1);
        registry.gauge("queue", "Waiting.", &[]).set(-7);
        registry.find("open", "Open.", Kind::Gauge, || vec![Sample::new(&[("of", "x")], 0.5)]);
        let expected = "# HELP open Open.\n# TYPE open gauge\nopen{of=\"x\"} 0.5\n\
                        # HELP queue Waiting.\n# TYPE queue gauge\nqueue -7\n\
                        # HELP refused_total Refused.\n# TYPE refused_total counter\n\
                        refused_total{kind=\"a \\\"quoted\\\" \\\\ word\"} 1\n\
                        refused_total{kind=\"rate\"} 3\n";
        assert_eq!(registry.render(None), expected);
        let of_worker = registry.render(Some(2));
        assert!(of_worker.contains("\nopen{worker=\"2\",of=\"x\"} 0.5\n"), "{of_worker}");
        assert!(of_worker.contains("\nqueue{worker=\"2\"} -7\n"), "{of_worker}");
    }
}

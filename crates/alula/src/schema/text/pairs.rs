//! Pairs of name and text, grouped by name.

use std::borrow::Cow;

type Pair<'p> = (Cow<'p, str>, Cow<'p, str>);

/// Pairs with the positions of equal names next to each other.
#[derive(Debug)]
pub(super) struct Runs<'p> {
    pairs: &'p [Pair<'p>],
    /// Sorted by name, then by arrival.
    sorted: Vec<usize>,
    /// Whether the first value of a repeated name counts, not the last.
    first_counts: bool,
}

/// All values of one name, in order of arrival; at least one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'r> {
    pairs: &'r [Pair<'r>],
    positions: &'r [usize],
    first_counts: bool,
}

impl<'p> Runs<'p> {
    pub(super) fn new(pairs: &'p [Pair<'p>], first_counts: bool) -> Self {
        let mut sorted: Vec<usize> = (0..pairs.len()).collect();
        // Stable, so that values keep their order.
        sorted.sort_by_key(|at| name(pairs, *at));
        Self { pairs, sorted, first_counts }
    }

    /// Every name once, sorted.
    pub(super) fn iter(&self) -> impl Iterator<Item = Run<'_>> {
        self.sorted
            .chunk_by(|one, other| name(self.pairs, *one) == name(self.pairs, *other))
            .map(|positions| self.run(positions))
    }

    /// Every name once, in the order in which clients wrote them.
    pub(super) fn in_order_of_arrival(&self) -> Vec<Run<'_>> {
        let mut runs: Vec<Run<'_>> = self.iter().collect();
        runs.sort_by_key(|run| run.positions.first().copied());
        runs
    }

    pub(super) fn get(&self, wanted: &str) -> Option<Run<'_>> {
        let start = self.sorted.partition_point(|at| name(self.pairs, *at) < wanted);
        let from_start = self.sorted.get(start..)?;
        let len = from_start.partition_point(|at| name(self.pairs, *at) == wanted);
        let positions = from_start.get(..len).filter(|positions| !positions.is_empty())?;
        Some(self.run(positions))
    }

    fn run<'r>(&'r self, positions: &'r [usize]) -> Run<'r> {
        Run { pairs: self.pairs, positions, first_counts: self.first_counts }
    }
}

impl<'r> Run<'r> {
    pub(super) fn name(&self) -> &'r str {
        self.positions.first().map_or("", |at| name(self.pairs, *at))
    }

    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    /// The value that counts where one is expected.
    pub(super) fn one(&self) -> &'r str {
        let mut texts = self.texts();
        if self.first_counts { texts.next() } else { texts.next_back() }.unwrap_or_default()
    }

    pub(super) fn texts(&self) -> impl DoubleEndedIterator<Item = &'r str> + use<'r> {
        let pairs = self.pairs;
        self.positions.iter().filter_map(|at| pairs.get(*at)).map(|(_, text)| &**text)
    }
}

fn name<'r>(pairs: &'r [Pair<'_>], at: usize) -> &'r str {
    pairs.get(at).map_or("", |(name, _)| name)
}

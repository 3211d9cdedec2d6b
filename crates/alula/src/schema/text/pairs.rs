//! Pairs of name and text, grouped by name.

use std::borrow::Cow;

use super::files::Files;

type Pair<'p> = (Cow<'p, str>, Cow<'p, str>);

/// Pairs with the positions of equal names next to each other.
#[derive(Debug)]
pub(super) struct Runs<'p> {
    pairs: &'p [Pair<'p>],
    files: &'p dyn Files,
    /// Sorted by name, then by arrival.
    sorted: Vec<usize>,
    /// Whether the first value of a repeated name counts, not the last.
    first_counts: bool,
}

/// All values of one name, in order of arrival; at least one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'r> {
    pairs: &'r [Pair<'r>],
    files: &'r dyn Files,
    positions: &'r [usize],
    first_counts: bool,
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'r> {
    Text(&'r str),
    /// The file at this position.
    File(usize),
}

impl<'p> Runs<'p> {
    pub(super) fn new(pairs: &'p [Pair<'p>], files: &'p dyn Files, first_counts: bool) -> Self {
        let mut sorted: Vec<usize> = (0..pairs.len()).collect();
        // Stable, so that values keep their order.
        sorted.sort_by_key(|at| name(pairs, *at));
        Self { pairs, files, sorted, first_counts }
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
        Run { pairs: self.pairs, files: self.files, positions, first_counts: self.first_counts }
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
    pub(super) fn one(&self) -> Given<'r> {
        let mut positions = self.positions.iter();
        let at = if self.first_counts { positions.next() } else { positions.next_back() };
        at.map_or(Given::Text(""), |at| self.given(*at))
    }

    /// The values of a list, for which a file that was not chosen is none.
    pub(super) fn items(self) -> impl Iterator<Item = Given<'r>> + use<'r> {
        let chosen = move |at: &&usize| !self.files.is_blank(**at);
        self.positions.iter().filter(chosen).map(move |at| self.given(*at))
    }

    /// Whether the one value is what a browser sends for an input that was left alone.
    pub(super) fn is_blank(&self) -> bool {
        match self.one() {
            Given::Text(text) => text.is_empty(),
            Given::File(at) => self.files.is_blank(at),
        }
    }

    pub(super) fn files(&self) -> &'r dyn Files {
        self.files
    }

    fn given(&self, at: usize) -> Given<'r> {
        match self.files.is_file(at) {
            true => Given::File(at),
            false => Given::Text(self.pairs.get(at).map_or("", |(_, text)| text)),
        }
    }
}

fn name<'r>(pairs: &'r [Pair<'_>], at: usize) -> &'r str {
    pairs.get(at).map_or("", |(name, _)| name)
}

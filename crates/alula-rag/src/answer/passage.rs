//! What of the hits of a search a model gets to read.

use alula_llm::estimate_tokens;

use crate::{ChunkId, Span, search::Hit};

/// A part of a document that a model reads, and can cite by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passage {
    /// Its number; the first is 1.
    pub number: u32,
    /// Which document it is of.
    pub document: String,
    /// What the file of that is called.
    pub filename: String,
    /// The chunks it is made of, in their order.
    pub chunks: Vec<ChunkId>,
    /// On which page it begins, of a document that has pages.
    pub page: Option<u32>,
    /// Where it stands in the extracted text.
    pub span: Span,
    /// Under which headings it begins.
    pub headings: Vec<String>,
    /// What it says.
    pub text: String,
    /// About how many tokens it has.
    pub tokens: u32,
}

/// What of the hits becomes passages.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageLimits {
    /// How many tokens all passages have together, at most, with the names of their files and their
    /// headings.
    pub tokens_max: u32,
    /// How many chunks they are made of, at most.
    pub chunks_max: usize,
    /// A hit fits if its words tell so much of those of the question...
    pub coverage_min: f32,
    /// ...or if it is as near as this by its vector. Models differ in that.
    pub similarity_min: f32,
}

impl Default for PassageLimits {
    fn default() -> Self {
        Self { tokens_max: 4_000, chunks_max: 12, coverage_min: 0.25, similarity_min: 0.3 }
    }
}

/// How many characters a model reads of the name of a file, and of headings.
const FILENAME_MAX: usize = 128;
const HEADINGS_MAX: usize = 256;
/// About how many tokens stand around a passage besides: its marks, number and page.
const MARKS_TOKENS: u32 = 40;

/// What a model reads of where a passage is from.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) filename: String,
    pub(super) headings: String,
}

impl Head {
    pub(super) fn of(filename: &str, headings: &[String]) -> Self {
        let cut = |text: &str, max| text.chars().take(max).collect();
        let headings = headings.join(" > ");
        Self { filename: cut(filename, FILENAME_MAX), headings: cut(&headings, HEADINGS_MAX) }
    }

    fn tokens(&self) -> u32 {
        let tokens = estimate_tokens(&self.filename) + estimate_tokens(&self.headings);
        u32::try_from(tokens).unwrap_or(u32::MAX).saturating_add(MARKS_TOKENS)
    }
}

/// How many tokens a hit takes besides what it says, if it is a passage of its own.
fn around(hit: &Hit) -> u32 {
    Head::of(&hit.filename, &hit.chunk.headings).tokens()
}

/// Passages of hits that fit, the best first. Chunks that follow each other are one passage.
///
/// A hit that has no room any more is left out, and so are those behind it. The best one is cut, if
/// it alone is too long.
pub fn passages(hits: &[Hit], limits: &PassageLimits) -> Vec<Passage> {
    let mut tokens = 0_u32;
    let mut fitting =
        hits.iter().filter(|hit| fits(hit, limits)).take(limits.chunks_max).peekable();
    let best = fitting.peek().and_then(|hit| {
        let tokens_max = limits.tokens_max.saturating_sub(around(hit));
        (hit.chunk.tokens > tokens_max).then(|| beginning(hit, tokens_max))?
    });
    let read: Vec<&Hit> = match &best {
        Some(hit) => vec![hit],
        None => fitting
            .take_while(|hit| {
                tokens = tokens.saturating_add(hit.chunk.tokens).saturating_add(around(hit));
                tokens <= limits.tokens_max
            })
            .collect(),
    };
    let mut groups: Vec<Vec<&Hit>> = Vec::new();
    for hit in read {
        // One chunk may join two groups that were not next to each other before.
        let (near, mut rest): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|it| is_next(it, hit)));
        let place = near.first().and_then(|first| rest_place(&rest, first, hits));
        let mut group: Vec<&Hit> = near.into_iter().flatten().chain([hit]).collect();
        group.sort_unstable_by_key(|it| it.chunk.ordinal);
        rest.insert(place.unwrap_or(rest.len()), group);
        groups = rest;
    }
    (1..).zip(&groups).map(|(number, group)| joined(number, group)).collect()
}

/// A hit with as much of its chunk as has so many tokens, if that is anything.
fn beginning(hit: &Hit, tokens_max: u32) -> Option<Hit> {
    let mut hit = hit.clone();
    let chunk = &mut hit.chunk;
    while chunk.tokens > tokens_max {
        // Tokens are not spread evenly, so it may take more than one cut; each leaves less.
        let kept = chunk.text.len() as u64 * u64::from(tokens_max) / u64::from(chunk.tokens);
        let kept = usize::try_from(kept).unwrap_or(0).min(chunk.text.len() * 9 / 10);
        let kept = chunk.text.get(..chunk.text.floor_char_boundary(kept)).unwrap_or_default();
        let words = kept.rfind(char::is_whitespace).and_then(|end| kept.get(..end));
        let kept = words.map_or(kept, str::trim_end);
        if kept.is_empty() {
            return None;
        }
        chunk.tokens = u32::try_from(estimate_tokens(kept)).unwrap_or(u32::MAX);
        chunk.span.end = chunk.span.start + kept.chars().count();
        chunk.text = kept.to_owned();
    }
    Some(hit)
}

fn fits(hit: &Hit, limits: &PassageLimits) -> bool {
    hit.coverage.is_some_and(|it| it >= limits.coverage_min)
        || hit.similarity.is_some_and(|it| it >= limits.similarity_min)
}

fn is_next(a: &Hit, b: &Hit) -> bool {
    a.document == b.document && a.chunk.ordinal.abs_diff(b.chunk.ordinal) <= 1
}

/// Where a group was before it was taken out: behind those with a better hit.
fn rest_place(rest: &[Vec<&Hit>], group: &[&Hit], hits: &[Hit]) -> Option<usize> {
    let best =
        |group: &[&Hit]| hits.iter().position(|hit| group.iter().any(|it| it.key == hit.key));
    let place = best(group);
    Some(rest.iter().filter(|it| best(it) < place).count())
}

/// One passage of chunks that follow each other. What two have in common is there once.
fn joined(number: u32, group: &[&Hit]) -> Passage {
    let mut passage = Passage {
        number,
        document: String::new(),
        filename: String::new(),
        chunks: Vec::new(),
        page: None,
        span: Span { start: 0, end: 0 },
        headings: Vec::new(),
        text: String::new(),
        tokens: 0,
    };
    for hit in group {
        let chunk = &hit.chunk;
        if passage.chunks.is_empty() {
            passage.document.clone_from(&hit.document);
            passage.filename.clone_from(&hit.filename);
            passage.page = chunk.page;
            passage.span = chunk.span;
            passage.headings.clone_from(&chunk.headings);
            passage.text.clone_from(&chunk.text);
        } else {
            if chunk.span.start > passage.span.end {
                passage.text.push('\n');
            }
            let common = passage.span.end.saturating_sub(chunk.span.start);
            passage.text.extend(chunk.text.chars().skip(common));
            passage.span.end = passage.span.end.max(chunk.span.end);
        }
        passage.chunks.push(hit.id.clone());
        passage.tokens = passage.tokens.saturating_add(chunk.tokens);
    }
    passage
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{Attributes, Chunk, ChunkKey, Scope};

    /// A hit with this text at this place of a document, that fits.
    pub(in crate::answer) fn hit(document: &str, ordinal: u32, start: usize, text: &str) -> Hit {
        let span = Span { start, end: start + text.chars().count() };
        let (text, headings) = (text.to_owned(), Vec::new());
        Hit {
            id: ChunkId::of(Scope::new("t", "c").entry(document), "v", ordinal),
            key: ChunkKey(i64::from(ordinal)),
            document: document.to_owned(),
            filename: format!("{document}.md"),
            attributes: Attributes::default(),
            chunk: Chunk { ordinal, text, span, page: Some(1 + ordinal), headings, tokens: 10 },
            score: 1.0,
            similarity: None,
            coverage: Some(1.0),
            highlights: Vec::new(),
        }
    }

    fn texts(hits: &[Hit], limits: &PassageLimits) -> Vec<String> {
        passages(hits, limits).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn neighbours_are_one_passage_without_what_they_share() {
        let hits = [
            hit("a", 2, 8, "two three"),
            hit("b", 0, 0, "other"),
            hit("a", 4, 30, "five"),
            hit("a", 1, 4, "one two"),
            hit("a", 3, 18, "four"),
        ];
        let all = passages(&hits, &PassageLimits::default());
        let texts: Vec<_> = all.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["one two three\nfour\nfive", "other"]);
        assert_eq!((all[0].number, all[0].page, all[0].chunks.len()), (1, Some(2), 4));
        assert_eq!(all[0].span, Span { start: 4, end: 34 });
    }

    #[test]
    fn what_does_not_fit_or_has_no_room_is_left_out() {
        let mut far = hit("a", 0, 0, "far");
        far.coverage = Some(0.1);
        far.similarity = Some(0.1);
        let mut near = far.clone();
        near.chunk.ordinal = 5;
        near.similarity = Some(0.9);
        // Each has some 40 around it.
        let limits = PassageLimits { tokens_max: 120, ..PassageLimits::default() };
        let hits = [far, near, hit("b", 0, 0, "second"), hit("c", 0, 0, "third")];
        assert_eq!(texts(&hits, &limits), ["far", "second"]);
        assert_eq!(texts(&hits, &PassageLimits { chunks_max: 0, ..limits }), [""; 0]);
    }

    #[test]
    fn the_best_is_cut_rather_than_left_out() {
        let mut long = hit("a", 0, 7, &"one two three ".repeat(400));
        long.chunk.tokens = 1_200;
        let limits = PassageLimits { tokens_max: 145, ..PassageLimits::default() };
        let found = passages(&[long.clone(), hit("b", 0, 0, "second")], &limits);
        assert_eq!(found.len(), 1);
        // What is said of where it is from is as little as it may be, and counts.
        let mut named = long;
        named.filename = "n".repeat(1_000);
        named.chunk.headings = vec!["heading ".repeat(25); 6];
        let few = passages(&[named.clone()], &PassageLimits { tokens_max: 300, ..limits });
        let head = Head::of(&named.filename, &named.chunk.headings);
        assert_eq!((head.filename.len(), head.headings.len()), (FILENAME_MAX, HEADINGS_MAX));
        assert!(few[0].tokens + head.tokens() <= 300, "{}", few[0].tokens);
        let (text, span) = (&found[0].text, found[0].span);
        assert!((50..=105).contains(&found[0].tokens), "{}", found[0].tokens);
        assert_eq!((span.start, span.end), (7, 7 + text.chars().count()));
        assert!(text.starts_with("one two") && !text.ends_with(' '));
        let nothing = PassageLimits { tokens_max: 0, ..limits };
        assert_eq!(passages(&[hit("b", 0, 0, "second")], &nothing), []);
    }
}

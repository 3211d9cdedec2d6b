use proptest::prelude::*;

use super::*;
use crate::{Heading, Page};

fn text(text: &str) -> Extracted {
    Extracted { text: text.to_owned(), ..Extracted::default() }
}

fn chunks(extracted: &Extracted, tokens_max: u32, overlap: u32) -> Vec<Chunk> {
    Chunker::new(tokens_max, overlap).unwrap().chunks(extracted).collect()
}

/// Markdown, as the extractor would have it.
fn sections(sections: &[(u8, &str, String)]) -> Extracted {
    let mut extracted = Extracted::default();
    for (level, heading, body) in sections {
        let start = extracted.text.chars().count();
        extracted.headings.push(Heading { start, level: *level, text: (*heading).to_owned() });
        extracted
            .text
            .push_str(&format!("{} {heading}\n\n{body}\n\n", "#".repeat((*level).into())));
    }
    extracted
}

#[test]
fn a_short_text_is_one_chunk_without_the_space_around_it() {
    let extracted = text(" \n Ünë, two.\n\nThree.\n ");
    let expected = Chunk {
        ordinal: 0,
        text: "Ünë, two.\n\nThree.".to_owned(),
        span: Span { start: 3, end: 20 },
        page: None,
        headings: Vec::new(),
        tokens: u32::try_from(estimate_tokens("Ünë, two.\n\nThree.")).unwrap(),
    };
    assert_eq!(chunks(&extracted, 100, 0), [expected]);
    assert_eq!(chunks(&text(" \n\n\t "), 100, 0), []);
    assert_eq!(chunks(&text(""), 100, 0), []);
}

#[test]
fn chunks_end_between_paragraphs_if_they_can() {
    let paragraph = |word: &str| format!("{word} one two three four five. ").repeat(5);
    let parts = ["a", "b", "c", "d"].map(paragraph);
    let extracted = text(&parts.join("\n\n"));
    let chunks = chunks(&extracted, 100, 0);
    let texts: Vec<_> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    let expected =
        [parts[..2].join("\n\n"), parts[2..].join("\n\n")].map(|text| text.trim().to_owned());
    assert_eq!(texts, expected);
}

#[test]
fn chunks_end_in_front_of_headings_and_say_under_which_they_stand() {
    let body = "A sentence about it. ".repeat(14);
    let extracted = sections(&[
        (1, "Birds", body.clone()),
        (2, "Wings", body.clone()),
        (3, "Alula", body.clone()),
        (2, "Tails", body),
    ]);
    let chunks = chunks(&extracted, 100, 30);
    let paths: Vec<_> = chunks.iter().map(|chunk| chunk.headings.join(" > ")).collect();
    let expected = ["Birds", "Birds > Wings", "Birds > Wings > Alula", "Birds > Tails"];
    assert_eq!(paths, expected);
    assert!(chunks.iter().all(|chunk| chunk.text.starts_with('#')), "nothing is repeated");
}

#[test]
fn a_chunk_is_on_the_page_where_it_begins() {
    let mut extracted = text(&"Words and words. ".repeat(200));
    extracted.pages =
        [(1, 0), (2, 1000), (4, 2000)].map(|(number, start)| Page { number, start }).into();
    for chunk in chunks(&extracted, 100, 50) {
        let expected = match chunk.span.start {
            0..1000 => 1,
            1000..2000 => 2,
            _ => 4,
        };
        assert_eq!(chunk.page, Some(expected), "{:?}", chunk.span);
    }
}

#[test]
fn sentences_are_repeated_up_to_the_overlap() {
    let extracted = text(&"This is one more sentence. ".repeat(200));
    let chunks = chunks(&extracted, 100, 50);
    for pair in chunks.windows(2) {
        let (before, next) = (&pair[0], &pair[1]);
        let repeated = before.span.end - next.span.start;
        let repeated = &next.text[..repeated];
        assert!((40..=50).contains(&estimate_tokens(repeated)), "{repeated}");
        assert!(next.text.starts_with("This"));
    }
}

#[test]
fn unbroken_runs_take_no_longer_than_words() {
    for text in [
        "x".repeat(2_000_000),
        "🪶".repeat(100_000),
        "ab ".repeat(200_000),
        "\n".repeat(500_000),
        ". ".repeat(200_000),
    ] {
        let started = std::time::Instant::now();
        let extracted = self::text(&text);
        let chunks = Chunker::default().chunks(&extracted);
        let tokens_max = chunks.map(|chunk| chunk.tokens).max().unwrap_or(0);
        assert!(tokens_max <= 800);
        let took = started.elapsed();
        assert!(took.as_secs() < 5, "{took:?} for {:?}", text.chars().next());
    }
}

#[test]
fn no_chunk_has_more_bytes_than_a_store_keeps() {
    for text in [
        format!("one{}two", " ".repeat(300_000)),
        format!("one {} two", "a".repeat(300_000)),
        "z\u{a0}\u{3000}\n".repeat(100_000),
    ] {
        let extracted = self::text(&text);
        let chunks = Chunker::new(4_096, 2_048).unwrap().chunks(&extracted);
        let bytes: Vec<usize> = chunks.map(|chunk| chunk.text.len()).collect();
        assert!(bytes.iter().all(|it| *it <= CHUNK_BYTES_MAX), "{bytes:?}");
        assert!(bytes.len() > 1);
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let error = |tokens_max, overlap| Chunker::new(tokens_max, overlap).unwrap_err().to_string();
    assert_eq!(error(99, 0), "a chunk may have 100 to 4096 tokens, and not 99");
    assert_eq!(error(5_000, 0), "a chunk may have 100 to 4096 tokens, and not 5000");
    assert_eq!(error(101, 51), "chunks may repeat at most half of 101 tokens, and not 51");
}

/// Text of words, sentences, lines, other scripts, runs and white space.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z]{1,12}[ .,\n]",
        2 => "[ \t\n\r\u{a0}\u{3000}]{1,5}",
        1 => any::<String>(),
        1 => "[あ-ん一-十。！]{1,40}",
        1 => ("[a-z0-9🪶=]", 1_usize..3_000).prop_map(|(unit, times)| unit.repeat(times)),
        1 => Just("\n\n".to_owned()),
        1 => Just("One sentence. Another one! ".repeat(20)),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn chunks_are_parts_of_the_text_and_cover_it(
        text in any_text(),
        (tokens_max, overlap) in (100_u32..900).prop_flat_map(|most| (Just(most), 0..=most / 2)),
        mut starts in prop::collection::vec((0_usize..4_000, 1_u8..7), 0..20),
    ) {
        starts.sort_unstable();
        let headings = starts.iter().map(|(start, level)| Heading {
            start: *start,
            level: *level,
            text: format!("{start}"),
        });
        let extracted = Extracted { headings: headings.collect(), ..self::text(&text) };
        let chars: Vec<char> = text.chars().collect();
        let (mut covered, mut before): (usize, Option<Chunk>) = (0, None);
        for (chunk, ordinal) in Chunker::new(tokens_max, overlap).unwrap().chunks(&extracted).zip(0..) {
            prop_assert_eq!(chunk.ordinal, ordinal);
            let Span { start, end } = chunk.span;
            prop_assert_eq!(&chunk.text, &chars[start..end].iter().collect::<String>());
            prop_assert_eq!(chunk.text.trim(), chunk.text.as_str());
            prop_assert!(!chunk.text.is_empty());
            prop_assert!(chunk.tokens <= tokens_max, "{} tokens", chunk.tokens);
            prop_assert_eq!(u64::from(chunk.tokens), estimate_tokens(&chunk.text));
            for char in chars.get(covered..start).unwrap_or_default() {
                prop_assert!(char.is_whitespace(), "{char:?} is in no chunk");
            }
            if let Some(before) = before {
                prop_assert!(start > before.span.start && end > before.span.end, "no progress");
                if start < before.span.end {
                    let repeated: String = chars[start..before.span.end].iter().collect();
                    prop_assert!(estimate_tokens(&repeated) <= u64::from(overlap));
                }
            }
            let path: Vec<_> = chunk.headings.iter().map(|it| it.parse::<usize>().unwrap()).collect();
            prop_assert!(path.iter().all(|heading| *heading <= start));
            covered = end;
            before = Some(chunk);
        }
        prop_assert!(chars[covered..].iter().all(|char| char.is_whitespace()));
    }
}

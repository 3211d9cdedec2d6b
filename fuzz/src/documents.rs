//! Documents: whether they are taken, their text, and its chunks. The first byte is the kind.
//!
//! PDF is left out: its parser is not ours, and is only ever run in a process of its own.

use alula_rag::{__fuzz, Chunker, Extracted, Kind, Sniffer};

pub fn run(data: &[u8]) {
    let Some((kind, document)) = data.split_first() else { return };
    let kind = match kind {
        b'd' => Kind::Docx,
        b'x' => return xml(document),
        b'h' => Kind::Html,
        b'm' => Kind::Markdown,
        b'c' => Kind::Csv,
        _ => Kind::Text,
    };
    let name = format!("a.{}", kind.extension());
    let sniff = |pieces: usize| {
        let mut sniffer = Sniffer::new(&name, None)?;
        document.chunks(pieces).try_for_each(|piece| sniffer.push(piece))?;
        sniffer.finish()
    };
    assert_eq!(sniff(usize::MAX), sniff(3), "pieces do not matter");
    if let Ok(extracted) = __fuzz::extract(kind, document) {
        check(&extracted);
    }
}

/// The text of a Word document, without the archive around it.
fn xml(document: &[u8]) {
    if let Ok(extracted) = __fuzz::extract_xml(document) {
        check(&extracted);
    }
}

fn check(extracted: &Extracted) {
    let chars: Vec<char> = extracted.text.chars().collect();
    let is_clean = |char: &char| !char.is_control() || matches!(char, '\n' | '\t');
    assert!(chars.iter().all(is_clean), "no control characters");
    assert!(extracted.headings.iter().all(|heading| heading.start < chars.len()));
    assert!(extracted.pages.iter().all(|page| page.start <= chars.len()));
    let Ok(chunker) = Chunker::new(100, 50) else { return };
    let mut covered = 0;
    for chunk in chunker.chunks(extracted) {
        let (start, end) = (chunk.span.start, chunk.span.end);
        assert!(chunk.text.chars().eq(chars[start..end].iter().copied()), "the text at its span");
        assert!(chunk.tokens <= 100);
        let between = chars.get(covered..start).unwrap_or_default();
        assert!(between.iter().all(|char| char.is_whitespace()), "all is covered");
        covered = end;
    }
    assert!(chars[covered..].iter().all(|char| char.is_whitespace()));
}

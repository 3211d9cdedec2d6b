//! Files that were made to do harm. Each is read or refused, soon and with a reason.

use alula_rag::{ExtractLimits, Kind, KindError, Sniffer};

use super::{
    archive::{Entry, PARAGRAPH, docx, parts, repeated, zip},
    extract, extract_by, extractor, limits,
    pdf::{self, pages},
    refused,
};

#[track_caller]
fn check(kind: Kind, bytes: &[u8], code: &str, says: &str) {
    let reason = refused(kind, bytes);
    assert_eq!(reason.code(), code, "{reason}");
    assert!(reason.to_string().contains(says), "{reason}");
}

#[test]
fn archives_that_grow_are_not_unpacked() {
    // 10 MB that would become 10 GB.
    let paragraphs = format!("<instrText>{}</instrText>", "a".repeat(1 << 20));
    let mut parts = parts("");
    parts[2] = Entry::bomb("word/document.xml", "<d>", &paragraphs, 10_000);
    let bomb = zip(&parts);
    assert!((10_000_000..12_000_000).contains(&bomb.len()), "{}", bomb.len());
    check(Kind::Docx, &bomb, "too_large", "unpacked document has more than 4194304 bytes");
    // An archive that says otherwise.
    parts[2].size = 1_000;
    check(Kind::Docx, &zip(&parts), "damaged", "larger than its declared");
    // In front of the text, too.
    parts.insert(0, Entry::bomb("word/styles.xml", "<d>", &paragraphs, 100));
    check(Kind::Docx, &zip(&parts), "too_large", "unpacked document");
    // All in one text.
    parts.remove(0);
    parts[2] = Entry::bomb("word/document.xml", "<d><t>", &"a".repeat(1 << 20), 100);
    check(Kind::Docx, &zip(&parts), "too_large", "unpacked document");
}

#[test]
fn archives_in_archives_are_not_opened() {
    let mut inner = zip(&[Entry::new("0", "0".repeat(1 << 20))]);
    for depth in 0..6 {
        let copies: Vec<_> =
            (0..16).map(|index| Entry::new(&format!("{depth}{index}.zip"), &inner)).collect();
        inner = zip(&copies);
    }
    check(Kind::Docx, &inner, "wrong_kind", "a ZIP archive, and not a Word document");
}

#[test]
fn archives_with_too_many_files_are_refused() {
    let mut many = parts(PARAGRAPH);
    let entry = Entry::new("x", "");
    many.extend(
        (0..65_000).map(|index| Entry { name: format!("{index}").into(), ..entry.clone() }),
    );
    check(Kind::Docx, &zip(&many), "too_large", "the archive has more than 5000 files");
}

#[test]
fn files_that_share_their_bytes_are_read_once() {
    let mut parts = parts(PARAGRAPH);
    for index in 0..1_000 {
        let name = format!("word/{index}.xml").into();
        parts.push(Entry { name, same_as: Some(2), ..parts[2].clone() });
    }
    assert_eq!(extract(Kind::Docx, &zip(&parts)).text, "Hello");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["../../etc/cron.d/x", "..\\..\\x", "/etc/passwd", "a/../../b", "C:x", "a\0b"] {
        let mut parts = parts(PARAGRAPH);
        parts.push(Entry::new(name, "x"));
        check(Kind::Docx, &zip(&parts), "damaged", "would be written elsewhere");
    }
    let mut parts = parts("");
    parts[2] = Entry { mode: 0o120_777, ..Entry::new("word/document.xml", "/etc/passwd") };
    check(Kind::Docx, &zip(&parts), "damaged", "is no file");
}

#[test]
fn entities_are_not_expanded() {
    let mut laughs = "<!DOCTYPE d [<!ENTITY a \"ha\">".to_owned();
    for (name, of) in ('b'..='j').zip('a'..) {
        let ten = format!("&{of};").repeat(10);
        laughs.push_str(&format!("<!ENTITY {name} \"{ten}\">"));
    }
    let text = "<d><p><r><t>&j;</t></r></p></d>";
    let mut parts = parts("");
    parts[2] = Entry::new("word/document.xml", format!("{laughs}]>{text}"));
    check(Kind::Docx, &zip(&parts), "damaged", "declares types");
    parts[2] = Entry::new("word/document.xml", text);
    check(Kind::Docx, &zip(&parts), "damaged", "an entity");
    let external = format!("<!DOCTYPE d SYSTEM \"file:///etc/passwd\">{text}");
    parts[2] = Entry::new("word/document.xml", external);
    check(Kind::Docx, &zip(&parts), "damaged", "declares types");
}

#[test]
fn xml_is_no_deeper_than_it_needs_to_be() {
    check(Kind::Docx, &docx(&"<a>".repeat(100_000)), "damaged", "nested too deeply");
    check(Kind::Docx, &docx("<a>"), "damaged", "");
    check(Kind::Docx, &docx("<a b"), "damaged", "");
    check(Kind::Docx, &docx(""), "encrypted_or_no_text", "no text");
    let tables =
        "<w:tbl><w:tr><w:tc>".repeat(300) + PARAGRAPH + &"</w:tc></w:tr></w:tbl>".repeat(300);
    assert!(extract(Kind::Docx, &docx(&tables)).text.contains("Hello"));
}

#[test]
fn archives_that_are_damaged_or_of_another_kind_say_so() {
    let good = docx(PARAGRAPH);
    for length in [0, 1, 30, good.len() / 2, good.len() - 1] {
        check(Kind::Docx, &good[..length], "damaged", "");
    }
    let mut flipped = good;
    // In the compressed text of the third file.
    flipped[520] ^= 0x55;
    let reason = refused(Kind::Docx, &flipped);
    assert_eq!(reason.code(), "damaged", "{reason}");
    let mut workbook = parts(PARAGRAPH);
    workbook.push(Entry::new("xl/workbook.xml", "<x/>"));
    check(Kind::Docx, &zip(&workbook), "wrong_kind", "is an Excel workbook");
    let mut encrypted = parts(PARAGRAPH);
    encrypted[2].flags = 1;
    check(Kind::Docx, &zip(&encrypted), "encrypted", "remove its password");
}

#[test]
fn nested_pdfs_do_not_overflow() {
    for (open, close) in [("[", "]"), ("<< /A ", " >>")] {
        let mut objects = pages(&["Hello"]);
        objects[0] = format!(
            "<< /Type /Catalog /Pages 2 0 R /X {}{} >>",
            open.repeat(10_380),
            close.repeat(10_380)
        );
        check_any(&pdf::pdf(&objects, ""));
        objects[0] = format!("<< /Type /Catalog /Pages 2 0 R /X {}", open.repeat(10_380));
        check_any(&pdf::pdf(&objects, ""));
    }
}

/// It is refused with a reason or read; nothing else happens.
#[track_caller]
fn check_any(bytes: &[u8]) {
    match extract_by(&extractor(), Kind::Pdf, bytes) {
        Ok(extracted) => assert!(!extracted.text.is_empty()),
        Err(error) => assert!(error.is_permanent(), "{error}"),
    }
}

#[test]
fn pdfs_that_lead_in_circles_have_an_end() {
    for pages_object in [
        "<< /Type /Pages /Kids [2 0 R] /Count 1 >>",
        "<< /Type /Pages /Kids [2 0 R 2 0 R 4 0 R] /Count 99999999 >>",
        "<< /Type /Pages /Parent 2 0 R /Kids 2 0 R /Count -1 >>",
    ] {
        let mut objects = pages(&["Hello"]);
        objects[1] = pages_object.to_owned();
        check_any(&pdf::pdf(&objects, ""));
    }
    check_any(&pdf::pdf(&pages(&["Hello"]), "/Prev 9"));
    let mut form = pages(&["Hello"]);
    form[3] = form[3].replace("/Resources <<", "/Resources << /XObject << /X 6 0 R >>");
    form[4] = pdf::stream("/X Do");
    let own =
        "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>";
    form.push(pdf::stream("/X Do /X Do").replacen("<<", own, 1));
    check_any(&pdf::pdf(&form, ""));
}

#[test]
fn pdfs_that_grow_end_at_the_limit() {
    let content = [&[0x78, 0x9c], &repeated("", &" ".repeat(1 << 20), 1_000)[..]].concat();
    let mut objects: Vec<Vec<u8>> = pages(&["Hello"]).into_iter().map(String::into_bytes).collect();
    let head = format!("<< /Filter /FlateDecode /Length {} >>\nstream\n", content.len());
    objects[4] = [head.as_bytes(), &content, b"\nendstream"].concat();
    let little = ExtractLimits { memory_bytes_max: 64 << 20, ..limits() };
    let bytes = pdf::of_bytes(&objects, "");
    let error = extract_by(&extractor().limits(little), Kind::Pdf, &bytes).unwrap_err();
    // Its parser takes what does not fit for nothing.
    let codes = ["encrypted_or_no_text", "out_of_memory", "took_too_long"];
    assert!(codes.contains(&error.code()), "{error}");
}

#[test]
fn pdfs_that_cannot_be_read_say_why() {
    let objects = pages(&["Hello"]);
    let encrypt = "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <\
                   28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A> /U <\
                   0000000000000000000000000000000000000000000000000000000000000000> >> \
                   /ID [<00112233445566778899AABBCCDDEEFF> <00112233445566778899AABBCCDDEEFF>]";
    check(Kind::Pdf, &pdf::pdf(&objects, encrypt), "encrypted", "remove its password");
    check(Kind::Pdf, &pdf::pdf(&pages(&[""]), ""), "encrypted_or_no_text", "may be scanned");
    let good = pdf::pdf(&objects, "");
    check(Kind::Pdf, &pdf::pdf(&[objects[0].clone()], ""), "damaged", "it has no pages");
    for length in [0, 8, 100] {
        check(Kind::Pdf, &good[..length], "damaged", "");
    }
    check(Kind::Pdf, b"<html>%PDF-1.4</html>", "damaged", "");
}

#[test]
fn deep_or_wide_html_is_read_in_time() {
    let divs = format!("{}deep{}", "<div>".repeat(200_000), "</div>".repeat(200_000));
    assert_eq!(extract(Kind::Html, divs.as_bytes()).text, "deep");
    for open in ["<b>", "<table><tr><td>", "<ul><li>", "<nav>"] {
        let tags = format!("one{} two", open.repeat(30_000));
        let text = match extract_by(&extractor(), Kind::Html, tags.as_bytes()) {
            Ok(extracted) => extracted.text,
            Err(error) => panic!("{open}: {error}"),
        };
        assert!(text.starts_with("one"), "{open}");
    }
    let cells =
        format!("<table>{}</table>", format!("<tr>{}", "<td>1".repeat(1_000)).repeat(1_000));
    let extractor = extractor().limits(ExtractLimits { text_bytes_max: 1 << 17, ..limits() });
    let error = extract_by(&extractor, Kind::Html, cells.as_bytes()).unwrap_err();
    assert_eq!(error.code(), "too_large", "{error}");
}

#[test]
fn tags_with_very_many_attributes_are_refused() {
    let attributes: Vec<_> = (0..300_000).map(|n| format!("a{n}")).collect();
    let page = format!("<p>Hello<p {}>", attributes.join(" "));
    check(Kind::Html, page.as_bytes(), "too_large", "the tag has more than 10000 attributes");
}

#[test]
fn one_page_that_cannot_be_read_well_costs_the_others_nothing() {
    let lines: Vec<String> = (1..=1_500).map(|page| format!("This is page {page}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut objects = pages(&lines);
    // The content of the third page wants a font that is not there.
    objects[8] = objects[8].replace("/F1", "/F9");
    let extracted = extract(Kind::Pdf, &pdf::pdf(&objects, ""));
    let numbers: Vec<u32> = extracted.pages.iter().map(|page| page.number).collect();
    assert_eq!(numbers, (1..=1_500).collect::<Vec<_>>());
    let text: Vec<char> = extracted.text.chars().collect();
    for (number, page) in [(1, 0), (2, 1), (4, 3), (1_500, 1_499)] {
        let start = extracted.pages[page].start;
        let line: String = text[start..].iter().take_while(|it| **it != '\n').collect();
        assert_eq!(line, format!("This is page {number}"));
    }
}

#[test]
fn a_file_that_is_two_things_is_what_its_beginning_says() {
    let both = [&pdf::pdf(&pages(&["Hello"]), "")[..], b"<html><script>alert(1)</script>"].concat();
    let sniff = |name: &str| -> Result<Kind, KindError> {
        let mut sniffer = Sniffer::new(name, None)?;
        sniffer.push(&both)?;
        sniffer.finish()
    };
    assert_eq!(sniff("a.html").unwrap_err().code(), "type_mismatch");
    assert_eq!(sniff("a.txt").unwrap_err().code(), "type_mismatch");
    assert_eq!(sniff("a.pdf"), Ok(Kind::Pdf));
    assert_eq!(extract(Kind::Pdf, &both).text, "Hello");
}

//! Each kind, as it should be.

use alula_rag::{Kind, Page};

use super::{
    archive::{Entry, docx, parts, zip},
    extract, pdf,
};

#[test]
fn a_pdf_has_pages() {
    let mut objects = pdf::pages(&["First page", "Second page", "Third page"]);
    objects.push("<< /Title (On wings) >>".to_owned());
    let info = format!("/Info {} 0 R", objects.len());
    let extracted = extract(Kind::Pdf, &pdf::pdf(&objects, &info));
    assert_eq!(extracted.title.as_deref(), Some("On wings"));
    let chars: Vec<char> = extracted.text.chars().collect();
    let starts: Vec<String> = extracted
        .pages
        .iter()
        .map(|page| chars[page.start..].iter().take(6).collect::<String>().trim().to_owned())
        .collect();
    assert_eq!(starts, ["First", "Second", "Third"]);
    let numbers: Vec<_> = extracted.pages.iter().map(|Page { number, .. }| *number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn the_outline_of_a_pdf_is_its_headings() {
    let mut objects = pdf::pages(&["1 Wings", "Second page"]);
    objects[0] = "<< /Type /Catalog /Pages 2 0 R /Outlines 8 0 R /Names << /Dests << /Names \
                  [(two) << /D [6 0 R /Fit] >>] >> >> >>"
        .to_owned();
    objects.extend(
        [
            "<< /First 9 0 R >>",
            "<< /Title (Wings) /Dest [4 0 R /Fit] /First 10 0 R /Next 11 0 R >>",
            // It leads back to where it is.
            "<< /Title <FEFF004100E9> /A << /S /GoTo /D (two) >> /Next 10 0 R /First 9 0 R >>",
            "<< /Title (Nowhere) /Dest [99 0 R /Fit] /Next 9 0 R >>",
        ]
        .map(str::to_owned),
    );
    let extracted = extract(Kind::Pdf, &pdf::pdf(&objects, ""));
    let found: Vec<_> =
        extracted.headings.iter().map(|it| (it.start, it.level, it.text.as_str())).collect();
    assert_eq!(found, [(0, 1, "Wings"), (extracted.pages[1].start, 2, "Aé")]);
}

#[test]
fn a_word_document_has_headings_lists_tables_and_notes() {
    let extracted = extract(Kind::Docx, &word_document());
    let expected = "# On wings\n\n## Alula\n\nA & b!\t c\nd[^2]\n\n1. one\n  - deeper\n2. two\n\n\
                    ## Outlined\n\n| a | b |\n| --- | --- |\n| 1 | 2\\|3 |\n\nbox\n\n[^2]: Noted";
    assert_eq!(extracted.text, expected);
    assert_eq!(extracted.title.as_deref(), Some("The title"));
    let headings: Vec<_> =
        extracted.headings.iter().map(|it| (it.start, it.level, it.text.as_str())).collect();
    assert_eq!(headings, [(0, 1, "On wings"), (12, 2, "Alula"), (65, 2, "Outlined")]);
}

fn word_document() -> Vec<u8> {
    let mut parts = parts(&word_body());
    let style = |id: &str, rest: &str| {
        format!("<w:style w:type=\"paragraph\" w:styleId=\"{id}\">{rest}</w:style>")
    };
    let styles = [
        style("Titel", "<w:name w:val=\"Title\"/>"),
        style("TOC1", "<w:name w:val=\"toc 1\"/>"),
        style("H2", "<w:name w:val=\"heading 2\"/>"),
        style("Own", "<w:name w:val=\"My own\"/><w:basedOn w:val=\"H2\"/>"),
    ];
    parts.push(Entry::new("word/styles.xml", format!("<w:styles>{}</w:styles>", styles.concat())));
    parts.push(Entry::new(
        "word/numbering.xml",
        "<w:numbering><w:abstractNum w:abstractNumId=\"3\"><w:lvl w:ilvl=\"0\"><w:start \
         w:val=\"1\"/><w:numFmt w:val=\"decimal\"/></w:lvl><w:lvl w:ilvl=\"1\"><w:numFmt \
         w:val=\"bullet\"/></w:lvl></w:abstractNum><w:num w:numId=\"7\"><w:abstractNumId \
         w:val=\"3\"/></w:num></w:numbering>",
    ));
    parts.push(Entry::new(
        "word/footnotes.xml",
        "<w:footnotes><w:footnote w:type=\"separator\" w:id=\"-1\"><w:p/></w:footnote>\
         <w:footnote w:id=\"2\"><w:p><w:r><w:t>Noted</w:t></w:r></w:p></w:footnote></w:footnotes>",
    ));
    parts.push(Entry::new(
        "docProps/core.xml",
        "<cp:coreProperties><dc:title>The title</dc:title><dc:creator>x</dc:creator>\
         </cp:coreProperties>",
    ));
    zip(&parts)
}

fn word_body() -> String {
    let paragraph =
        |properties: &str, runs: &str| format!("<w:p><w:pPr>{properties}</w:pPr>{runs}</w:p>");
    let run = |text: &str| format!("<w:r><w:t>{text}</w:t></w:r>");
    let item = |level: u8, text: &str| {
        let numbers =
            format!("<w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"7\"/></w:numPr>");
        paragraph(&numbers, &run(text))
    };
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", paragraph("", &run(text)));
    [
        paragraph("<w:pStyle w:val=\"Titel\"/>", &run("On wings")),
        paragraph("<w:pStyle w:val=\"TOC1\"/>", &run("Alula ... 1")),
        paragraph("<w:pStyle w:val=\"Own\"/>", &run("Alula")),
        paragraph(
            "<w:tabs><w:tab w:val=\"left\"/></w:tabs>",
            "<w:r><w:t>A &amp; b&#x21;</w:t><w:tab/><w:t xml:space=\"preserve\"> c</w:t><w:br/>\
             <w:t>d</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>\
             <w:r><w:footnoteReference w:id=\"2\"/></w:r>",
        ),
        item(0, "one"),
        item(1, "deeper"),
        item(0, "two"),
        paragraph("<w:outlineLvl w:val=\"1\"/>", &run("Outlined")),
        format!(
            "<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>",
            cell("a"),
            cell("b"),
            cell("1"),
            cell("2|3")
        ),
        "<w:p><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p>\
         </w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p>\
         </mc:Fallback></mc:AlternateContent></w:p>"
            .to_owned(),
    ]
    .concat()
}

#[test]
fn a_part_may_have_another_name() {
    let mut parts = parts("");
    parts[1] = Entry::new(
        "_rels/.rels",
        "<Relationships><Relationship Type=\"http://purl.oclc.org/ooxml/officeDocument/\
         relationships/officeDocument\" Target=\"text/main.xml\"/></Relationships>",
    );
    parts[2] = Entry::new("text/main.xml", "<d><p><r><t>Hello</t></r></p></d>");
    assert_eq!(extract(Kind::Docx, &zip(&parts)).text, "Hello");
    assert_eq!(extract(Kind::Docx, &docx(super::archive::PARAGRAPH)).text, "Hello");
}

#[test]
fn kinds_that_are_text_are_read_too() {
    for (kind, bytes, expected) in [
        (Kind::Html, "<h1>One</h1><p>two", "# One\n\ntwo"),
        (Kind::Markdown, "\u{feff}# One\r\ntwo", "# One\ntwo"),
        (Kind::Csv, "a,b\n1,2\n", "a: 1; b: 2"),
        (Kind::Text, "One\u{c}two", "One\ntwo"),
    ] {
        let extracted = extract(kind, bytes.as_bytes());
        assert_eq!(extracted.text, expected);
        assert_eq!(extracted.headings.len(), usize::from(expected.starts_with('#')));
        assert_eq!(extracted.pages.len(), if kind == Kind::Text { 2 } else { 0 });
    }
}

//! PDFs, written by hand.

/// A PDF of these objects, of which the first is the catalog.
pub(super) fn pdf(objects: &[String], trailer: &str) -> Vec<u8> {
    let objects: Vec<_> = objects.iter().map(|object| object.as_bytes().to_vec()).collect();
    of_bytes(&objects, trailer)
}

pub(super) fn of_bytes(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        offsets.push(bytes.len());
        bytes.extend(format!("{number} 0 obj\n").bytes());
        bytes.extend(object);
        bytes.extend(b"\nendobj\n");
    }
    let start = bytes.len();
    let count = objects.len() + 1;
    bytes.extend(format!("xref\n0 {count}\n0000000000 65535 f \n").bytes());
    for offset in offsets {
        bytes.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    let trailer = format!("trailer\n<< /Size {count} /Root 1 0 R {trailer} >>\n");
    bytes.extend(format!("{trailer}startxref\n{start}\n%%EOF\n").bytes());
    bytes
}

/// The objects of a document with a line of text on each page.
pub(super) fn pages(lines: &[&str]) -> Vec<String> {
    let kids: Vec<_> = (0..lines.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), lines.len()),
        font,
    ];
    for line in lines {
        let content = objects.len() + 2;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {content} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>"
        ));
        objects.push(stream(&format!("BT /F1 12 Tf 72 700 Td ({line}) Tj ET")));
    }
    objects
}

pub(super) fn stream(content: &str) -> String {
    format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len())
}

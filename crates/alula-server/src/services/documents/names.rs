//! What documents and their objects are called.

use uuid::Uuid;

/// A new name of a document. Later ones are greater.
pub(super) fn new_document() -> String {
    format!("doc_{}", Uuid::now_v7().simple())
}

/// Whether a document may have this name.
pub(crate) fn is_document(id: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.strip_prefix("doc_").is_some_and(|it| it.len() == 32 && it.bytes().all(is_hex))
}

/// The object of a document's bytes.
pub(super) fn of_bytes(id: &str) -> String {
    format!("documents/{}/{id}", shelf(id))
}

/// The object of its text, as it was taken out in this generation.
pub(super) fn of_text(id: &str, generation: i64) -> String {
    format!("texts/{}/{id}.{generation}", shelf(id))
}

/// A folder, so that none has too many files. The last digits of a name are random.
fn shelf(id: &str) -> &str {
    id.len().checked_sub(2).and_then(|at| id.get(at..)).unwrap_or("00")
}

/// Why somebody has sent a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose<'a> {
    /// To be found, at once.
    Search,
    /// As OpenAI's files have it: whatever it is, it is kept, and read when somebody asks for it.
    File(&'a str),
}

impl Purpose<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Search => "",
            Self::File(purpose) => purpose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_on_shelves() {
        let id = new_document();
        assert_eq!(of_bytes("doc_01ab"), "documents/ab/doc_01ab");
        assert_eq!(of_text("doc_01ab", 2), "texts/ab/doc_01ab.2");
        assert!(of_bytes(&id).ends_with(&id));
        assert!(new_document() > id);
        assert!(is_document(&id) && !is_document("doc_0") && !is_document("Invoice"));
    }
}

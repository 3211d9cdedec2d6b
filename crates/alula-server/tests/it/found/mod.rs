//! Documents that are found, and answered from.

mod answers;
mod ask;
mod search;

use alula_rag::{Attributes, Chunk, NewEntry, Scope, Span, SqlStore, Store as _, StoreSettings};

use crate::keys::Store;

/// A document that is put where a server finds it.
pub(crate) struct Document<'a> {
    /// Its name; that of its file has `.pdf` behind it.
    pub(crate) name: &'a str,
    /// What stands on each page.
    pub(crate) pages: &'a [&'a str],
    pub(crate) attributes: Attributes,
    /// The model, and a vector for each page.
    pub(crate) vectors: Option<(&'a str, &'a [[f32; 2]])>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(name: &'a str, pages: &'a [&'a str]) -> Self {
        Self { name, pages, attributes: Attributes::default(), vectors: None }
    }

    /// Puts it into the database, before or while there is a server over it.
    pub(crate) async fn put(self, store: &Store, owner: &str) {
        let file = store.dir().join("alula.db");
        let documents = SqlStore::open(file, &StoreSettings::default()).await.unwrap();
        self.put_into(&documents, owner).await;
        documents.close().await;
    }

    /// The same for a database of any kind.
    pub(crate) async fn put_into(self, documents: &SqlStore, owner: &str) {
        let at = Scope::new(owner, "default").entry(self.name);
        let filename = format!("{}.pdf", self.name);
        let (attributes, chunking) = (&self.attributes, None);
        let new = NewEntry { at, filename: &filename, attributes, chunking };
        documents.put_entry(&new).await.unwrap();
        documents.put_chunks(at, "1", &self.chunks()).await.unwrap();
        let model = self.vectors.map(|(model, _)| model);
        if let Some((model, vectors)) = self.vectors {
            let mut made = alula_llm::model::Vectors::new();
            vectors.iter().for_each(|vector| made.push(vector).unwrap());
            documents.put_vectors(at, "1", model, 0, &made).await.unwrap();
        }
        let count = u32::try_from(self.pages.len()).unwrap();
        documents.publish(at, "1", count, model).await.unwrap();
    }

    /// A part for each page, far from each other.
    fn chunks(&self) -> Vec<Chunk> {
        let chunk = |(ordinal, text): (u32, &&str)| {
            let start = usize::try_from(ordinal).unwrap() * 1_000;
            Chunk {
                // They do not follow each other.
                ordinal,
                text: (*text).to_owned(),
                span: Span { start, end: start + text.chars().count() },
                page: Some(ordinal + 1),
                headings: vec!["Birds".to_owned()],
                tokens: 20,
            }
        };
        (0..).zip(self.pages).map(chunk).collect()
    }
}

/// What the tests ask about.
pub(crate) const WINGS: &[&str] = &[
    "The alula is a small feather on the first finger of a wing.",
    "It lets a bird fly slowly without a stall.",
];

/// Archives a document.
pub(crate) async fn archive(store: &Store, owner: &str, name: &str) {
    let file = store.dir().join("alula.db");
    let documents = SqlStore::open(file, &StoreSettings::default()).await.unwrap();
    let at = Scope::new(owner, "default").entry(name);
    assert!(documents.set_archived(at, true).await.unwrap());
    documents.close().await;
}

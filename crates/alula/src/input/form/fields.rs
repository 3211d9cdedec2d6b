//! What a form holds.

use std::{borrow::Cow, cell::RefCell, rc::Rc, sync::Arc};

use http::HeaderMap;
use serde_json::{Map, Value};

use super::spool::Content;
use crate::schema::Files;

/// The pairs of a form, with a file in the place of some texts.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) pairs: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(super) files: FormFiles,
}

impl Fields {
    pub(super) fn text(&mut self, name: String, text: String) {
        self.pairs.push((name.into(), text.into()));
        self.files.0.push(None);
    }

    pub(super) fn file(&mut self, name: String, file: StoredFile) {
        self.pairs.push((name.into(), Cow::Borrowed("")));
        self.files.0.push(Some(Arc::new(file)));
    }
}

/// A file that has arrived.
#[derive(Debug)]
pub(super) struct StoredFile {
    pub(super) file_name: String,
    pub(super) headers: HeaderMap,
    pub(super) size: u64,
    pub(super) content: Content,
}

/// The files of a form, each at the position of its pair.
#[derive(Debug, Default)]
pub(super) struct FormFiles(Vec<Option<Arc<StoredFile>>>);

impl FormFiles {
    pub(super) fn get(&self, at: usize) -> Option<&Arc<StoredFile>> {
        self.0.get(at)?.as_ref()
    }
}

impl Files for FormFiles {
    fn is_file(&self, at: usize) -> bool {
        self.get(at).is_some()
    }

    fn is_blank(&self, at: usize) -> bool {
        self.get(at).is_some_and(|file| file.file_name.is_empty() && file.size == 0)
    }

    fn describe(&self, at: usize) -> Map<String, Value> {
        let Some(file) = self.get(at) else { return Map::new() };
        let headers = file.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into())
        });
        Map::from_iter([
            ("filename".to_owned(), file.file_name.as_str().into()),
            ("size".to_owned(), file.size.into()),
            ("headers".to_owned(), Value::Object(headers.collect())),
        ])
    }
}

thread_local! {
    /// The files that a deserialization on this thread may take.
    ///
    /// serde can hand a type nothing but numbers and texts, so an upload is handed its position
    /// here. It is set only while one form is read, which never waits.
    static OFFERED: RefCell<Option<Rc<FormFiles>>> = const { RefCell::new(None) };
}

/// Reads a type whose uploads take their files from `files`.
pub(super) fn offering<T>(files: FormFiles, read: impl FnOnce(&FormFiles) -> T) -> T {
    /// Also where a `Deserialize` panics.
    struct Restore(Option<Rc<FormFiles>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OFFERED.set(self.0.take());
        }
    }
    let files = Rc::new(files);
    let _restore = Restore(OFFERED.replace(Some(Rc::clone(&files))));
    read(&files)
}

/// The file at a position of the form that is read.
pub(super) fn offered(at: usize) -> Option<Arc<StoredFile>> {
    OFFERED.with_borrow(|files| files.as_ref()?.get(at).cloned())
}

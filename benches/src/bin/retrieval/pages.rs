//! How many pages of PDFs are read, cut and indexed in a second.

use std::{
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Instant,
};

use alula_rag::{
    Attributes, Chunker, Extractor, Kind, NewEntry, Scope, SqlStore, Store, StoreSettings,
};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::EXTRACT;

/// Where the PDFs are: a package, and the folder in it.
const FOLDER: (&str, &str) = ("r-doc-pdf", "usr/share/R/doc/manual");
/// As the server has them.
const TOKENS: u32 = 800;
const OVERLAP: u32 = 400;
const SCOPE: Scope<'static> = Scope { tenant: "bench", collection: "pages" };

/// What was read.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Pages {
    documents: usize,
    pages: usize,
    chunks: usize,
    /// In seconds, all of it.
    took: f64,
    /// Of it, in the process that reads documents.
    extracting: f64,
    pages_per_second: f64,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, pages, chunks, took, extracting, pages_per_second } = self;
        write!(
            f,
            "{documents} PDFs with {pages} pages: {chunks} chunks in {took:.1} s, {extracting:.1} of \
             them for reading; {pages_per_second:.0} pages in a second"
        )
    }
}

/// Reads the manuals one after the other into an empty collection of words.
pub(crate) async fn measure(packages: &Path, folder: &Path) -> Result<Pages> {
    let (package, inside) = FOLDER;
    let at = packages.join(package).join(inside);
    let entries = fs::read_dir(&at).with_context(|| format!("no {}", at.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    let mut paths: Vec<_> =
        paths.into_iter().filter(|it| it.extension().is_some_and(|end| end == "pdf")).collect();
    paths.sort();
    ensure!(!paths.is_empty(), "there is no PDF in {}", at.display());

    fs::create_dir_all(folder)?;
    let database = folder.join("pages.db").display().to_string();
    let store = SqlStore::open(&database, &StoreSettings::default()).await?;
    let extractor = Extractor::this_program()?.arg(EXTRACT);
    let chunker = Chunker::new(TOKENS, OVERLAP)?;
    let (mut read, started) = (Pages::default(), Instant::now());
    for path in paths {
        let name = path.display().to_string();
        let reading = Instant::now();
        let extracted = extractor.extract(Kind::Pdf, File::open(&path)?).await;
        let extracted = extracted.with_context(|| format!("{name} cannot be read"))?;
        read.extracting += reading.elapsed().as_secs_f64();
        let chunks: Vec<_> = chunker.chunks(&extracted).collect();
        let (at, attributes) = (SCOPE.entry(&name), Attributes::default());
        let new = NewEntry { at, filename: &name, attributes: &attributes, chunking: None };
        store.put_entry(&new).await?;
        store.put_chunks(at, "v", &chunks).await?;
        store.publish(at, "v", u32::try_from(chunks.len())?, None).await?;
        read.documents += 1;
        read.pages += extracted.pages.len();
        read.chunks += chunks.len();
    }
    read.took = started.elapsed().as_secs_f64();
    read.pages_per_second = f64::from(u32::try_from(read.pages)?) / read.took;
    store.close().await;
    let _ = fs::remove_dir_all(folder);
    Ok(read)
}

//! How long searches take in collections of some sizes, and what peers take with the same vectors.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

use alula_benches::{databases::Database, figures::percentile};
use alula_llm::model::{Purpose, Vectors};
use alula_rag::{
    Attributes, Chunk, EmbedError, Embedder, NewEntry, Scope, Span, SqlStore, Store, StoreSettings,
    search::{Mode, Query, Searcher, Selection},
};
use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How many numbers a vector has.
const DIMENSIONS: usize = 384;
/// How many chunks a document has, and how many words a chunk.
const CHUNKS: u32 = 100;
const WORDS: usize = 120;
/// How many words there are. The n-th is so often said as one of n.
const VOCABULARY: f64 = 100_000.0;
/// What vectors may take in memory: enough for a million.
const SCAN_BYTES: usize = 512 << 20;
const SCOPE: Scope<'static> = Scope { tenant: "bench", collection: "main" };
const MODEL: &str = "anywhere";

/// What is measured.
pub(crate) struct Plan<'a> {
    /// How many chunks there are, the fewest first.
    pub(crate) sizes: &'a [usize],
    pub(crate) searches: usize,
    /// Up to which size peers, and Alula over Postgres, are measured.
    pub(crate) peers_max: usize,
    pub(crate) python: Option<&'a Path>,
    /// The programs of a Postgres with pgvector.
    pub(crate) pgvector: Option<&'a Path>,
    /// A folder of its own, for databases and vectors.
    pub(crate) folder: PathBuf,
}

/// How long a way to search took.
#[derive(Debug, Serialize)]
pub(crate) struct Searched {
    chunks: usize,
    what: String,
    /// How many chunks were added in a second, those of the sizes before left out.
    added_per_second: f64,
    /// In milliseconds.
    p50: f64,
    p99: f64,
}

impl Searched {
    fn new(chunks: usize, what: impl Into<String>, added: f64, mut took: Vec<f64>) -> Self {
        let (p50, p99) = (percentile(&mut took, 0.5), percentile(&mut took, 0.99));
        Self { chunks, what: what.into(), added_per_second: added, p50, p99 }
    }
}

/// What a peer prints.
#[derive(Deserialize)]
struct Told {
    what: String,
    filled_s: f64,
    took: Vec<f64>,
}

/// Makes the collections larger and larger, and searches them at each size.
pub(crate) async fn measure(plan: &Plan<'_>) -> Result<Vec<Searched>> {
    fs::create_dir_all(&plan.folder)
        .with_context(|| format!("cannot make {}", plan.folder.display()))?;
    let mut settings = StoreSettings::default();
    settings.scan_bytes_max = SCAN_BYTES;
    let path = plan.folder.join("alula.db");
    let sqlite = SqlStore::open(&path.display().to_string(), &settings).await?;
    let mut stores = vec![("SQLite", sqlite)];
    let database = plan.pgvector.map(|it| Database::postgres(it, &plan.folder)).transpose()?;
    if let Some(database) = &database {
        let store = SqlStore::connect(&database.create("alula")?, 2, &settings).await?;
        stores.push(("Postgres", store));
    }
    let queries = Rng::with_seed(1);
    write_queries(plan, queries.clone())?;
    let (mut all, mut from) = (Vec::new(), 0);
    for size in plan.sizes {
        for (name, store) in &stores {
            if *name == "SQLite" || *size <= plan.peers_max {
                all.extend(measure_store(plan, name, store, from..*size, queries.clone()).await?);
            }
        }
        write_vectors(plan, *size)?;
        if let Some(python) = plan.python.filter(|_| *size <= plan.peers_max) {
            let url = database.as_ref().map(|it| it.create(&format!("peer{size}"))).transpose()?;
            all.extend(peers(plan, python, url.as_deref(), *size)?);
        }
        from = *size;
    }
    for (_, store) in &stores {
        store.close().await;
    }
    drop(database);
    let _ = fs::remove_dir_all(&plan.folder);
    Ok(all)
}

async fn measure_store(
    plan: &Plan<'_>,
    name: &str,
    store: &SqlStore,
    added: std::ops::Range<usize>,
    queries: Rng,
) -> Result<Vec<Searched>> {
    let (size, count) = (added.end, added.len());
    let started = Instant::now();
    fill(store, added).await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of chunks")]
    let rate = count as f64 / started.elapsed().as_secs_f64();
    let mut all = Vec::new();
    let mut add = |what: &str, took| {
        all.push(Searched::new(size, format!("Alula, {name}, {what}"), rate, took));
    };
    add("vectors", by_vectors(store, plan.searches, queries).await?);
    let store: Arc<dyn Store> = Arc::new(store.clone());
    add("words", by(&store, Mode::Keyword, plan.searches).await?);
    add("both", by(&store, Mode::Hybrid, plan.searches).await?);
    for it in &all {
        print!("{}", line(it));
    }
    Ok(all)
}

/// Adds documents until the store has so many chunks.
async fn fill(store: &dyn Store, chunks: std::ops::Range<usize>) -> Result<()> {
    let per_document = usize::try_from(CHUNKS)?;
    for document in chunks.start / per_document..chunks.end / per_document {
        let (mut words, mut numbers) = randoms(document)?;
        let name = format!("doc-{document}");
        let at = SCOPE.entry(&name);
        let attributes = Attributes::default();
        store
            .put_entry(&NewEntry { at, filename: &name, attributes: &attributes, chunking: None })
            .await?;
        let chunks: Vec<Chunk> = (0..CHUNKS)
            .map(|ordinal| {
                let text = text(&mut words, WORDS);
                let span = Span { start: 0, end: text.len() };
                Chunk { ordinal, text, span, page: None, headings: Vec::new(), tokens: 200 }
            })
            .collect();
        let mut vectors = Vectors::new();
        for _ in 0..CHUNKS {
            vectors.push(&vector(&mut numbers))?;
        }
        store.put_chunks(at, "v", &chunks).await?;
        store.put_vectors(at, "v", MODEL, 0, &vectors).await?;
        store.publish(at, "v", CHUNKS, Some(MODEL)).await?;
    }
    Ok(())
}

/// What the words and the vectors of a document are made of, each time the same.
fn randoms(document: usize) -> Result<(Rng, Rng)> {
    let seed = u64::try_from(document)?;
    Ok((Rng::with_seed(2 * seed), Rng::with_seed(2 * seed + 1)))
}

fn vector(random: &mut Rng) -> Vec<f32> {
    (0..DIMENSIONS).map(|_| random.f32() - 0.5).collect()
}

/// Words as texts have them: a few often, most seldom.
fn text(random: &mut Rng, words: usize) -> String {
    let word = |_| format!("w{:.0}", VOCABULARY.powf(random.f64()));
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

async fn by_vectors(store: &dyn Store, searches: usize, mut queries: Rng) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    // The first reads the vectors into memory.
    for search in 0..=searches {
        let vector = vector(&mut queries);
        let started = Instant::now();
        let near = store.find_near(SCOPE, MODEL, &vector, &Selection::default(), 10).await?;
        if search > 0 {
            took.push(milliseconds(started));
        }
        ensure!(near.len() == 10, "{} of the ten nearest were found", near.len());
    }
    Ok(took)
}

async fn by(store: &Arc<dyn Store>, mode: Mode, searches: usize) -> Result<Vec<f64>> {
    let searcher = Searcher::new(Arc::clone(store)).with_embedder(Arc::new(Anywhere));
    let mut random = Rng::with_seed(2);
    let mut took = Vec::new();
    for search in 0..=searches {
        let query = Query { mode, ..Query::new(text(&mut random, 3 + search % 4)) };
        let started = Instant::now();
        searcher.search(SCOPE, &query).await?;
        if search > 0 {
            took.push(milliseconds(started));
        }
    }
    Ok(took)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

/// Vectors of texts without a model: they point anywhere, and always the same way.
#[derive(Debug)]
struct Anywhere;

#[async_trait]
impl Embedder for Anywhere {
    fn model(&self) -> &str {
        MODEL
    }

    async fn embed(&self, texts: &[&str], _: Purpose) -> Result<Vectors, EmbedError> {
        let mut vectors = Vectors::new();
        for text in texts {
            let hash = |seed: u64, byte| seed.wrapping_mul(1_099_511_628_211) ^ u64::from(byte);
            let seed = text.bytes().fold(7, hash);
            vectors.push(&vector(&mut Rng::with_seed(seed)))?;
        }
        Ok(vectors)
    }
}

fn write_queries(plan: &Plan<'_>, mut random: Rng) -> Result<()> {
    let mut file = BufWriter::new(File::create(plan.folder.join("queries"))?);
    for _ in 0..=plan.searches {
        write_vector(&mut file, &vector(&mut random))?;
    }
    Ok(file.flush()?)
}

/// The vectors of all chunks, as they were added.
fn write_vectors(plan: &Plan<'_>, size: usize) -> Result<()> {
    if plan.python.is_none() || size > plan.peers_max {
        return Ok(());
    }
    let mut file = BufWriter::new(File::create(plan.folder.join("vectors"))?);
    for document in 0..size / usize::try_from(CHUNKS)? {
        let (_, mut numbers) = randoms(document)?;
        for _ in 0..CHUNKS {
            write_vector(&mut file, &vector(&mut numbers))?;
        }
    }
    Ok(file.flush()?)
}

fn write_vector(file: &mut impl std::io::Write, vector: &[f32]) -> Result<()> {
    Ok(vector.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))?)
}

fn peers(plan: &Plan<'_>, python: &Path, url: Option<&str>, size: usize) -> Result<Vec<Searched>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/retrieval/speed.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(plan.folder.join("vectors"));
    command.arg(plan.folder.join("queries")).args(["--dimensions", &DIMENSIONS.to_string()]);
    if let Some(url) = url {
        command.args(["--postgres", url]);
    }
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the peers ended with {}", output.status);
    let mut all = Vec::new();
    for told in String::from_utf8(output.stdout)?.lines() {
        let told: Told = serde_json::from_str(told)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of chunks")]
        let rate = size as f64 / told.filled_s;
        let searched = Searched::new(size, told.what, rate, told.took);
        print!("{}", line(&searched));
        all.push(searched);
    }
    Ok(all)
}

/// What a table begins with.
pub(crate) fn head() -> String {
    let (chunks, what) = ("chunks", "");
    format!("\n{chunks:>9}  {what:<26}  {:>9}  {:>9}  {:>9}\n", "added/s", "p50 ms", "p99 ms")
}

fn line(searched: &Searched) -> String {
    let Searched { chunks, what, added_per_second, p50, p99 } = searched;
    let mut line = String::new();
    let _ =
        writeln!(line, "{chunks:>9}  {what:<26}  {added_per_second:>9.0}  {p50:>9.2}  {p99:>9.2}");
    line
}

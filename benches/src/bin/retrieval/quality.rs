//! At which places what answers a question is found.

use std::{fmt::Write as _, sync::Arc};

use alula_llm::model::Purpose;
use alula_rag::{
    Attributes, Embedder, NewEntry, Scope, SqlStore, Store, StoreSettings,
    search::{Mode, Query, Searcher, Weights},
    under_headings,
};
use anyhow::{Result, ensure};
use serde::Serialize;

use crate::corpus::{Corpus, Document};

/// How many hits are looked at.
const HITS: u32 = 10;
/// How many chunks are embedded in one call.
const BATCH: usize = 64;
const SCOPE: Scope<'static> = Scope { tenant: "bench", collection: "questions" };

/// How much words may count beside vectors, for which 1 is told.
const WEIGHTS: [f32; 5] = [2.0, 1.0, 0.5, 0.25, 0.1];

/// How good a way to search is, over all questions: 1 is best.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    mode: String,
    /// How often the document is among the first ten hits.
    recall_at_10: f64,
    /// One over its place there; nothing if it is not.
    mrr_at_10: f64,
    /// The same with a logarithm of the place.
    ndcg_at_10: f64,
    /// How often it is the first.
    recall_at_1: f64,
}

/// Indexes the documents, and asks all questions in each way there is.
pub(crate) async fn measure(
    corpus: &Corpus,
    embedder: Option<Arc<dyn Embedder>>,
) -> Result<Vec<Figures>> {
    let store = SqlStore::in_memory(&StoreSettings::default()).await?;
    for document in &corpus.documents {
        index(&store, document, embedder.as_deref()).await?;
    }
    let searcher = Searcher::new(Arc::new(store));
    let mut figures = vec![ask(&searcher, corpus, "keyword", Mode::Keyword, None).await?];
    let Some(embedder) = embedder else { return Ok(figures) };
    let searcher = searcher.with_embedder(embedder);
    figures.push(ask(&searcher, corpus, "vector", Mode::Vector, None).await?);
    figures.push(ask(&searcher, corpus, "hybrid", Mode::Hybrid, None).await?);
    for keyword in WEIGHTS {
        let weights = Weights { keyword, vector: 1.0 };
        let name = format!("{keyword} : 1");
        figures.push(ask(&searcher, corpus, &name, Mode::Hybrid, Some(weights)).await?);
    }
    Ok(figures)
}

async fn index(
    store: &SqlStore,
    document: &Document,
    embedder: Option<&dyn Embedder>,
) -> Result<()> {
    let at = SCOPE.entry(&document.name);
    let attributes = Attributes::default();
    let new = NewEntry { at, filename: &document.name, attributes: &attributes, chunking: None };
    store.put_entry(&new).await?;
    store.put_chunks(at, "1", &document.chunks).await?;
    let model = embedder.map(Embedder::model);
    if let Some(embedder) = embedder {
        let mut first = 0;
        for batch in document.chunks.chunks(BATCH) {
            let texts: Vec<String> =
                batch.iter().map(|chunk| under_headings(&chunk.headings, &chunk.text)).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let vectors = embedder.embed(&texts, Purpose::Document).await?;
            store.put_vectors(at, "1", embedder.model(), first, &vectors).await?;
            first += u32::try_from(batch.len())?;
        }
    }
    store.publish(at, "1", u32::try_from(document.chunks.len())?, model).await?;
    Ok(())
}

async fn ask(
    searcher: &Searcher,
    corpus: &Corpus,
    name: &str,
    mode: Mode,
    weights: Option<Weights>,
) -> Result<Figures> {
    ensure!(!corpus.questions.is_empty(), "there is nothing to ask");
    let mut places: Vec<Option<f64>> = Vec::new();
    for question in &corpus.questions {
        let mut query = Query { limit: HITS, mode, ..Query::new(&question.text) };
        query.weights = weights.unwrap_or(query.weights);
        let found = searcher.search(SCOPE, &query).await?;
        let numbered = (1_u32..).zip(&found.hits);
        let mut right = numbered.filter(|(_, hit)| hit.document == question.document);
        places.push(right.next().map(|(place, _)| f64::from(place)));
    }
    let mean = |of: fn(f64) -> f64| {
        let sum: f64 = places.iter().flatten().map(|place| of(*place)).sum();
        sum / f64::from(u32::try_from(places.len()).unwrap_or(u32::MAX))
    };
    Ok(Figures {
        mode: name.to_owned(),
        recall_at_10: mean(|_| 1.0),
        mrr_at_10: mean(|place| 1.0 / place),
        // The best there can be is one document at the first place.
        ndcg_at_10: mean(|place| 1.0 / (place + 1.0).log2()),
        recall_at_1: mean(|place| if place < 2.0 { 1.0 } else { 0.0 }),
    })
}

/// The figures, for people.
pub(crate) fn table(figures: &[Figures]) -> String {
    let mut table =
        format!("\n{:<8}  {:>9}  {:>9}  {:>9}  {:>9}\n", "", "R@10", "MRR@10", "nDCG@10", "R@1");
    for it in figures {
        let Figures { mode, recall_at_10, mrr_at_10, ndcg_at_10, recall_at_1 } = it;
        let _ = writeln!(
            table,
            "{mode:<8}  {recall_at_10:>9.3}  {mrr_at_10:>9.3}  {ndcg_at_10:>9.3}  {recall_at_1:>9.3}"
        );
    }
    table
}

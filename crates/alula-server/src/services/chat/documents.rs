//! Answers from documents: what a model gets to read of them, and what it cites.

use alula::{ApiError as _, HttpError, Validate};
use alula_rag::{
    answer::{
        CitationReader, NOT_IN_DOCUMENTS, Passage, PassageLimits, Piece as Read, passages, prompt,
    },
    search::{Filter, QUERY_BYTES_MAX, Query, SearchMode, Selection, WINDOW},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ChatRequest;
use crate::{
    error::CallError,
    services::{
        admission::Caller,
        retrieval::{DEFAULT_COLLECTION, Place, Retrieval, not_embedded, parsed, reason},
    },
};

/// The most parts of documents that a model reads for one answer.
const PARTS_MAX: usize = 50;
/// How much of the question before is searched for, in bytes.
const BEFORE_BYTES_MAX: usize = 200;
/// The most documents that an answer can be held to by their names.
const DOCUMENTS_MAX: usize = 100;

/// Whether to answer from documents, and from which.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
pub(crate) enum UseDocuments {
    /// Whether to answer from all of them.
    Switch(bool),
    /// From some of them.
    Chosen(Box<ChosenDocuments>),
}

/// From which documents to answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChosenDocuments {
    /// How many parts of documents the model reads, at most; 12 if it is absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = PARTS_MAX))]
    limit: Option<usize>,
    /// What attributes they have; as `filters` of `POST /search`.
    #[serde(default)]
    filters: Option<Map<String, Value>>,
    /// Which they are; all of them if it is absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = DOCUMENTS_MAX))]
    document_ids: Option<Vec<String>>,
    /// Whether archived ones are read as well.
    #[serde(default)]
    include_archived: bool,
}

impl ChosenDocuments {
    pub(crate) fn with_limit(limit: Option<usize>) -> Self {
        Self { limit, ..Self::default() }
    }

    fn selection(self) -> Result<Selection, HttpError> {
        let Self { filters, document_ids, include_archived, .. } = self;
        let filter: Option<Filter> = match filters {
            Some(filters) => Some(parsed(filters, &["use_documents", "filters"])?),
            None => None,
        };
        Ok(Selection { filter, include_archived, documents: document_ids })
    }
}

/// What is wrong with the documents of a request.
pub(super) fn check(request: &ChatRequest) -> Result<(), HttpError> {
    match request.chosen() {
        Some(chosen) => chosen.selection().map(drop),
        None => Ok(()),
    }
}

/// What was found for a question, and what is cited of it.
#[derive(Debug)]
pub(super) struct Grounded {
    mode: SearchMode,
    /// Why it was not searched by vectors, where it should have been.
    fallback: Option<String>,
    /// Nothing where nothing fits: then no model is asked.
    reader: Option<CitationReader>,
    citations: Vec<Citation>,
    unmarked: Unmarked,
}

/// An answer without its marks, which mean nothing without the citations: so it is kept.
#[derive(Debug, Default)]
struct Unmarked {
    text: String,
    /// Spaces that go with the mark behind them, if that comes next.
    spaces: usize,
}

impl Unmarked {
    fn push(&mut self, text: &str) {
        let words = text.trim_end_matches(' ');
        if !words.is_empty() {
            self.text.extend(std::iter::repeat_n(' ', std::mem::take(&mut self.spaces)));
            self.text.push_str(words);
        }
        self.spaces += text.len() - words.len();
    }
}

/// A part of a document that an answer cites.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Citation {
    /// Its number, which stands in the answer in square brackets.
    pub(crate) number: u32,
    pub(crate) document_id: String,
    /// What the file of the document is called.
    pub(crate) filename: String,
    /// On which page it begins, of a document that has pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<u32>,
    /// Where it stands in the text of the document.
    pub(crate) span: Place,
    /// Under which headings it stands, the highest first.
    pub(crate) headings: Vec<String>,
    /// What it says.
    pub(crate) text: String,
    /// The names of the chunks that it is made of.
    chunk_ids: Vec<String>,
    /// At which characters of the answer it is cited.
    at: Vec<usize>,
}

/// What an answer is from.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FromDocuments {
    /// What it cites, in the order in which it does.
    pub(crate) citations: Vec<Citation>,
    /// Whether the answer cites any of the documents.
    pub(crate) is_in_documents: bool,
    /// By what they were searched: `keyword` or `hybrid`.
    search_mode: &'static str,
    /// Why they were not searched by vectors, where they should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search_fallback: Option<String>,
}

/// The end of an answer.
#[derive(Debug)]
pub(super) struct Ended {
    /// The text that was held back.
    pub(super) rest: Option<String>,
    /// What there is more of the answer without marks.
    pub(super) unmarked: String,
    pub(super) documents: FromDocuments,
}

/// A piece of an answer.
pub(super) enum Piece {
    Text(String),
    /// What has not been cited before.
    Citation(Citation),
}

impl Grounded {
    /// Finds what a request is answered from, and puts it into the request.
    pub(super) async fn ground(
        caller: &Caller,
        retrieval: &Retrieval,
        request: &mut ChatRequest,
        before: Option<&str>,
    ) -> Result<Option<Self>, HttpError> {
        let Some(chosen) = request.chosen() else { return Ok(None) };
        // Before anything is paid for: is there anybody to read it?
        let model = request.model.as_deref().unwrap_or_default();
        let reads = caller
            .models()
            .input_tokens_max(model)
            .map_err(|error| CallError::Provider(error).into_http())?;
        let question = request.message.take().unwrap_or_default();
        let mut limits: PassageLimits = retrieval.passages().clone();
        limits.chunks_max = chosen.limit.unwrap_or(limits.chunks_max);
        if let Some(half) = reads.and_then(|reads| u32::try_from(reads / 2).ok()) {
            limits.tokens_max = limits.tokens_max.min(half);
        }
        // Not all that is found fits.
        let limit = u32::try_from(limits.chunks_max).unwrap_or(WINDOW).saturating_mul(3);
        let limit = limit.clamp(1, WINDOW);
        let query = Query {
            texts: queries(&question, before),
            limit,
            selection: chosen.selection()?,
            ..Query::new("")
        };
        let found = retrieval.search(caller, DEFAULT_COLLECTION, &query).await?;
        let prompt = prompt(&question, passages(&found.hits, &limits));
        let fallback = found.fallback.as_ref().map(reason);
        match (&prompt, found.fallback) {
            (Some(_), _) => {}
            // Nobody knows what there is: by its vectors something might have been found.
            (None, Some(error)) => return Err(not_embedded(error)),
            // No call follows that would count.
            (None, None) => caller.admit_search().await?,
        }
        let reader = prompt.as_ref().map(|prompt| prompt.reader());
        let texts = prompt.iter().flat_map(|prompt| &prompt.messages).map(|it| it.text());
        match &*texts.collect::<Vec<_>>() {
            [rules, asked] => {
                let own = request.system_prompt.take().map(|own| format!("{own}\n\n{rules}"));
                request.system_prompt = Some(own.unwrap_or_else(|| rules.clone()));
                request.message = Some(asked.clone());
            }
            _ => request.message = Some(question),
        }
        Ok(Some(Self {
            mode: found.mode,
            fallback,
            reader,
            citations: Vec::new(),
            unmarked: Unmarked::default(),
        }))
    }

    /// What is answered without a model, where nothing fits.
    pub(super) fn plain_no(&self) -> Option<&'static str> {
        self.reader.is_none().then_some(NOT_IN_DOCUMENTS)
    }

    /// Reads the next part of the answer.
    pub(super) fn push(&mut self, text: &str) -> Vec<Piece> {
        let read = match &mut self.reader {
            Some(reader) => reader.push(text),
            None => vec![Read::Text(text.to_owned())],
        };
        read.into_iter().filter_map(|piece| self.taken(piece)).collect()
    }

    /// What there is more of the answer without marks, since this was asked last.
    pub(super) fn unmarked(&mut self) -> String {
        std::mem::take(&mut self.unmarked.text)
    }

    /// Ends the answer.
    pub(super) fn finish(self) -> Ended {
        let Self { mode, fallback, reader, citations, mut unmarked } = self;
        let rest = reader.map(CitationReader::finish).and_then(|it| it.rest);
        // It is no mark after all.
        unmarked.push(rest.as_deref().unwrap_or_default());
        // What a model says without a citation may be from anywhere.
        let is_in_documents = !citations.is_empty();
        let (search_mode, search_fallback) = (mode.as_str(), fallback);
        let documents = FromDocuments { citations, is_in_documents, search_mode, search_fallback };
        Ended { rest, unmarked: unmarked.text, documents }
    }

    /// Notes what is cited. What was cited before is no piece any more.
    fn taken(&mut self, piece: Read) -> Option<Piece> {
        let cited = match piece {
            Read::Text(text) => {
                self.unmarked.push(&text);
                return Some(Piece::Text(text));
            }
            Read::Mark(mark) => {
                self.unmarked.spaces = 0;
                return Some(Piece::Text(mark));
            }
            Read::Citation(cited) => cited,
        };
        let number = cited.passage.number;
        if let Some(known) = self.citations.iter_mut().find(|it| it.number == number) {
            known.at.push(cited.at);
            return None;
        }
        let citation = Citation::new(&cited.passage, cited.at);
        self.citations.push(citation.clone());
        Some(Piece::Citation(citation))
    }
}

impl Citation {
    fn new(passage: &Passage, at: usize) -> Self {
        Self {
            number: passage.number,
            document_id: passage.document.clone(),
            filename: passage.filename.clone(),
            page: passage.page,
            span: passage.span.into(),
            headings: passage.headings.clone(),
            text: passage.text.clone(),
            chunk_ids: passage.chunks.iter().map(ToString::to_string).collect(),
            at: vec![at],
        }
    }
}

/// What is searched for: the question, and the question with the beginning of the one before it, by
/// which "And how long does it take?" finds something too.
fn queries(question: &str, before: Option<&str>) -> Vec<String> {
    let cut = |text: &str, max: usize| {
        text.get(..text.floor_char_boundary(max)).unwrap_or_default().to_owned()
    };
    let question = cut(question, QUERY_BYTES_MAX / 3);
    match before {
        // The question first: of many words only the first are searched by.
        Some(before) => {
            let both = format!("{question}\n{}", cut(before, BEFORE_BYTES_MAX));
            vec![question, both]
        }
        None => vec![question],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_no_marks() {
        let mut unmarked = Unmarked::default();
        for text in ["A feather ", " ", "and a", " wing  "] {
            unmarked.push(text);
        }
        // A mark.
        unmarked.spaces = 0;
        unmarked.push(". ");
        unmarked.push("It\n");
        assert_eq!(unmarked.text, "A feather  and a wing. It\n");
    }

    #[test]
    fn what_is_kept_ends_with_what_was_held_back() {
        let reader = Some(CitationReader::new(&[]));
        let (mode, fallback) = (SearchMode::Keyword, None);
        let (citations, unmarked) = (Vec::new(), Unmarked::default());
        let mut grounded = Grounded { mode, fallback, reader, citations, unmarked };
        grounded.push("A feather, as in [1");
        assert_eq!(grounded.unmarked(), "A feather, as in");
        let ended = grounded.finish();
        assert_eq!((ended.rest.as_deref(), &*ended.unmarked), (Some("[1"), " [1"));
    }

    #[test]
    fn a_question_that_follows_another_is_searched_for_with_it() {
        assert_eq!(queries("How long?", None), ["How long?"]);
        assert_eq!(queries("How long?", Some("A flight.")), ["How long?", "How long?\nA flight."]);
        let long = "é".repeat(20_000);
        let bytes: usize = queries(&long, Some(&long)).iter().map(String::len).sum();
        assert!(bytes <= QUERY_BYTES_MAX);
    }
}

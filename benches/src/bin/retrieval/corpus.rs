//! Questions that people have asked, with the documents that answer them.
//!
//! They are from collections of such questions (FAQs). What stands under a question is a document
//! of its own, without the question: what is found has to be found by its answer. Manuals of the same
//! subjects are searched as well.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use alula_rag::{Chunk, Chunker, Extracted, Extractor, Kind};
use anyhow::{Context as _, Result, ensure};

use crate::EXTRACT;

/// Where the questions are: the package, the folder in it, and how the names of files end.
const QUESTIONS: [(&str, &str, &str); 3] = [
    ("debian-faq", "usr/share/doc/debian/FAQ", ".en.html"),
    ("python3.11-doc", "usr/share/doc/python3.11/html/faq", ".html"),
    ("r-doc-html", "usr/share/R/doc/manual", "R-FAQ.html"),
];
/// Where the manuals are.
const OTHERS: [(&str, &str, &str); 5] = [
    ("python3.11-doc", "usr/share/doc/python3.11/html/tutorial", ".html"),
    ("r-doc-html", "usr/share/R/doc/manual", "R-intro.html"),
    ("python3.11-doc", "usr/share/doc/python3.11/html/howto", ".html"),
    ("r-doc-html", "usr/share/R/doc/manual", "R-data.html"),
    ("r-doc-html", "usr/share/R/doc/manual", "R-admin.html"),
];
/// The fewest questions that say something.
const QUESTIONS_MIN: usize = 200;
/// The shortest answer, in characters: others only point elsewhere.
const ANSWER_CHARS_MIN: usize = 80;
/// What the lines begin with by which one turns the pages of a manual. They name the questions
/// beside this one.
const TURNS: [&str; 3] = ["Next:", "Previous:", "Up:"];
/// How large chunks are, in tokens, and how much of one is in the next: the model reads 256.
const TOKENS: u32 = 200;
const OVERLAP: u32 = 40;

/// A question, and the document that answers it.
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) document: String,
}

/// A document, as it is found.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) chunks: Vec<Chunk>,
}

/// All there is.
pub(crate) struct Corpus {
    pub(crate) questions: Vec<Question>,
    pub(crate) documents: Vec<Document>,
}

impl Corpus {
    /// Reads the packages, and of manuals so many chunks.
    pub(crate) async fn read(packages: &Path, others: usize) -> Result<Self> {
        let extractor = Extractor::this_program()?.arg(EXTRACT);
        let chunker = Chunker::new(TOKENS, OVERLAP)?;
        let mut corpus = Self { questions: Vec::new(), documents: Vec::new() };
        for path in files(packages, &QUESTIONS)? {
            let extracted = read(&extractor, &path).await?;
            for (number, (question, answer)) in sections(&extracted).into_iter().enumerate() {
                let name = format!("{}#{number}", path.strip_prefix(packages)?.display());
                let answer = Extracted { text: answer, ..Extracted::default() };
                let chunks = chunker.chunks(&answer).collect();
                corpus.questions.push(Question { text: question, document: name.clone() });
                corpus.documents.push(Document { name, chunks });
            }
        }
        let questions = corpus.questions.len();
        ensure!(questions >= QUESTIONS_MIN, "only {questions} questions were found");
        let most = corpus.chunks() + others;
        for path in files(packages, &OTHERS)? {
            let extracted = read(&extractor, &path).await?;
            let left = most.saturating_sub(corpus.chunks());
            let chunks: Vec<Chunk> = chunker.chunks(&extracted).take(left).collect();
            let name = path.strip_prefix(packages)?.display().to_string();
            if !chunks.is_empty() {
                corpus.documents.push(Document { name, chunks });
            }
        }
        Ok(corpus)
    }

    /// How many chunks all documents have.
    pub(crate) fn chunks(&self) -> usize {
        self.documents.iter().map(|document| document.chunks.len()).sum()
    }
}

async fn read(extractor: &Extractor, path: &Path) -> Result<Extracted> {
    let file = File::open(path).with_context(|| format!("no {}", path.display()))?;
    let extracted = extractor.extract(Kind::Html, file).await;
    extracted.with_context(|| format!("{} cannot be read", path.display()))
}

/// The files at these places, in their order.
fn files(packages: &Path, places: &[(&str, &str, &str)]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for (package, folder, end) in places {
        let folder = packages.join(package).join(folder);
        let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
        let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        found.retain(|path| path.to_string_lossy().ends_with(end));
        found.sort();
        ensure!(!found.is_empty(), "nothing in {} ends with {end}", folder.display());
        all.extend(found);
    }
    Ok(all)
}

/// The questions among the headings of a text, and what stands under each.
fn sections(extracted: &Extracted) -> Vec<(String, String)> {
    let ends = extracted.headings.iter().skip(1).map(|heading| heading.start);
    let ends = ends.chain([extracted.text.chars().count()]);
    let sections = extracted.headings.iter().zip(ends).filter_map(|(heading, end)| {
        let question = question(&heading.text)?;
        let length = end.saturating_sub(heading.start);
        let text: String = extracted.text.chars().skip(heading.start).take(length).collect();
        let lines = text.lines().skip(1);
        let lines = lines.filter(|line| !TURNS.iter().any(|turn| line.trim().starts_with(turn)));
        let answer = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
        (answer.chars().count() >= ANSWER_CHARS_MIN).then_some((question, answer))
    });
    sections.collect()
}

/// A heading without its number, if it is a question.
fn question(heading: &str) -> Option<String> {
    let of_number = |char: char| char.is_ascii_digit() || char == '.' || char.is_whitespace();
    let text = heading.trim_start_matches(of_number).trim_end_matches([' ', '¶']);
    let is_question = text.ends_with('?') && text.split_whitespace().count() > 2;
    is_question.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use alula_rag::Heading;

    use super::*;

    #[test]
    fn a_question_is_taken_from_its_answer() {
        let answer =
            "It is a small feather on the first finger of a wing, which birds spread ".repeat(2);
        let text = format!("# 1.2. What is an alula?¶\n{answer}\nNext: 1.3. And a wing?\n# End\n");
        let heading = |start, text: &str| Heading { start, level: 1, text: text.to_owned() };
        let end = text.chars().count() - 6;
        let headings = vec![heading(0, "1.2. What is an alula?¶"), heading(end, "End")];
        let found = sections(&Extracted { text, headings, ..Extracted::default() });
        assert_eq!(found, [("What is an alula?".to_owned(), answer.trim().to_owned())]);
    }
}

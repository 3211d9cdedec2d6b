//! Prints the text of a document, which is read in a process of its own:
//! `cargo run -p alula-rag --example extract -- manual.pdf`
//!
//! With `--each`, it says for each file what came of it, and what it cost.
#![expect(clippy::print_stderr, reason = "a program says what went wrong")]

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    process::ExitCode,
    time::Instant,
};

use alula_rag::{Chunker, Extracted, Extractor, Sniffer, child};

/// As the server has it: what a process may take depends on how its allocator takes it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        // This is the process that the extractor starts.
        ["extract-document", request] => return child::run(request),
        ["--each", ..] => each(arguments.get(1..).unwrap_or_default()),
        [path] => print(path),
        _ => Err("say which file to read, or `--each` and which files".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("extract: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn print(path: &str) -> Result<()> {
    let extracted = read(&extractor()?, path).await?;
    io::stdout().write_all(extracted.text.as_bytes())?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn each(paths: &[&str]) -> Result<()> {
    let extractor = extractor()?;
    let mut output = io::stdout().lock();
    for path in paths {
        let start = Instant::now();
        let came_of_it = match read(&extractor, path).await {
            Ok(extracted) => {
                let chunks = Chunker::default().chunks(&extracted).count();
                let (bytes, pages) = (extracted.text.len(), extracted.pages.len());
                let headings = extracted.headings.len();
                format!("{bytes} bytes, {pages} pages, {headings} headings, {chunks} chunks")
            }
            Err(error) => error.to_string(),
        };
        writeln!(output, "{path}\t{}\t{came_of_it}", start.elapsed().as_millis())?;
    }
    Ok(())
}

fn extractor() -> Result<Extractor> {
    Ok(Extractor::this_program()?.arg("extract-document"))
}

async fn read(extractor: &Extractor, path: &str) -> Result<Extracted> {
    let mut file = File::open(path)?;
    let mut sniffer = Sniffer::new(path, None)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        sniffer.push(buffer.get(..read).unwrap_or_default())?;
    }
    file.rewind()?;
    Ok(extractor.extract(sniffer.finish()?, file).await?)
}

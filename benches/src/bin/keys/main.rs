//! Whether the time that a wrong key takes tells how much of it is right.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement prints its figures")]

/// What the server makes of a key. It is included, as the server is a program and no library.
#[expect(dead_code, reason = "the server does more with a key than to check it")]
#[path = "../../../../crates/alula-server/src/services/keys/secret.rs"]
mod secret;
mod welch;

use std::{fs, hint::black_box, path::PathBuf, process::ExitCode, time::Instant};

use alula::Secret;
use alula_benches::{figures::percentile, machine};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use serde_json::{Value, json};

use self::{
    secret::{NewKey, ShownKey, checksum},
    welch::Sample,
};

/// Times keys of which all but one letter is right, and keys of which none is.
#[derive(Debug, Parser)]
struct Options {
    /// Where the figures go, as JSON.
    #[arg(long)]
    output: PathBuf,
    /// How many keys of each kind are tried.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pairs: u32,
}

/// Where |t| says that the two kinds differ; by chance alone it gets there once in 100,000 times.
const T_MAX: f64 = 4.5;
/// The slowest of all are left out: then something else was done on the core.
const KEPT: f64 = 0.95;
/// How many keys are made before they are tried.
const BATCH: u32 = 1_000;
/// The letters of a key behind its secret.
const CHECKSUM_LETTERS: usize = 6;

/// Whether a key is right, in one way or another.
struct Subject {
    name: &'static str,
    accepts: fn(&NewKey, &str) -> bool,
    /// It is there to show that a difference would be seen.
    is_control: bool,
}

const SUBJECTS: [Subject; 2] = [
    Subject { name: "as the server does it", accepts: by_hash, is_control: false },
    Subject { name: "letter by letter", accepts: by_letters, is_control: true },
];

fn by_hash(key: &NewKey, guess: &str) -> bool {
    ShownKey::parse(guess).is_some_and(|shown| shown.hash == key.hash)
}

fn by_letters(key: &NewKey, guess: &str) -> bool {
    key.text.expose().bytes().zip(guess.bytes()).all(|(right, shown)| black_box(right) == shown)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keys: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if !machine::pin_self(0) {
        println!("Nothing is pinned to a core.");
    }
    println!("|t| of Welch's test over {} pairs; from {T_MAX} on, time tells", options.pairs);
    let mut figures: Vec<Value> = Vec::new();
    let mut wrong = Vec::new();
    for subject in &SUBJECTS {
        let t = measure(subject, options.pairs)?.abs();
        println!("  {:<24} {t:>8.2}", subject.name);
        figures.push(json!({"check": subject.name, "pairs": options.pairs, "t": t}));
        if (t >= T_MAX) != subject.is_control {
            wrong.push(format!("{}: |t| is {t:.2}", subject.name));
        }
    }
    let folder = options.output.parent().context("the output has a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(&options.output, serde_json::to_string_pretty(&figures)?)?;
    match wrong.is_empty() {
        true => Ok(()),
        false => bail!("not as it should be: {}", wrong.join("; ")),
    }
}

/// The t of the two kinds of keys, which come in an order that is left to chance.
///
/// There are two keys, of which now one and now the other is the right one. What is near the one
/// is far from the other, so that both kinds are the same texts: only what is right of them differs.
fn measure(subject: &Subject, pairs: u32) -> Result<f64> {
    let one = NewKey::generate()?;
    let keys = [unlike(&one)?, one];
    for key in &keys {
        ensure!((subject.accepts)(key, key.text.expose()), "the right key is refused");
    }
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for _ in 0..pairs.div_ceil(BATCH) {
        let mut guesses = Vec::new();
        for _ in 0..BATCH {
            let Chance { letter, is_near_first, is_swapped } = Chance::new()?;
            let [one, two] = &keys;
            let (right, other) = if is_swapped { (two, one) } else { (one, two) };
            let mut pair =
                [(right, true, nearly(right, letter)?), (right, false, nearly(other, letter)?)];
            if !is_near_first {
                pair.reverse();
            }
            guesses.extend(pair);
        }
        for (right, is_near, guess) in &guesses {
            let started = Instant::now();
            let accepted = black_box((subject.accepts)(black_box(right), black_box(guess)));
            let nanoseconds = started.elapsed().as_secs_f64() * 1e9;
            ensure!(!accepted, "a wrong key is taken");
            if *is_near { near.push(nanoseconds) } else { far.push(nanoseconds) }
        }
    }
    let most = percentile(&mut [near.as_slice(), &far].concat(), KEPT);
    let kept = |times: Vec<f64>| times.into_iter().filter(|time| *time <= most).collect::<Sample>();
    Ok(welch::t(kept(near), kept(far)))
}

/// What is left to chance, by the secret of a random key.
struct Chance {
    letter: char,
    is_near_first: bool,
    is_swapped: bool,
}

impl Chance {
    fn new() -> Result<Self> {
        let key = NewKey::generate()?;
        let (_, secret) = parts(&key)?;
        let mut letters = secret.chars();
        let mut next = || letters.next().context("a secret is longer");
        let (letter, order, turn) = (next()?, next()?, next()?);
        let is_even = |letter| u32::from(letter) % 2 == 0;
        Ok(Self { letter, is_near_first: is_even(order), is_swapped: is_even(turn) })
    }
}

/// The key but for the last letter of its secret, which would be the last to be guessed.
fn nearly(key: &NewKey, letter: char) -> Result<String> {
    let (head, secret) = parts(key)?;
    let mut body = format!("{head}{secret}");
    let last = body.pop();
    body.push(if last == Some(letter) { other_than(letter) } else { letter });
    Ok(checked(body))
}

/// A key with the same id and a secret that begins with another letter.
fn unlike(key: &NewKey) -> Result<NewKey> {
    let other = NewKey::generate()?;
    let ((head, right), (_, wrong)) = (parts(key)?, parts(&other)?);
    let (first, rest) = wrong.split_at_checked(1).context("a secret is longer")?;
    let is_same = right.starts_with(first);
    let first = first.chars().map(|letter| if is_same { other_than(letter) } else { letter });
    let text = checked(head.chars().chain(first).chain(rest.chars()).collect());
    let shown = ShownKey::parse(&text).context("it is no key")?;
    Ok(NewKey { id: shown.id, text: Secret::new(text), hash: shown.hash })
}

/// What stands before the secret of a key, and the secret without its checksum.
fn parts(key: &NewKey) -> Result<(&str, &str)> {
    let text = key.text.expose();
    let body = text.get(..text.len().saturating_sub(CHECKSUM_LETTERS)).context("it is no key")?;
    let start = body.rfind('-').context("it is no key")? + 1;
    body.split_at_checked(start).context("it is no key")
}

fn other_than(letter: char) -> char {
    if letter == 'a' { 'b' } else { 'a' }
}

/// With a checksum that is right, so that it is not refused for that.
fn checked(mut body: String) -> String {
    let end = checksum(body.as_bytes()).map(char::from);
    body.extend(end);
    body
}

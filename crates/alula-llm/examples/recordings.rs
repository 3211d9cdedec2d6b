//! Puts every recorded provider call below a folder through the adapters and looks for losses.
//!
//! ```text
//! cargo run -p alula-llm --features testing --example recordings -- DIR
//! ```
//!
//! One line for each call of which something is lost, then what no adapter speaks, then
//! `N passed, N failed`. The exit code is 1 if a call failed, and 2 if there was none to check.

use std::{collections::BTreeMap, env, process::ExitCode};

use alula_llm::testing::{Cassettes, Outcome, check};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what the program is for")]
async fn main() -> ExitCode {
    let Some(dir) = env::args_os().nth(1) else {
        eprintln!("usage: recordings DIR");
        return ExitCode::from(2);
    };
    let cassettes = match Cassettes::load(&dir) {
        Ok(cassettes) => cassettes,
        Err(error) => {
            eprintln!("cannot read the recordings: {error}");
            return ExitCode::from(2);
        }
    };
    for skipped in cassettes.skipped() {
        eprintln!("skipped {skipped}");
    }
    let (mut passed, mut failed) = (0_u32, 0_u32);
    let mut skipped: BTreeMap<String, u32> = BTreeMap::new();
    for call in cassettes.iter() {
        match check(call).await {
            Outcome::Passed => passed += 1,
            Outcome::Failed(reason) => {
                failed += 1;
                println!("{}: {} {}: {reason}", call.file.display(), call.method, call.path);
            }
            _ => *skipped.entry(format!("{} {}", call.method, call.path)).or_default() += 1,
        }
    }
    if !skipped.is_empty() {
        let paths: Vec<String> =
            skipped.iter().map(|(path, count)| format!("{count} × {path}")).collect();
        let count: u32 = skipped.values().sum();
        println!("skipped {count}, which no adapter speaks: {}", paths.join(", "));
    }
    println!("{passed} passed, {failed} failed");
    match (passed, failed) {
        (0, 0) => ExitCode::from(2),
        (_, 0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

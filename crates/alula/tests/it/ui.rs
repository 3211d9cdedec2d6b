//! The compiler's words for the commonest mistakes.

use std::process::Command;

/// The compiler that the expected words are from; another one words them differently.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn mistakes_are_named_by_the_compiler() {
    let rustc = option_env!("RUSTC").unwrap_or("rustc");
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    if !version.starts_with(COMPILER) {
        println!("skipped: the expected messages are those of {COMPILER}, not {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    #[cfg(feature = "jobs")]
    cases.compile_fail("tests/ui/jobs/*.rs");
    #[cfg(feature = "mcp")]
    cases.compile_fail("tests/ui/mcp/*.rs");
}

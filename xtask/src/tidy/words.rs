//! Words that may not be written, or only in some places.
//!
//! This file has to spell them, so it is the one that is not read.

use super::{
    Finding,
    source::{Line, Source},
};

/// Words that a rule forbids.
struct Rule {
    name: &'static str,
    words: &'static [&'static str],
    /// Whether a word only counts where it is not the end of a longer word or path.
    whole: bool,
    applies: fn(&Source, Line<'_>) -> bool,
    advice: &'static str,
}

const THIS_FILE: &str = "xtask/src/tidy/words.rs";

const RULES: &[Rule] = &[
    Rule {
        name: "unfinished",
        words: &["todo!", "unimplemented!", "dbg!", "TODO", "FIXME"],
        whole: true,
        applies: |_, _| true,
        advice: "finish it, or file an issue",
    },
    Rule {
        name: "machine-path",
        words: &["/work/", "/home/", "/root/", "/tmp/", "/Users/"],
        whole: true,
        applies: |_, _| true,
        advice: "no other machine has this path; ask for a temporary or current directory",
    },
    Rule {
        name: "registry",
        words: &["crates.io", "pypi.org", "pythonhosted.org", "registry.npmjs.org", "npmjs.com"],
        whole: false,
        applies: |source, _| source.path != "Cargo.lock",
        advice: "leave registries to the package managers; name the package only",
    },
    Rule {
        name: "provider-url",
        words: &[
            "api.openai.com",
            "openai.azure.com",
            "api.anthropic.com",
            "generativelanguage.googleapis.com",
            "api.groq.com",
            "api.mistral.ai",
            "api.deepseek.com",
            "openrouter.ai",
            "api.cerebras.ai",
            "api.x.ai",
            "api.together.xyz",
            "api.cohere.com",
        ],
        whole: false,
        applies: |source, line| is_code(source, line) && !source.is_in("crates/alula-llm/"),
        advice: "only alula-llm knows the addresses of providers; ask it",
    },
    Rule {
        name: "environment",
        words: &["env::var", "env::set_var", "env::remove_var"],
        whole: true,
        applies: |source, line| {
            is_code(source, line) && !is_program(source) && !is_for_programs(source)
        },
        advice: "take it as an argument; programs read the environment once, through alula::settings",
    },
    Rule {
        name: "print",
        words: &["print!(", "println!(", "eprint!(", "eprintln!("],
        whole: true,
        applies: |source, line| {
            is_code(source, line) && !is_program(source) && !is_for_programs(source)
        },
        advice: "return it or log it with tracing; only programs print",
    },
];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let read = sources.iter().filter(|source| source.path != THIS_FILE);
    read.flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in source.lines() {
        for rule in RULES {
            let found = rule.words.iter().find(|word| occurs(line.text, word, rule.whole));
            if let Some(word) = found.filter(|_| (rule.applies)(source, line)) {
                let advice = format!("`{word}`: {}", rule.advice);
                findings.push(Finding::new(&source.path, line.number, rule.name, advice));
            }
        }
    }
    findings
}

fn occurs(line: &str, word: &str, whole: bool) -> bool {
    let letter = |char: char| char.is_alphanumeric() || char == '_';
    // After a path or a macro anything may follow; letters alone may be part of another word.
    let letters = word.chars().all(char::is_alphabetic);
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        let part = before.is_some_and(|char| letter(char) || ".-}".contains(char))
            || letters && after.is_some_and(letter);
        !(whole && part)
    })
}

/// Code that is part of a product: no test, no comment, no documentation.
fn is_code(source: &Source, line: Line<'_>) -> bool {
    source.is_rust() && !line.test && !line.is_comment()
}

/// Code of a program, as opposed to a library.
fn is_program(source: &Source) -> bool {
    let folders = ["crates/alula-server/", "xtask/", "benches/", "examples/"];
    folders.iter().any(|folder| source.is_in(folder)) || source.path.contains("/examples/")
}

/// Code of a library that does for a program what only programs may do: read its settings, and
/// say what is wrong with them. For tests the settings are whether to call a provider.
fn is_for_programs(source: &Source) -> bool {
    let folders = [
        "crates/alula/src/settings/",
        "crates/alula/src/serve/workers",
        "crates/alula-llm/src/testing/cassette/mode.rs",
    ];
    folders.iter().any(|folder| source.is_in(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        assert_eq!(places(&check(&[source])), expected, "{text}");
    }

    const LIBRARY: &str = "crates/alula/src/lib.rs";
    const TEST: &str = "crates/alula/tests/it/main.rs";
    const PROGRAM: &str = "crates/alula-server/src/config.rs";

    #[test]
    fn nothing_is_left_unfinished() {
        let found = |rule| [format!("{LIBRARY}:1 {rule}")];
        for text in
            ["    todo!()", "// TODO: later", "unimplemented!(\"x\")", "x = dbg!(y);", "(FIXME)"]
        {
            check_text(LIBRARY, text, &found("unfinished").each_ref().map(String::as_str));
        }
        check_text("README.md", "ok\nTODO", &["README.md:2 unfinished"]);
        check_text(TEST, "todo!()", &["crates/alula/tests/it/main.rs:1 unfinished"]);
        check_text(LIBRARY, "let TODOS = my_todo!(); // a todo list", &[]);
    }

    #[test]
    fn no_path_of_one_machine() {
        check_text("README.md", "see /home/ada/x", &["README.md:1 machine-path"]);
        check_text(LIBRARY, "open(\"/tmp/x\")", &["crates/alula/src/lib.rs:1 machine-path"]);
        check_text(TEST, "open(\"/root/x\")", &["crates/alula/tests/it/main.rs:1 machine-path"]);
        check_text(LIBRARY, "\"https://example.org/home/x\" \"target/tmp/x\" \"{dir}/tmp/x\"", &[]);
    }

    #[test]
    fn no_registry() {
        check_text("README.md", "https://crates.io/crates/x", &["README.md:1 registry"]);
        check_text(
            "xtask/python/a.txt",
            "--index-url https://pypi.org",
            &["xtask/python/a.txt:1 registry"],
        );
        check_text("Cargo.lock", "github.com/rust-lang/crates.io-index", &[]);
    }

    #[test]
    fn provider_addresses_stay_in_alula_llm() {
        let text = "let url = \"https://api.openai.com/v1\";";
        check_text(PROGRAM, text, &["crates/alula-server/src/config.rs:1 provider-url"]);
        check_text("crates/alula-llm/src/openai.rs", text, &[]);
        check_text(TEST, text, &[]);
        check_text(PROGRAM, "/// By default `https://api.openai.com/v1`.", &[]);
    }

    #[test]
    fn libraries_read_no_environment() {
        let text = "let home = std::env::var_os(\"HOME\");";
        check_text(LIBRARY, text, &["crates/alula/src/lib.rs:1 environment"]);
        check_text(PROGRAM, text, &[]);
        check_text("crates/alula/src/serve/workers/role.rs", text, &[]);
        check_text(TEST, text, &[]);
        check_text("crates/alula/src/settings/mod.rs", text, &[]);
        check_text(LIBRARY, "env!(\"CARGO_PKG_VERSION\"); my_env::variable();", &[]);
    }

    #[test]
    fn libraries_do_not_print() {
        for text in ["println!(\"x\");", "    eprint!(\"x\");"] {
            check_text(LIBRARY, text, &["crates/alula/src/lib.rs:1 print"]);
            check_text(PROGRAM, text, &[]);
            check_text("crates/alula/examples/hello.rs", text, &[]);
        }
        check_text(LIBRARY, "/// println!(\"x\");", &[]);
        check_text(LIBRARY, "#[cfg(test)]\nmod tests {\n    println!(\"x\");\n}\n", &[]);
    }
}

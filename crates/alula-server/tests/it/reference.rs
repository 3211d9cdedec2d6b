//! The page of the book about the command line is what the binary says of itself.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p alula-server --test it reference` writes it anew.

use std::{fmt::Write as _, fs, path::Path};

use crate::process::alula;

#[test]
fn the_page_about_the_command_line_is_true() {
    let whole = help(&[]);
    let mut page = String::from(
        "# Command line\n\n\
         This page is made from `alula --help`. The environment variables of the server are at \
         the end of the first part.\n",
    );
    section(&mut page, "alula", &whole);
    let names = commands(&whole);
    assert!(names.contains(&"serve".to_owned()), "{names:?}");
    for name in names {
        let whole = help(&[&name]);
        section(&mut page, &format!("alula {name}"), &whole);
        for below in commands(&whole) {
            section(&mut page, &format!("alula {name} {below}"), &help(&[&name, &below]));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    #[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == page, "docs/reference/cli.md is not what `alula --help` says:\n{page}");
}

/// The commands that a text of help lists.
fn commands(help: &str) -> Vec<String> {
    let commands = help.split_once("Commands:\n").map(|(_, rest)| rest).unwrap_or_default();
    let lines = commands.lines().take_while(|line| !line.trim().is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn help(command: &[&str]) -> String {
    let ended = alula(&[command, &["--help"]].concat()).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

fn section(page: &mut String, title: &str, text: &str) {
    // Lines end where clap wraps them; what it pads them with is noise.
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    writeln!(page, "\n## `{title}`\n\n```text\n{}\n```", lines.join("\n")).unwrap();
}

//! `alula mcp install`.

#![cfg(unix)]

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Ended, alula};

fn install(home: &Path, arguments: &[&str]) -> Ended {
    let start = alula(&[&["mcp", "install"], arguments].concat());
    start.within(home).env("HOME", home).env("OPENAI_API_KEY", "sk-canary").end()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_program_starts_this_server_with_its_files_where_they_are() {
    let home = TempDir::new().unwrap();
    let done = install(home.path(), &["cursor", "--env", "OPENAI_API_KEY"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!format!("{done:?}").contains("canary"), "{done:?}");
    let path = home.path().join(".cursor/mcp.json");
    let server = &json_of(&path)["mcpServers"]["alula"];
    let command = Path::new(server["command"].as_str().unwrap());
    assert!(command.is_absolute() && command.is_file(), "{server}");
    assert_eq!(server["args"], json!(["mcp"]));
    assert_eq!(server["env"]["OPENAI_API_KEY"], "sk-canary");
    let spill = server["env"]["ALULA_USAGE_SPILL_DIR"].as_str().unwrap();
    assert!(Path::new(spill).is_absolute() && spill.ends_with("/data"), "{server}");
    let again = install(home.path(), &["cursor", "--env", "OPENAI_API_KEY"]);
    assert!(again.stdout.contains("names it so already"), "{again:?}");
    assert_eq!(files(path.parent().unwrap()), 1);

    // Files of documents that are elsewhere are found there, too.
    let start = alula(&["mcp", "install", "json"]).within(home.path());
    let printed = start.env("STORAGE_URL", "file://stored").end();
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    let storage = printed["mcpServers"]["alula"]["env"]["STORAGE_URL"].as_str().unwrap();
    assert!(storage.starts_with("file:///") && storage.ends_with("/stored"), "{printed}");

    let hinted = install(home.path(), &["claude-code"]);
    assert!(hinted.stderr.contains("--env names them: OPENAI_API_KEY"), "{hinted:?}");
    let server = &json_of(&home.path().join(".claude.json"))["mcpServers"]["alula"];
    assert_eq!(server["type"], "stdio");
    assert_eq!(server["env"]["OPENAI_API_KEY"], Value::Null);
}

#[test]
fn what_is_in_the_file_already_stays() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("desktop.json");
    let text = "{\n\t\"theme\":   \"dark\",\n\t\"mcpServers\": {\n\t\t\"notes\": { \"command\": \"old\" }\n\t}\n}\n";
    fs::write(&path, text).unwrap();
    let file = ["--file", path.to_str().unwrap()];
    let other = ["claude-desktop", "--name", "ferns", "--command", "npx"];
    let arguments = [&other[..], &file, &["--", "-y", "ferns"]].concat();

    let shown = install(home.path(), &[&["--dry-run"], &arguments[..]].concat());
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("+\t\t\"ferns\": {\n"), "{shown:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let done = install(home.path(), &arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    let after = fs::read_to_string(&path).unwrap();
    let start = text.split_once(" }\n").unwrap().0;
    assert!(after.starts_with(start), "{after}");
    let ferns = json!({ "command": "npx", "args": ["-y", "ferns"] });
    assert_eq!(json_of(&path)["mcpServers"]["ferns"], ferns);
    assert_eq!(files(home.path()), 2, "there is a copy of what was there");

    let taken = [&["claude-desktop", "--name", "notes", "--command", "new"], &file[..]].concat();
    let refused = install(home.path(), &taken);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--replace"), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), after);
    let replaced = install(home.path(), &[&taken[..], &["--replace"]].concat());
    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    assert_eq!(json_of(&path)["mcpServers"]["notes"]["command"], "new");
}

#[test]
fn a_file_that_is_not_json_is_left_alone() {
    let home = TempDir::new().unwrap();
    let path = home.path().join(".cursor/mcp.json");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let text = "{ // mine\n}";
    fs::write(&path, text).unwrap();
    let refused = install(home.path(), &["cursor"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("mcp.json: this is no JSON: "), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(files(path.parent().unwrap()), 1);
}

#[test]
fn a_server_that_runs_is_named_by_its_address() {
    let home = TempDir::new().unwrap();
    let url = ["--url", "http://127.0.0.1:8000/mcp", "--header", "Authorization: Bearer k"];
    let printed = install(home.path(), &[&["json"], &url[..]].concat());
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    let expected =
        json!({ "url": "http://127.0.0.1:8000/mcp", "headers": { "Authorization": "Bearer k" } });
    assert_eq!(printed["mcpServers"]["alula"], expected);
    let project = install(home.path(), &[&["claude-code", "--project", "."], &url[..]].concat());
    assert_eq!(project.code, Some(0), "{project:?}");
    assert_eq!(json_of(&home.path().join(".mcp.json"))["mcpServers"]["alula"]["type"], "http");
    let refused = install(home.path(), &[&["claude-desktop"], &url[..]].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("starts programs only"), "{refused:?}");
}

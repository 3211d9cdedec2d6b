//! `alula mcp bundle`.

use std::{fs, io::Read as _};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::alula;

#[test]
fn a_bundle_is_a_manifest_and_a_program() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("notes"), "#!/bin/sh\n").unwrap();
    let arguments = ["--name", "notes", "--command", "./notes", "--author", "Ada", "--ask"];
    let more = ["NOTES_FOLDER?", "--ask", "NOTES_KEY", "--env", "A=b", "--", "--verbose"];
    let start = alula(&[&["mcp", "bundle", "--release", "2.0.0"], &arguments[..], &more].concat());
    let done = start.within(dir.path()).end();
    assert_eq!(done.code, Some(0), "{done:?}");

    let file = fs::File::open(dir.path().join("notes-2.0.0.mcpb")).unwrap();
    let mut zip = zip::ZipArchive::new(file).unwrap();
    let mut text = String::new();
    zip.by_name("manifest.json").unwrap().read_to_string(&mut text).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&manifest["manifest_version"], &manifest["name"], &manifest["version"]),
        (&json!("0.3"), &json!("notes"), &json!("2.0.0"))
    );
    assert_eq!(manifest["author"], json!({ "name": "Ada" }));
    let config = json!({
        "command": "${__dirname}/server/notes",
        "args": ["--verbose"],
        "env": {
            "A": "b",
            "NOTES_FOLDER": "${user_config.notes_folder}",
            "NOTES_KEY": "${user_config.notes_key}",
        },
    });
    assert_eq!(manifest["server"]["mcp_config"], config);
    assert_eq!(manifest["user_config"]["notes_key"]["sensitive"], true);
    assert_eq!(manifest["user_config"]["notes_key"]["required"], true);
    assert_eq!(manifest["user_config"]["notes_folder"]["default"], "");
    let program = zip.by_name("server/notes").unwrap();
    assert_eq!(program.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");

    let missing = alula(&["mcp", "bundle", "--command", "./nothing"]).within(dir.path()).end();
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

//! The command line.

use std::net::TcpListener;

use serde_json::Value;

use crate::{
    process::{alula, replay, serve},
    recordings::fixtures,
};

#[test]
fn help_and_version_are_printed() {
    let help = alula(&["--help"]).end();
    assert_eq!(help.code, Some(0));
    for word in ["serve", "replay", "openapi", "--port", "OPENAI_API_KEY", "ALULA_DRAIN_SECONDS"] {
        assert!(help.stdout.contains(word), "no {word} in {}", help.stdout);
    }
    let version = alula(&["--version"]).end();
    assert_eq!(
        (version.code, &*version.stdout),
        (Some(0), concat!("alula ", env!("CARGO_PKG_VERSION"), "\n"))
    );
}

#[test]
fn a_command_that_does_not_exist_is_a_mistake() {
    let ended = alula(&["fly"]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("fly"), "{ended:?}");
}

#[tokio::test]
async fn the_document_is_the_one_that_is_served() {
    let printed = alula(&["openapi"]).end();
    assert_eq!(printed.code, Some(0));
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(serve().listen().get("/openapi.json").await.is(200), printed);
}

#[test]
fn without_a_command_it_serves() {
    let ended = alula(&["--port", "0"]).listen().end();
    assert_eq!(ended.code, Some(0));
}

#[test]
fn an_open_address_must_be_meant() {
    for host in ["0.0.0.0", "::"] {
        let refused = alula(&["serve", "--port", "0", "--host", host]).end();
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("--allow-unauthenticated"), "{refused:?}");
        assert!(refused.stderr.contains("requests need no key"), "{refused:?}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = fixtures().display().to_string();
    for command in [vec!["serve"], vec!["replay", &dir]] {
        let ended = alula(&[command, vec!["--port", &port]].concat()).end();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("--port") && ended.stderr.contains(&port), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn mistakes_in_the_environment_are_listed_together() {
    let ended = serve()
        .env("ALULA_FIRST_TOKEN_SECONDS", "soon")
        .env("ALULA_TOTAL_SECONDS", "-1")
        .env("ALULA_CONNECTIONS_MAX", "many")
        .env("ALULA_LOG_FORMAT", "xml")
        .end();
    assert_eq!(ended.code, Some(2));
    let names = ["FIRST_TOKEN_SECONDS", "TOTAL_SECONDS", "CONNECTIONS_MAX", "LOG_FORMAT"];
    for name in names {
        assert!(ended.stderr.contains(name), "no {name} in {}", ended.stderr);
    }
}

#[test]
fn an_address_of_a_provider_that_cannot_be_right_is_found_at_the_start() {
    let ended = serve().env("OPENAI_API_KEY", "sk-canary").env("OPENAI_BASE_URL", "nonsense").end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("nonsense"), "{ended:?}");
    assert!(!ended.stderr.contains("canary"), "{ended:?}");
}

#[test]
fn a_folder_without_recordings_is_a_mistake() {
    let missing = replay("/nowhere/at/all".as_ref(), &[]).end();
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("/nowhere/at/all"), "{missing:?}");
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let empty = replay(sources.as_ref(), &[]).end();
    assert_eq!(empty.code, Some(2));
    assert!(empty.stderr.contains("there is no recorded call below"), "{empty:?}");
}

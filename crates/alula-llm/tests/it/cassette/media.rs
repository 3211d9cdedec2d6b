//! Pictures and sounds, of which a cassette keeps what tells one from another.

use alula_llm::testing::{Cassette, Cassettes};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Client;
use serde_json::{Value, json};

use super::{
    Shelf, chunk, client, complaint, pieces, post,
    recorded::{ask, by_file},
    replay,
};
use crate::{
    recordings::root,
    server::{Server, Step, send},
};

/// In bytes.
const PICTURE: usize = 30_000;

fn picture(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
    bytes.resize_with(PICTURE, || random.u8(..));
    STANDARD.encode(bytes)
}

fn head(content_type: &str) -> Step {
    send(&format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    ))
}

/// A server that draws a picture, in a piece of 10,000 characters and the rest.
async fn painter() -> Server {
    let drawn = json!({"data": [{"b64_json": picture(1)}]}).to_string();
    let (first, second) = drawn.split_at(10_000);
    let steps = vec![head("application/json"), chunk(first), chunk(second), send("0\r\n\r\n")];
    Server::start(steps, false).await
}

async fn draw(cassette: &Cassette) -> String {
    let answer = post(&cassette.url(), &json!({"prompt": "a cat"})).await;
    let drawn: Value = answer.json().await.unwrap();
    drawn["data"][0]["b64_json"].as_str().unwrap().to_owned()
}

fn change(picture: &str) -> Value {
    json!({"prompt": "a dog", "image": {"url": format!("data:image/png;base64,{picture}")}})
}

async fn record(shelf: &Shelf, server: &Server) {
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let drawn = draw(&cassette).await;
    assert_eq!(drawn, picture(1));
    pieces(post(&cassette.url(), &change(&drawn)).await).await;
    cassette.finish();
}

#[tokio::test]
async fn a_picture_is_not_written_and_comes_back_as_another_one() {
    let (shelf, server) = (Shelf::new(), painter().await);
    record(&shelf, &server).await;
    let text = shelf.text();
    assert!(text.len() < 4_000 && !text.contains(&picture(1)[..100]), "{text}");

    let cassette = replay(&shelf.path()).await;
    let drawn = draw(&cassette).await;
    let bytes = STANDARD.decode(&drawn).unwrap();
    assert!(bytes.len() == PICTURE && bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_ne!(drawn, picture(1));
    // It is sent back, as the recorded one was.
    let changed = post(&cassette.url(), &change(&drawn)).await;
    assert_eq!(changed.status(), 200);
    cassette.finish();

    let cassette = replay(&shelf.path()).await;
    draw(&cassette).await;
    // Also where a test has a picture of its own.
    assert_eq!(post(&cassette.url(), &change(&picture(1))).await.status(), 200);
    cassette.finish();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn another_picture_is_another_call() {
    let (shelf, server) = (Shelf::new(), painter().await);
    record(&shelf, &server).await;
    let cassette = replay(&shelf.path()).await;
    draw(&cassette).await;
    let answer = post(&cassette.url(), &change(&picture(2))).await;
    assert_ne!(answer.status(), 200);
    let complaint = complaint(cassette.try_finish());
    assert!(complaint.contains("/body/image/url") && complaint.len() < 4_000, "{complaint}");
}

#[tokio::test]
async fn what_is_added_to_a_cassette_leaves_its_pictures() {
    let (shelf, server) = (Shelf::new(), painter().await);
    record(&shelf, &server).await;
    let before = shelf.text();
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    let drawn = draw(&cassette).await;
    pieces(post(&cassette.url(), &change(&drawn)).await).await;
    pieces(post(&cassette.url(), &json!({"prompt": "a bird"})).await).await;
    cassette.finish();
    let after = shelf.text();
    assert!(after.starts_with(&before) && after.len() > before.len(), "{after}");
}

#[tokio::test]
async fn pictures_can_be_kept() {
    let (shelf, server) = (Shelf::new(), painter().await);
    let builder = Cassette::record(shelf.path(), server.url()).keep_media();
    let cassette = builder.bytes_max(1 << 20).start().await.unwrap();
    draw(&cassette).await;
    cassette.finish();
    let cassette = Cassette::replay(shelf.path()).bytes_max(1 << 20).start().await.unwrap();
    assert_eq!(draw(&cassette).await, picture(1));
    cassette.finish();
}

#[tokio::test]
async fn a_sound_is_an_answer_as_a_whole() {
    let sound = format!("ID3{}", "x".repeat(5_000));
    let steps = vec![head("audio/mpeg"), chunk(&sound), send("0\r\n\r\n")];
    let (shelf, server) = (Shelf::new(), Server::start(steps, false).await);
    let question = json!({"input": "Hello"});
    let cassette = Cassette::record(shelf.path(), server.url()).start().await.unwrap();
    pieces(post(&cassette.url(), &question).await).await;
    cassette.finish();
    assert!(shelf.text().len() < 1_000, "{}", shelf.text());

    let cassette = replay(&shelf.path()).await;
    let (heard, whole) = pieces(post(&cassette.url(), &question).await).await;
    let heard = heard.concat();
    assert!(whole && heard.len() == sound.len() && heard.starts_with(b"ID3xxx"));
    assert_ne!(heard, sound.as_bytes());
    cassette.finish();
}

/// All that was ever recorded with a picture in it is found without it, too.
#[tokio::test]
async fn recordings_are_found_without_their_media() {
    let Some(root) = root() else { return };
    let client: Client = client();
    let calls = Cassettes::load(root).unwrap();
    let (mut set_aside, mut saved) = (0, 0);
    for (file, calls) in by_file(&calls) {
        let is_large = calls.iter().any(|it| it.request.to_string().len() + it.body.len() > 8_000);
        if !is_large {
            continue;
        }
        let mut sizes = Vec::new();
        for keeps in [true, false] {
            let shelf = Shelf::new();
            let provider = Cassette::replay(file).start().await.unwrap();
            let builder = Cassette::record(shelf.path(), provider.url()).bytes_max(usize::MAX);
            let builder = if keeps { builder.keep_media() } else { builder };
            let cassette = builder.start().await.unwrap();
            for call in &calls {
                pieces(ask(&client, &cassette.url(), call).await).await;
            }
            cassette.finish();
            let _ = provider.try_finish();
            sizes.push(shelf.text().len());
            let cassette =
                Cassette::replay(shelf.path()).bytes_max(usize::MAX).start().await.unwrap();
            for call in &calls {
                let answer = ask(&client, &cassette.url(), call).await;
                assert_eq!(answer.status(), call.status, "{}", file.display());
                let (bytes, _) = pieces(answer).await;
                assert_eq!(bytes.concat().len(), call.body.len(), "{}", file.display());
            }
            cassette.finish();
        }
        if let [kept, without] = sizes[..]
            && without < kept
        {
            set_aside += 1;
            saved += kept - without;
        }
    }
    println!("{set_aside} cassettes are {saved} bytes smaller without their media");
    assert!(set_aside > 0);
}

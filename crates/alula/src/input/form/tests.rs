//! The parser and the assembly of forms, whatever the pieces in which a body arrives.

use std::{convert::Infallible, time::Duration};

use axum::body::{Body, Bytes};
use futures_util::stream;
use proptest::prelude::*;

use super::{
    FormLimits,
    fields::Fields,
    multipart,
    parser::{Event, Malformed, Parser},
    spool::{BATCH_BYTES, Content},
};
use crate::{error::Result, input::reader::BodyReader, schema::Files as _};

/// The parts of a body that arrives in these pieces: heads and contents.
fn parts(boundary: &str, pieces: &[&[u8]]) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
    let mut parser = Parser::new(boundary.as_bytes(), 128)?;
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    let mut complete = 0;
    for piece in pieces {
        let mut rest = *piece;
        while let Some(event) = parser.next(&mut rest)? {
            match event {
                Event::Head(head) => {
                    assert_eq!(parts.len(), complete, "a head inside a part");
                    parts.push((String::from_utf8_lossy(head).into_owned(), Vec::new()));
                }
                Event::Data(data) => {
                    assert!(!data.is_empty(), "an event without data");
                    assert!(parts.len() > complete, "data outside of parts");
                    parts.last_mut().unwrap().1.extend_from_slice(data);
                }
                Event::End => complete += 1,
            }
        }
        assert!(rest.is_empty());
    }
    parser.finish()?;
    assert_eq!(parts.len(), complete);
    Ok(parts)
}

fn each_byte(body: &[u8]) -> Vec<&[u8]> {
    body.chunks(1).collect()
}

#[test]
fn a_body_is_split_into_its_parts() {
    let body = b"\r\n--B\r\na: 1\r\nb: 2\r\n\r\none\r\n--B \t\r\n\r\n\r\n--B\r\nc: 3\r\n\r\n\r\n\r\n--B--\r\nepilogue\r\n--B";
    let expected = [
        ("a: 1\r\nb: 2\r\n\r\n".to_owned(), b"one".to_vec()),
        ("\r\n".to_owned(), b"".to_vec()),
        ("c: 3\r\n\r\n".to_owned(), b"\r\n".to_vec()),
    ];
    assert_eq!(parts("B", &[body]).unwrap(), expected);
    assert_eq!(parts("B", &each_byte(body)).unwrap(), expected);
    assert_eq!(parts("B", &[b"--B--"]).unwrap(), []);
    assert_eq!(parts("B", &[]).unwrap(), []);
}

#[test]
fn what_only_looks_like_a_boundary_is_data() {
    let data = b"\r\n--\r\n--BX\r\r\n-\r\n--B\n--BC\r\n\r";
    for boundary in ["BC", "BC D"] {
        let start = format!("--{boundary}\r\n\r\n");
        let end = format!("\r\n--{boundary}--");
        let body = [start.as_bytes(), data, end.as_bytes()].concat();
        assert_eq!(parts(boundary, &[&body]).unwrap()[0].1, data);
        assert_eq!(parts(boundary, &each_byte(&body)).unwrap()[0].1, data);
    }
}

#[test]
fn what_is_no_multipart_body_is_refused() {
    let long = format!("--B\r\n{}", "x".repeat(129));
    for (body, error) in [
        ("preamble\r\n--B\r\n\r\n\r\n--B--", Malformed::Start),
        ("--C\r\n\r\n\r\n--C--", Malformed::Start),
        ("--BB\r\n\r\n\r\n--BB--", Malformed::Delimiter),
        ("--B\n\n\n--B--", Malformed::Delimiter),
        ("--B\r\n\r\nx\r\n--BB\r\n--B--", Malformed::Delimiter),
        ("--B\r\n\r\nx\r\n--B \r\r\n", Malformed::Delimiter),
        ("--B-x", Malformed::Delimiter),
        (&long, Malformed::HeadSize),
        ("--B", Malformed::Truncated),
        ("--B\r\na: 1\r\n", Malformed::Truncated),
        ("--B\r\n\r\nx", Malformed::Truncated),
        ("--B\r\n\r\nx\r\n--B", Malformed::Truncated),
        ("--B\r\n\r\nx\r\n--B-", Malformed::Truncated),
    ] {
        assert_eq!(parts("B", &[body.as_bytes()]), Err(error), "{body:?}");
        assert_eq!(parts("B", &each_byte(body.as_bytes())), Err(error), "{body:?}");
    }
    let boundary = "x".repeat(71);
    assert_eq!(parts(&boundary, &[]), Err(Malformed::BoundaryLength));
    assert_eq!(parts("", &[]), Err(Malformed::BoundaryLength));
    assert_eq!(parts("a\rb", &[]), Err(Malformed::BoundaryCharacter));
    assert_eq!(parts("ä", &[]), Err(Malformed::BoundaryCharacter));
    assert_eq!(parts(&boundary[1..], &[]), Ok(Vec::new()));
}

/// Pieces of bodies, so that what is put together comes close to being one.
fn near_bodies() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => Just(&b"\r\n--B"[..]),
        1 => Just(&b"--B"[..]),
        2 => Just(&b"\r\n"[..]),
        2 => Just(&b"\r\n\r\n"[..]),
        1 => Just(&b"--"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"a: b"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\xff\0"[..]),
    ];
    let start = prop_oneof![9 => Just(&b"--B\r\n\r\n"[..]), 1 => Just(&b""[..])];
    (start, proptest::collection::vec(token, 0..24))
        .prop_map(|(start, tokens)| [start, &tokens.concat()].concat())
}

proptest! {
    #[test]
    fn the_pieces_of_a_body_do_not_matter(
        body in near_bodies(),
        cuts in proptest::collection::vec(0_usize..64, 0..8),
    ) {
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut rest = &body[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let whole = parts("B", &[&body]);
        prop_assert_eq!(&parts("B", &pieces), &whole);
        prop_assert_eq!(&parts("B", &each_byte(&body)), &whole);
    }
}

/// A form with these files, in pieces of some KiB.
async fn read(limits: FormLimits, files: &[usize]) -> Result<Fields> {
    let mut body = Vec::new();
    for (at, len) in files.iter().enumerate() {
        let head =
            format!("--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{at}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend((0..*len).map(|at| u8::try_from(at % 251).unwrap()));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--B--");
    let pieces: Vec<_> =
        body.chunks(5000).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
    let body = Body::from_stream(stream::iter(pieces));
    let reader = BodyReader::new(body, usize::MAX, Duration::from_secs(10))?;
    multipart::read(reader, b"B", limits.bounds(), true).await
}

/// Where the files of a form are: in memory, or from where in the temporary file.
fn places(fields: &Fields) -> Vec<Option<u64>> {
    let place = |at| match fields.files.get(at).unwrap().content {
        Content::Memory(_) => None,
        Content::Disk { start, .. } => Some(start),
    };
    (0..fields.pairs.len()).map(place).collect()
}

#[tokio::test]
async fn large_files_share_one_temporary_file() {
    let limits = FormLimits::default().file_memory_bytes(10_000);
    let large = 3 * BATCH_BYTES + 17;
    let fields = read(limits, &[10_000, large, 0, 10_001, large]).await.unwrap();
    let second = u64::try_from(large).unwrap();
    assert_eq!(places(&fields), [None, Some(0), None, Some(second), Some(second + 10_001)]);
    for at in 0..fields.pairs.len() {
        assert!(fields.files.is_file(at));
        let file = super::UploadFile::new(fields.files.get(at).unwrap().clone());
        let bytes = file.bytes().await.unwrap();
        assert_eq!(u64::try_from(bytes.len()).unwrap(), file.size());
        let good = bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251);
        assert!(good, "file {at}");
    }
}

#[tokio::test]
async fn many_small_files_do_not_fill_the_memory() {
    let limits = FormLimits::default().memory_bytes(1000);
    let fields = read(limits, &[600, 300, 101, 100, 1]).await.unwrap();
    assert_eq!(places(&fields), [None, None, Some(0), None, Some(101)]);
    let error = read(limits.memory_bytes(100), &[0, 0]).await.unwrap_err();
    assert_eq!(error.status(), 413);
}

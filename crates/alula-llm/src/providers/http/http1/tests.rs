//! Whole answers, split wherever they can be.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use futures_util::FutureExt;
use hyper::{Method, Uri, header::HeaderMap};
use proptest::{collection::vec, prelude::*};

use super::{
    super::pool::{Origin, Pool},
    Connection, Request, call,
    script::{Script, read},
};

mod sending;

fn uri() -> Uri {
    Uri::from_static("http://a/x")
}

/// What an answer is to who asks, however it is split.
#[track_caller]
fn check_of(method: &Method, answer: &str, ends: bool, expected: &str) {
    let bytes = answer.as_bytes();
    let whole = VecDeque::from([bytes.to_vec()]);
    assert_eq!(read(method, whole, ends), expected, "{answer:?}");
    for at in 1..bytes.len() {
        let (one, two) = bytes.split_at(at);
        let pieces = VecDeque::from([one.to_vec(), two.to_vec()]);
        assert_eq!(read(method, pieces, ends), expected, "{answer:?} split at {at}");
    }
    let single = bytes.iter().map(|byte| vec![*byte]).collect();
    assert_eq!(read(method, single, ends), expected, "{answer:?} byte by byte");
}

/// The server leaves the connection open.
#[track_caller]
fn check(answer: &str, expected: &str) {
    check_of(&Method::POST, answer, false, expected);
}

/// The server ends the connection.
#[track_caller]
fn check_ended(answer: &str, expected: &str) {
    check_of(&Method::POST, answer, true, expected);
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn a_body_ends_where_its_head_says() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    check(&(head("content-length: 5\r\n") + "hello"), "200 hello, kept");
    check(&(head("Content-Length:5\r\nX: y\r\n") + "hello"), "200 hello, kept");
    check(&(head("content-length: 5\r\ncontent-length: 5\r\n") + "hello"), "200 hello, kept");
    check(&(head("content-length: 5, 5\r\n") + "hello"), "200 hello, kept");
    check(&head("content-length: 0\r\n"), "200 , kept");
    check(&(head("transfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n"), "200 hello, kept");
    check(
        &(head("transfer-encoding: gzip\r\ntransfer-encoding: x, Chunked\r\n")
            + "1\r\nh\r\n0\r\n\r\n"),
        "200 h, kept",
    );
    // Chunks win, and then the connection is not trusted.
    check(
        &(head("content-length: 3\r\ntransfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n"),
        "200 hello",
    );
    check(&head("content-length: 3\r\n"), "200 , waits");
    check(&(head("") + "hello"), "200 hello, waits");
    check_ended(&(head("") + "hello"), "200 hello");
    check_ended(&(head("transfer-encoding: chunked, gzip\r\n") + "5\r\n"), "200 5\r\n");
    check_ended(&(head("transfer-encoding: chunkedx\r\n") + "5\r\n"), "200 5\r\n");
}

#[test]
fn some_answers_have_no_body() {
    for head in ["204 No Content", "304 Not Modified"] {
        let status = &head[..3];
        for fields in ["", "content-length: 5\r\n", "transfer-encoding: chunked\r\n"] {
            check(&format!("HTTP/1.1 {head}\r\n{fields}\r\n"), &format!("{status} , kept"));
        }
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    check_of(&Method::HEAD, answer, false, "200 , kept");
    check_of(&Method::HEAD, CHUNKED, false, "200 , kept");
}

#[test]
fn lengths_that_are_none_are_refused() {
    for length in ["", "x", "-1", "+1", "1 1", "0x1", "1,", "18446744073709551616"] {
        check_ended(
            &format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nhello"),
            "the answer is not HTTP/1.1: its content-length is no number",
        );
    }
    for fields in ["content-length: 5, 6\r\n", "content-length: 5\r\ncontent-length: 6\r\n"] {
        check_ended(
            &format!("HTTP/1.1 200 OK\r\n{fields}\r\nhello"),
            "the answer is not HTTP/1.1: it has several content-lengths",
        );
    }
}

#[test]
fn chunks_may_look_like_this() {
    for (body, text) in [
        ("0\r\n\r\n", ""),
        ("0000000000000000\r\n\r\n", ""),
        ("1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef"),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
        ("5;x=y\r\nhello\r\n0;z\r\n\r\n", "hello"),
        ("5 \t\r\nhello\r\n0 ; z\r\n\r\n", "hello"),
        ("5\r\n\r\n\r\n0\r\n0\r\n\r\n", "\r\n\r\n0"),
        ("1\r\na\r\n0\r\nx: y\r\nz: 1\r\n\r\n", "a"),
    ] {
        check(&format!("{CHUNKED}{body}"), &format!("200 {text}, kept"));
    }
}

#[test]
fn chunks_may_not_look_like_this() {
    for (body, text, reason) in [
        ("\r\nhello", "", "a chunk has no size"),
        (";x\r\nhello", "", "a chunk has no size"),
        (" 5\r\nhello", "", "a chunk has no size"),
        ("-1\r\nhello", "", "a chunk has no size"),
        ("0x5\r\nhello", "", "a chunk size is no number"),
        ("5_\r\nhello", "", "a chunk size is no number"),
        ("5 5\r\nhello", "", "a chunk size is no number"),
        ("5\nhello", "", "a chunk size is no number"),
        ("5\rhello", "", "a line of the chunks does not end in CR and LF"),
        ("5;x\nhello", "", "a line feed stands alone in a chunk extension"),
        ("5\r\nhello\n0\r\n\r\n", "hello", "a chunk is longer than its size"),
        ("5\r\nhello\r0\r\n\r\n", "hello", "a chunk is longer than its size"),
        ("5\r\nhellooo\r\n", "hello", "a chunk is longer than its size"),
        ("1\r\na\r\n1\r\nb\r\nx", "ab", "a chunk has no size"),
        ("0\r\n\rx", "", "a line of the chunks does not end in CR and LF"),
        ("0\r\nx: y\rz", "", "a line of the chunks does not end in CR and LF"),
        ("10000000000000000\r\n", "", "a chunk size has too many digits"),
        ("00000000000000005\r\n", "", "a chunk size has too many digits"),
    ] {
        let expected = format!("200 {text}, the answer is not HTTP/1.1: {reason}");
        check_ended(&format!("{CHUNKED}{body}"), &expected);
    }
    // As large as it gets, which is no reason to make room for it.
    let expected = "200 hello, the connection ended inside the answer";
    check_ended(&format!("{CHUNKED}ffffffffffffffff\r\nhello"), expected);
}

#[test]
fn what_is_beside_a_body_is_limited() {
    let long = "x".repeat(16 << 10);
    let whole = |body: String| {
        let bytes = [CHUNKED.as_bytes(), body.as_bytes()].concat();
        let in_pieces = bytes.chunks(1000).map(<[u8]>::to_vec).collect();
        read(&Method::GET, in_pieces, true)
    };
    let extensions = "200 , the answer is not HTTP/1.1: the chunk extensions are too long";
    assert_eq!(whole(format!("5;{long}\r\nhello")), extensions);
    let blanks = "200 , the answer is not HTTP/1.1: there are too many blanks behind a chunk size";
    assert_eq!(whole(format!("5{}", " ".repeat(257))), blanks);
    let padded = "1       \r\na\r\n".repeat(5 << 10);
    assert_eq!(whole(padded + "0\r\n\r\n"), format!("200 {}", "a".repeat(5 << 10)));
    let many = "1;x=y\r\na\r\n".repeat(10 << 10);
    assert!(whole(many).ends_with("the chunk extensions are too long"));
    let trailers = "200 , the answer is not HTTP/1.1: the trailers are too long";
    assert_eq!(whole(format!("0\r\nx: {long}\r\n\r\n")), trailers);
    assert_eq!(whole(format!("0\r\n{}\r\n", "a: b\r\n".repeat(5 << 10))), trailers);
    assert_eq!(whole(format!("0;{}\r\nx: {0}\r\n\r\n", &long[4..])), "200 ");
    let head = |fields: String| format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    let read = |head: String| {
        read(&Method::GET, head.as_bytes().chunks(1000).map(<[u8]>::to_vec).collect(), true)
    };
    assert_eq!(read(head("x: y\r\n".repeat(100))), "200 ");
    let many = "the answer is not HTTP/1.1: too many headers";
    assert_eq!(read(head("x: y\r\n".repeat(101))), many);
    let long = "the answer is not HTTP/1.1: its head is too long";
    assert_eq!(read(head(format!("x: {}\r\n", "y".repeat(64 << 10)))), long);
}

#[test]
fn answers_that_are_only_announced_are_skipped() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na";
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    check(&format!("{early}{answer}"), "200 a, kept");
    let often = "HTTP/1.1 102 Processing\r\n\r\n".repeat(33);
    let expected = "the answer is not HTTP/1.1: it is announced too often";
    check(&format!("{often}{answer}"), expected);
    let expected = "the answer is not HTTP/1.1: it goes on in another protocol";
    check("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", expected);
}

#[test]
fn what_is_no_head_is_refused_at_once() {
    for (answer, reason) in [
        ("SSH-2.0-x\r\n", "invalid HTTP version"),
        ("HTTP/2 200 OK\r\n", "invalid HTTP version"),
        ("HTTP/1.1 2x0 OK\r\n", "invalid response status"),
    ] {
        let whole = VecDeque::from([answer.as_bytes().to_vec()]);
        let expected = format!("the answer is not HTTP/1.1: {reason}");
        assert_eq!(read(&Method::GET, whole, false), expected);
    }
    check("HTTP/1.1 000 \r\n\r\n", "the answer is not HTTP/1.1: it has no status");
    check("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "the answer is not HTTP/1.1: invalid header name");
    let expected = "the answer is not HTTP/1.1: HTTP/1.0 has no transfer encodings";
    check("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", expected);
}

#[test]
fn empty_lines_before_a_head_are_no_part_of_it() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na";
    check(&format!("\r\n\r\n\n{answer}"), "200 a, kept");
    // However many there are, none is looked at twice.
    let many = vec![b"\r\n".to_vec(); 100_000].into_iter().chain([answer.as_bytes().to_vec()]);
    assert_eq!(read(&Method::GET, many.collect(), false), "200 a, kept");
}

#[test]
fn a_connection_is_kept_where_the_server_keeps_it() {
    let answer = |version: &str, fields: &str| {
        format!("HTTP/{version} 200 OK\r\ncontent-length: 1\r\n{fields}\r\na")
    };
    check(&answer("1.1", "connection: keep-alive\r\n"), "200 a, kept");
    check(&answer("1.1", "connection: close\r\n"), "200 a");
    check(&answer("1.1", "connection: x, Close\r\n"), "200 a");
    check(&answer("1.1", "connection: close\r\nconnection: keep-alive\r\n"), "200 a");
    check(&answer("1.0", ""), "200 a");
    check(&answer("1.0", "connection: Keep-Alive\r\n"), "200 a, kept");
    // What nobody has asked for.
    check(&(answer("1.1", "") + "HTTP/1.1 200 OK\r\n"), "200 a");
    check(&format!("{CHUNKED}0\r\n\r\nx"), "200 ");
    check("HTTP/1.1 204 No Content\r\n\r\nx", "204 ");
}

#[test]
fn an_end_inside_an_answer_is_an_error() {
    let cut_off = "the connection ended inside the answer";
    for (head, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "hello"),
        (CHUNKED, "3;x\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n"),
    ] {
        let cut = |answer: &str| {
            let bytes = answer.as_bytes().to_vec();
            read(&Method::GET, [bytes].into_iter().filter(|it| !it.is_empty()).collect(), true)
        };
        assert_eq!(cut(""), "the connection ended before the answer");
        (1..head.len()).for_each(|at| assert_eq!(cut(&head[..at]), cut_off));
        for at in 0..body.len() {
            let found = cut(&format!("{head}{}", &body[..at]));
            let text = found.strip_suffix(&format!(", {cut_off}")).unwrap();
            assert!("200 hello".starts_with(text), "{found}");
        }
        // Whatever comes after it, the answer is whole.
        assert_eq!(cut(&format!("{head}{body}")), "200 hello");
    }
}

#[test]
fn a_body_whose_end_is_there_need_not_be_read_to_it() {
    for (rest, is_kept) in [("0\r\n\r\n", true), ("0\r\n", false), ("1\r\na\r\n", false)] {
        let pieces = [CHUNKED, "5\r\nhello\r\n", rest].map(|piece| piece.as_bytes().to_vec());
        let script = Script { pieces: pieces.into(), ends: false };
        let pool = Arc::<Pool>::default();
        let link = Connection::new(script, Origin::of(&uri()).unwrap(), Arc::downgrade(&pool));
        let mut request = Request::new((&Method::GET, &uri()), &HeaderMap::new(), Bytes::new());
        let answer = call(link, &mut request).now_or_never().unwrap().unwrap();
        let mut body = answer.into_body();
        let piece = poll_fn(|cx| body.poll_piece(cx)).now_or_never().unwrap();
        assert_eq!(piece.unwrap().unwrap(), "hello");
        drop(body);
        assert_eq!(pool.take(&uri()).is_some(), is_kept, "{rest:?}");
    }
}

#[test]
fn headers_are_as_they_were_sent() {
    let answer = "HTTP/1.1 429 Slow\r\nRetry-After:  3 \r\nX-Empty:\r\nSet-Cookie: a\r\n\
        set-cookie: \u{fc}\r\ncontent-length: 0\r\n\r\n";
    let script = Script { pieces: [answer.as_bytes().to_vec()].into(), ends: false };
    let link = Connection::new(script, Origin::of(&uri()).unwrap(), Weak::new());
    let mut request = Request::new((&Method::GET, &uri()), &HeaderMap::new(), Bytes::new());
    let answer = call(link, &mut request).now_or_never().unwrap().unwrap();
    let headers = answer.headers();
    assert_eq!(headers["retry-after"], "3");
    assert_eq!(headers["x-empty"], "");
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().map(|it| it.as_bytes()).collect();
    assert_eq!(cookies, [b"a", "\u{fc}".as_bytes()]);
}

#[test]
fn large_bodies_come_whole() {
    let text: String = (0..50_000).map(|n| n.to_string()).collect();
    let length = text.len();
    for answer in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}"),
        format!("{CHUNKED}{length:x}\r\n{text}\r\n0\r\n\r\n"),
    ] {
        for size in [1000, 16 << 10, 100_000, answer.len()] {
            let pieces = answer.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(read(&Method::GET, pieces, false), format!("200 {text}, kept"));
        }
        let pieces = [answer.as_bytes()[..answer.len() - 10].to_vec()].into();
        assert!(read(&Method::GET, pieces, true).ends_with("ended inside the answer"));
    }
}

proptest! {
    #[test]
    fn a_body_comes_as_it_was_however_it_is_cut(
        chunks in vec(vec(any::<u8>(), 1..300), 0..20),
        extension in "(;[a-z]{0,9}){0,2}",
        trailer in "([a-z]{1,9}: [a-z]{0,9}\r\n){0,2}",
        sizes in vec(1_usize..500, 1..9),
    ) {
        let mut bytes = CHUNKED.as_bytes().to_vec();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
        let mut pieces = VecDeque::new();
        let mut rest = &bytes[..];
        for size in sizes.iter().cycle() {
            let (piece, later) = rest.split_at(rest.len().min(*size));
            pieces.push_back(piece.to_vec());
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&chunks.concat()).into_owned();
        prop_assert_eq!(read(&Method::GET, pieces, false), format!("200 {text}, kept"));
    }
}

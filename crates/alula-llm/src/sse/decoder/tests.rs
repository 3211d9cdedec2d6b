use proptest::prelude::*;

use super::*;

fn decode(chunks: &[&[u8]]) -> (Vec<Frame>, Result<(), Error>) {
    let mut decoder = Decoder::new(64);
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, decoder.finish())
}

fn event(event: &str, data: &str) -> Frame {
    Frame::Event(Event { event: event.to_owned(), data: data.to_owned(), id: None })
}

#[track_caller]
fn check(input: &str, expected: &[Frame]) {
    assert_eq!(decode(&[input.as_bytes()]), (expected.to_vec(), Ok(())), "in one piece");
    let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
    assert_eq!(decode(&bytes), (expected.to_vec(), Ok(())), "byte by byte");
}

#[test]
fn line_ends_may_be_lf_cr_or_both() {
    check("data: a\n\n", &[event("", "a")]);
    check("data: a\r\r", &[event("", "a")]);
    check("data: a\r\n\r\n", &[event("", "a")]);
    check("data: a\rdata: b\n\r\ndata: c\r\n\n", &[event("", "a\nb"), event("", "c")]);
}

#[test]
fn one_space_after_the_colon_is_not_data() {
    check("data:a\n\n", &[event("", "a")]);
    check("data:  a \n\n", &[event("", " a ")]);
}

#[test]
fn data_lines_are_joined_and_empty_ones_count() {
    check("data: a\ndata: b\n\n", &[event("", "a\nb")]);
    check("data\ndata\n\n", &[event("", "\n")]);
    check("data:\n\n", &[event("", "")]);
}

#[test]
fn an_event_without_data_is_none() {
    check("event: ping\n\ndata: a\n\n", &[event("", "a")]);
}

#[test]
fn comments_are_frames_and_do_not_end_an_event() {
    check(
        "data: a\n: wait\n:\ndata: b\n\n",
        &[Frame::Comment("wait".to_owned()), Frame::Comment(String::new()), event("", "a\nb")],
    );
}

#[test]
fn a_byte_order_mark_is_skipped_once() {
    check("\u{FEFF}data: a\n\n", &[event("", "a")]);
    check("\u{FEFF}\u{FEFF}data: a\n\n", &[]);
}

#[test]
fn unknown_fields_and_bad_values_are_ignored() {
    check("foo: bar\nid: a\0b\nretry: soon\ndata: a\n\n", &[event("", "a")]);
}

#[test]
fn ids_and_retry_times_are_kept() {
    let mut decoder = Decoder::new(64);
    decoder.push("retry: 1500\nid: 7\nevent: add\ndata: a\n\ndata: b\n\n");
    let expected =
        Event { event: "add".to_owned(), data: "a".to_owned(), id: Some("7".to_owned()) };
    assert_eq!(decoder.next(), Ok(Some(Frame::Event(expected))));
    assert_eq!(decoder.next(), Ok(Some(event("", "b"))));
    assert_eq!(decoder.last_event_id(), "7");
    assert_eq!(decoder.retry(), Some(Duration::from_millis(1500)));
}

/// A client that connects again must not skip the event that it has seen the id of only.
#[test]
fn an_id_counts_when_its_event_is_whole() {
    let mut decoder = Decoder::new(64);
    decoder.push("id: 7\ndata: a\n\nid: 8\ndata: b\n");
    while decoder.next().unwrap().is_some() {}
    assert_eq!(decoder.last_event_id(), "7");
    decoder.push("\nid: 9\n\n");
    assert!(decoder.next().unwrap().is_some());
    assert_eq!(decoder.last_event_id(), "8");
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!(decoder.last_event_id(), "9");
}

#[test]
fn a_stream_cut_inside_an_event_says_so() {
    for input in ["data: a", "data: a\n", "data: a\n\ndata: b\n", "data"] {
        let (frames, end) = decode(&[input.as_bytes()]);
        assert_eq!(end, Err(Error::Truncated), "{input:?}");
        assert!(frames.len() < 2);
    }
}

#[test]
fn limits_hold_for_lines_and_for_events() {
    let too_long = Err(Error::TooLong { limit: 64 });
    let line = "data: ".to_owned() + &"a".repeat(59);
    assert_eq!(decode(&[line.as_bytes()]).1, too_long, "a line without an end");
    assert_eq!(decode(&[line.as_bytes(), b"\n\n"]).1, too_long);
    let lines = "data: 0123456789\n".repeat(7);
    assert_eq!(decode(&[lines.as_bytes()]).1, too_long, "many lines");
    let fits = "data: ".to_owned() + &"a".repeat(58) + "\n\n";
    assert_eq!(decode(&[fits.as_bytes()]).1, Ok(()));
}

#[test]
fn text_that_is_not_utf8_is_an_error_and_stays_one() {
    let mut decoder = Decoder::new(64);
    decoder.push(b"data: \xff\n\ndata: a\n\n");
    assert_eq!(decoder.next(), Err(Error::InvalidUtf8));
    assert_eq!(decoder.next(), Err(Error::InvalidUtf8));
}

/// The events; a comment may have stood in one without data, which is not passed on.
fn events(frames: &[Frame]) -> Vec<&Frame> {
    frames.iter().filter(|frame| matches!(frame, Frame::Event(_))).collect()
}

/// An event of unknown fields may be twice as long as its data may be; just about that long, the
/// line ends must not tip it over in one split and not in another.
#[test]
fn the_longest_event_is_the_same_in_any_split() {
    for end in ["\n", "\r", "\r\n"] {
        for length in 50..64 {
            let line = "x".repeat(length);
            let events = format!("data: a{end}{end}id: 1{end}{line}{end}{line}{end}{end}data: b");
            let bytes: Vec<&[u8]> = events.as_bytes().chunks(1).collect();
            assert_eq!(decode(&bytes), decode(&[events.as_bytes()]), "{end:?}, {length}");
        }
    }
}

/// Text made of the pieces that matter to the decoder.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("\n".as_bytes()),
        Just("\r".as_bytes()),
        Just("\r\n".as_bytes()),
        Just("data:".as_bytes()),
        Just("data: ".as_bytes()),
        Just("event: x".as_bytes()),
        Just("id:1".as_bytes()),
        Just(": c".as_bytes()),
        Just("é€😀".as_bytes()),
        Just("\u{FEFF}".as_bytes()),
        Just(b"\xff".as_slice()),
        Just("aaaaaaaaaaaaaaaaaaaa".as_bytes()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        bytes in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut start = 0;
        for cut in cuts {
            chunks.push(&bytes[start..cut]);
            start = cut;
        }
        chunks.push(&bytes[start..]);
        prop_assert_eq!(decode(&chunks), decode(&[&bytes]));
    }

    #[test]
    fn the_bytes_of_a_frame_mean_the_frame(bytes in stream(), cut in any::<prop::sample::Index>()) {
        let mut decoder = Decoder::new(64);
        let (mut frames, mut passed_on) = (Vec::new(), Vec::new());
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        for chunk in [first, second] {
            decoder.push(chunk);
            while let Ok(Some(frame)) = decoder.next() {
                passed_on.extend_from_slice(decoder.raw());
                frames.push(frame);
                // What was passed on could end here, unless it waits for the rest of an event.
                if !decoder.raw().is_empty() {
                    let (read_again, end) = decode(&[&passed_on]);
                    prop_assert_eq!(events(&read_again), events(&frames));
                    prop_assert_eq!(end, Ok(()));
                }
            }
        }
    }
}

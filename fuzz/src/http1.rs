//! Answers by HTTP/1.1: where the bytes are split makes no difference.

use alula_llm::__fuzz;

/// The first byte says how the rest is split, and what comes after it.
pub fn run(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let (size, is_head, ends) = (usize::from(how >> 2) + 1, how & 1 > 0, how & 2 > 0);
    let read = |size: usize| {
        let pieces = bytes.chunks(size).map(<[u8]>::to_vec).collect();
        __fuzz::http1(pieces, is_head, ends)
    };
    let whole = read(bytes.len().max(1));
    for other in [read(size), read(1)] {
        // That a head is none may be seen at once, or only when all of it is there.
        let is_late = other == "waits" && whole.starts_with("the answer is not HTTP/1.1");
        assert!(whole == other || is_late, "{whole:?} {other:?}");
    }
}

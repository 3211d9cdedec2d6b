//! What a fuzz target calls.

use super::{
    parameters::Parameters,
    parser::{Event, Malformed, Parser},
    part::Head,
};

/// Reads a body as a multipart form, and panics if it matters in which pieces it arrives.
///
/// The first byte says how many of the next are the boundary, the second how long the pieces are.
pub fn multipart(data: &[u8]) {
    let [boundary, piece, rest @ ..] = data else { return };
    let Some((boundary, body)) = rest.split_at_checked(usize::from(*boundary)) else { return };
    let whole = events(boundary, body, body.len().max(1));
    assert_eq!(whole, events(boundary, body, usize::from(*piece).max(1)));
    let _ = Parameters::parse(body);
}

/// The heads and the contents of all parts.
fn events(boundary: &[u8], body: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut parser = Parser::new(boundary, 256)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    for mut rest in body.chunks(piece) {
        while let Some(event) = parser.next(&mut rest)? {
            match event {
                Event::Head(head) => {
                    let _ = Head::parse(head);
                    found.extend([head.to_vec(), Vec::new()]);
                }
                Event::Data(data) => found.last_mut().expect("a part").extend_from_slice(data),
                Event::End => {}
            }
        }
    }
    parser.finish()?;
    Ok(found)
}

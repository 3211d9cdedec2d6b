//! Bodies that were recorded as they came: compressed.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// The largest body that is decompressed, in bytes.
const BYTES_MAX: u64 = 256 << 20;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZLIB: u8 = 0x78;

/// The body without the encoding that its header names. Recorders may have decoded it, and left the
/// header.
pub(super) fn decoded(encoding: &str, body: &Bytes) -> Result<Bytes, String> {
    let encoding = encoding.trim().to_ascii_lowercase();
    let text = match encoding.as_str() {
        "gzip" | "x-gzip" if body.starts_with(GZIP) => read(MultiGzDecoder::new(&**body)),
        "deflate" if body.first() == Some(&ZLIB) => read(ZlibDecoder::new(&**body)),
        "gzip" | "x-gzip" | "deflate" | "identity" | "" => return Ok(body.clone()),
        _ if std::str::from_utf8(body).is_ok() => return Ok(body.clone()),
        other => {
            return Err(format!(
                "a body is compressed by {other:?}, which is not read: record it with \
                 `decode_compressed_response`"
            ));
        }
    };
    text.map_err(|error| format!("a body that is said to be {encoding:?} is not: {error}"))
}

fn read(from: impl Read) -> io::Result<Bytes> {
    let mut text = Vec::new();
    from.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    match text.len() as u64 > BYTES_MAX {
        true => Err(io::Error::other(format!("it is larger than {BYTES_MAX} bytes"))),
        false => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };

    use super::*;

    const TEXT: &[u8] = b"{\"a\":1}";

    fn gzip() -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(TEXT).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn bodies_are_read_as_their_header_says() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let zlib = Bytes::from(zlib.finish().unwrap());
        let plain = Bytes::from_static(TEXT);
        for (encoding, body) in [
            ("gzip", &gzip()),
            ("GZIP", &gzip()),
            ("deflate", &zlib),
            ("gzip", &plain),
            ("deflate", &plain),
            ("br", &plain),
            ("", &plain),
        ] {
            assert_eq!(decoded(encoding, body).as_deref(), Ok(TEXT), "{encoding}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let cut = gzip().slice(..12);
        let reason = decoded("gzip", &cut).unwrap_err();
        assert!(reason.starts_with("a body that is said to be \"gzip\" is not"), "{reason}");
        let reason = decoded("br", &Bytes::from_static(&[0xff, 0xfe])).unwrap_err();
        assert!(
            reason.starts_with("a body is compressed by \"br\", which is not read"),
            "{reason}"
        );
    }
}

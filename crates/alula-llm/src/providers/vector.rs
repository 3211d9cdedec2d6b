//! Vectors on the wire: numbers, or base64 of their bytes.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::{
    EmbedRequest, EmbedResponse, Error, ErrorKind, Result,
    model::{EmbedContent, EmbedInput, Encoding, Extra, Vectors},
};

/// How many numbers to make room for before they have come.
const DIMENSIONS_EXPECTED: usize = 1536;

/// A vector as it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) values: Vec<f32>,
    pub(super) encoding: Encoding,
}

/// A vector as it goes.
#[derive(Debug)]
pub(super) struct Leaving<'a> {
    pub(super) values: &'a [f32],
    pub(super) encoding: Encoding,
}

impl<'de> Deserialize<'de> for Arrived {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Numbers)
    }
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Arrived;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers, or base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Arrived, E> {
        let bytes = STANDARD.decode(text).map_err(|_| E::custom("a vector is not base64"))?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("a vector in base64 ends within a number"));
        }
        let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        Ok(Arrived { values, encoding: Encoding::Base64 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Arrived, A::Error> {
        let mut values = Vec::with_capacity(DIMENSIONS_EXPECTED);
        while let Some(number) = numbers.next_element()? {
            values.push(number);
        }
        Ok(Arrived { values, encoding: Encoding::Float })
    }
}

impl Serialize for Leaving<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.encoding {
            Encoding::Float => serializer.collect_seq(self.values),
            Encoding::Base64 => {
                let bytes: Vec<u8> =
                    self.values.iter().flat_map(|number| number.to_le_bytes()).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

/// Puts vectors that came in order into one piece, and says how they came.
pub(super) fn gather(
    arrived: impl ExactSizeIterator<Item = Arrived>,
) -> Result<(Vectors, Option<Encoding>)> {
    let mut vectors = Vectors::new();
    let mut encoding = None;
    let count = arrived.len();
    for vector in arrived {
        vectors.push(&vector.values)?;
        if encoding.is_none() {
            vectors.reserve(count.saturating_sub(1));
            encoding = Some(vector.encoding);
        }
    }
    Ok((vectors, encoding))
}

/// Other fields beside each vector, if any vector has some.
pub(super) fn some(beside: Vec<Extra>) -> Vec<Extra> {
    match beside.iter().all(Extra::is_empty) {
        true => Vec::new(),
        false => beside,
    }
}

/// Parses an answer of which the vectors are the most, without a tree of JSON between.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Decode, format!("the answer holds no vectors: {error}"))
            .with_body(&String::from_utf8_lossy(body))
    })
}

/// Writes an answer.
pub(super) fn write(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body)
        .map_err(|error| invalid(format!("the answer cannot be written: {error}")))
}

/// Finds out before a call whether there is anything to turn into vectors.
///
/// # Errors
///
/// [`ErrorKind::InvalidRequest`] when there is no input, or an empty one.
pub(crate) fn check_inputs(request: &EmbedRequest) -> Result<()> {
    if request.inputs.is_empty() {
        return Err(invalid("input: there is nothing to turn into a vector"));
    }
    let is_empty = |input: &EmbedInput| match &input.content {
        EmbedContent::Text(text) => text.is_empty(),
        EmbedContent::Tokens(tokens) => tokens.is_empty(),
        EmbedContent::Parts(parts) => parts.is_empty(),
        EmbedContent::Other(_) => false,
    };
    match request.inputs.iter().position(is_empty) {
        Some(index) => Err(invalid(format!("input[{index}]: it is empty"))),
        None => Ok(()),
    }
}

/// Whether an answer is one to this request.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when there are more or fewer vectors than inputs, or they have not as many
/// numbers as were asked for.
pub(crate) fn check_answer(request: &EmbedRequest, response: &EmbedResponse) -> Result<()> {
    let decode = |message: String| Err(Error::new(ErrorKind::Decode, message));
    let (asked, got) = (request.inputs.len(), response.vectors.len());
    if asked != got {
        return decode(format!("asked for {asked} vectors, got {got}"));
    }
    let got = u64::try_from(response.vectors.dimensions()).unwrap_or(u64::MAX);
    match request.dimensions {
        Some(asked) if asked != got => {
            decode(format!("asked for vectors of {asked} numbers, got {got}"))
        }
        _ => Ok(()),
    }
}

/// The fields of a JSON object.
pub(super) fn fields(body: Value) -> Result<Extra> {
    match body {
        Value::Object(fields) => Ok(fields),
        _ => Err(invalid("the request is not a JSON object")),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Arrived, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn numbers_and_base64_are_the_same() {
        let values = [0.1_f32, -2.0, 1e-30, 3.402_823_5e38];
        for encoding in [Encoding::Float, Encoding::Base64] {
            let written = serde_json::to_string(&Leaving { values: &values, encoding }).unwrap();
            let arrived = read(&written).unwrap();
            assert_eq!((&arrived.values[..], arrived.encoding), (&values[..], encoding));
        }
        // As OpenAI sends it.
        assert_eq!(read(r#""AACAPwAAAMA=""#).unwrap().values, [1.0, -2.0]);
        assert_eq!(read("[1, -2e0]").unwrap().values, [1.0, -2.0]);
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for bad in [r#""AACAP""#, r#""AACA""#, r#""?""#, "[null]", "[\"1\"]", "{}", "1", "null"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

//! Vectors without a model: texts that share words have vectors that are near to each other.

use crate::{
    EmbedRequest, EmbedResponse, Error, ErrorKind, Part, Result, Usage,
    model::{EmbedContent, Extra, Vectors},
};

/// How many numbers a vector has where a request does not say it.
const DIMENSIONS: usize = 256;
/// How many it may have at most.
const DIMENSIONS_MAX: usize = 4096;
/// How much a whole word counts beside the groups of three letters in it.
const WORD_WEIGHT: f32 = 3.0;

/// Answers a request, the same one always with the same vectors, of length one.
pub(super) fn embed(request: &EmbedRequest) -> Result<EmbedResponse> {
    let dimensions = request.dimensions.map_or(Ok(DIMENSIONS), usize::try_from);
    let dimensions = dimensions.ok().filter(|it| (1..=DIMENSIONS_MAX).contains(it));
    let dimensions = dimensions.ok_or_else(|| {
        invalid(format!("dimensions: the demo gives between 1 and {DIMENSIONS_MAX}"))
    })?;
    let mut vectors = Vectors::new();
    let mut input = 0;
    for (index, it) in request.inputs.iter().enumerate() {
        let text = text_of(&it.content)
            .ok_or_else(|| invalid(format!("input[{index}]: the demo reads text only")))?;
        input += super::words(&text);
        vectors.push(&vector(&text, dimensions))?;
    }
    let mut extra = Extra::new();
    extra.insert("note".to_owned(), "a demo: these vectors are hashes, no model was asked".into());
    Ok(EmbedResponse {
        model: "demo".to_owned(),
        vectors,
        usage: Some(Usage { input, ..Usage::default() }),
        extra,
        ..EmbedResponse::default()
    })
}

fn text_of(content: &EmbedContent) -> Option<String> {
    match content {
        EmbedContent::Text(text) => Some(text.clone()),
        EmbedContent::Tokens(tokens) => {
            let words: Vec<String> = tokens.iter().map(u32::to_string).collect();
            Some(words.join(" "))
        }
        EmbedContent::Parts(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(text.text.as_str()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(|texts| texts.join(" ")),
        EmbedContent::Other(_) => None,
    }
}

/// Each word, and each three letters of it, adds to a place that its hash chooses.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimensions];
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        add(&mut vector, word.as_bytes(), WORD_WEIGHT);
        let marked = format!("^{word}$");
        for letters in marked.as_bytes().windows(3) {
            add(&mut vector, letters, 1.0);
        }
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    } else if let Some(first) = vector.first_mut() {
        // A text without words, or whose words cancel each other out.
        *first = 1.0;
    }
    vector
}

fn add(vector: &mut [f32], bytes: &[u8], weight: f32) {
    // FNV-1a, whose last bits are mixed once more.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let count = u64::try_from(vector.len()).unwrap_or(u64::MAX);
    let place = usize::try_from((hash >> 1) % count.max(1)).ok();
    if let Some(value) = place.and_then(|place| vector.get_mut(place)) {
        *value += if hash & 1 == 0 { weight } else { -weight };
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &str, b: &str) -> f32 {
        let answer = embed(&EmbedRequest::new("demo").texts([a, b])).unwrap();
        let (a, b) = (answer.vectors.get(0).unwrap(), answer.vectors.get(1).unwrap());
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn similar_texts_are_nearer_and_all_have_length_one() {
        let feather = "The alula is a small feather on the wing of a bird.";
        assert!((near(feather, feather) - 1.0).abs() < 1e-5);
        assert!((near("…", "") - 1.0).abs() < 1e-5);
        let similar = near(feather, "Which feathers are on the wings of birds?");
        let other = near(feather, "Interest rates rose by half a percent.");
        assert!(similar > other + 0.1, "{similar} and {other}");
    }

    #[test]
    fn it_says_that_it_is_a_demo_and_what_it_cannot_do() {
        let answer = embed(&EmbedRequest::new("demo").text("two words").dimensions(8)).unwrap();
        assert_eq!((answer.vectors.dimensions(), answer.usage.unwrap().input), (8, 2));
        assert!(answer.extra["note"].as_str().unwrap().contains("demo"));
        for request in [
            EmbedRequest::new("demo").text("a").dimensions(0),
            EmbedRequest::new("demo").text("a").dimensions(u64::MAX),
            EmbedRequest::new("demo").image(crate::Media::url("https://x.example/a.png")),
        ] {
            assert_eq!(embed(&request).unwrap_err().kind(), &ErrorKind::InvalidRequest);
        }
    }
}

/// What a secret looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It was sent as a key.
    Sent,
    /// A key by its prefix, and whose.
    Key(&'static str),
    Bearer,
    Jwt,
    PrivateKey,
    /// Letters and digits in no order.
    Random,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sent => "a key that a client sent",
            Self::Key(name) => name,
            Self::Bearer => "a bearer token",
            Self::Jwt => "a JSON web token",
            Self::PrivateKey => "a private key",
            Self::Random => "letters and digits in no order, as in a secret",
        }
    }
}

/// Keys that are known by how they begin.
struct Prefix {
    text: &'static str,
    /// How much follows at least.
    length_min: usize,
    name: &'static str,
}

/// The longer of two prefixes comes first.
const PREFIXES: [Prefix; 21] = [
    Prefix { text: "sk-ant-", length_min: 16, name: "a key of Anthropic" },
    Prefix { text: "sk-or-", length_min: 16, name: "a key of OpenRouter" },
    Prefix { text: "sk-", length_min: 20, name: "a key of OpenAI or alike" },
    Prefix { text: "csk-", length_min: 20, name: "a key of Cerebras" },
    Prefix { text: "AIza", length_min: 35, name: "a key of Google" },
    Prefix { text: "ya29.", length_min: 20, name: "an access token of Google" },
    Prefix { text: "gsk_", length_min: 20, name: "a key of Groq" },
    Prefix { text: "xai-", length_min: 20, name: "a key of xAI" },
    Prefix { text: "pplx-", length_min: 20, name: "a key of Perplexity" },
    Prefix { text: "tgp_v1_", length_min: 20, name: "a key of Together" },
    Prefix { text: "hf_", length_min: 20, name: "a key of Hugging Face" },
    Prefix { text: "AKIA", length_min: 16, name: "a key of AWS" },
    Prefix { text: "ASIA", length_min: 16, name: "a key of AWS" },
    Prefix { text: "ABSK", length_min: 40, name: "a key of Amazon Bedrock" },
    Prefix { text: "ghp_", length_min: 20, name: "a token of GitHub" },
    Prefix { text: "gho_", length_min: 20, name: "a token of GitHub" },
    Prefix { text: "ghs_", length_min: 20, name: "a token of GitHub" },
    Prefix { text: "github_pat_", length_min: 20, name: "a token of GitHub" },
    Prefix { text: "glpat-", length_min: 16, name: "a token of GitLab" },
    Prefix { text: "xoxb-", length_min: 20, name: "a token of Slack" },
    Prefix { text: "sk_live_", length_min: 16, name: "a key of Stripe" },
];

/// Finds what looks like a secret, each with its text.
pub(crate) fn find(text: &str) -> Vec<(Kind, &str)> {
    let mut found = Vec::new();
    let mut scheme = "";
    for word in text.split(|char: char| !is_part_of_a_token(char)) {
        let kind = known(word).or_else(|| {
            let bearer =
                scheme.eq_ignore_ascii_case("bearer") && word.len() >= 16 && has_digit(word);
            bearer.then_some((Kind::Bearer, word))
        });
        found.extend(kind.or_else(|| Some((Kind::Random, random(word)?))));
        scheme = word;
    }
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        found.push((Kind::PrivateKey, text));
    }
    found
}

/// Whether a field holds something random that opens nothing: names of things, seals of thoughts,
/// pictures and sounds.
pub(crate) fn is_random_by_nature(field: &str) -> bool {
    const NAMES: [&str; 13] = [
        "b64_json",
        "blob",
        "boundary",
        "bytes",
        "data",
        "embedding",
        "encrypted_content",
        "encrypted_index",
        "file_data",
        "obfuscation",
        "sha256",
        "system_fingerprint",
        "thoughtSignature",
    ];
    let is_name = |end: &str| field == end || field.ends_with(&format!("_{end}"));
    NAMES.contains(&field) || field.ends_with("Id") || is_name("id") || is_name("signature")
}

/// What may be part of a key; a dot, since tokens have parts.
fn is_part_of_a_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-_.+/=~".contains(char)
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

/// A key in a word, which may begin in its middle: behind `key=` or a slash.
fn known(word: &str) -> Option<(Kind, &str)> {
    let is_inside = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    let mut previous = ' ';
    for (at, char) in word.char_indices() {
        let rest = word.get(at..).unwrap_or_default();
        if !previous.is_ascii_alphanumeric() {
            for prefix in &PREFIXES {
                let Some(key) = rest.strip_prefix(prefix.text) else { continue };
                let key = key.split(|char| !is_inside(char)).next().unwrap_or_default();
                // Words that are joined by hyphens have no digits, and keys have.
                if key.len() >= prefix.length_min && has_digit(key) {
                    let key = rest.get(..prefix.text.len() + key.len()).unwrap_or(rest);
                    return Some((Kind::Key(prefix.name), key));
                }
            }
            let is_jwt =
                rest.starts_with("eyJ") && rest.len() >= 40 && rest.matches('.').count() == 2;
            if is_jwt {
                return Some((Kind::Jwt, rest));
            }
        }
        previous = char;
    }
    None
}

/// The part of a word that is random.
fn random(word: &str) -> Option<&str> {
    // A key has a slash now and then, and a path has several.
    let is_path = word.starts_with('/') || word.contains('.') || word.matches('/').count() >= 3;
    let separators: &[char] = if is_path { &['/', '.', '='] } else { &['='] };
    word.split(separators).find(|part| looks_random(part))
}

/// Whether a word is made of letters of both cases and digits, as even as by chance.
fn looks_random(word: &str) -> bool {
    const LENGTHS: std::ops::RangeInclusive<usize> = 28..=256;
    /// Bits for each character.
    const ENTROPY_MIN: f64 = 4.0;
    let count = |is: fn(&u8) -> bool| word.bytes().filter(is).count();
    // Names that are written together have fewer capitals.
    let enough = word.len() / 8;
    LENGTHS.contains(&word.len())
        && count(u8::is_ascii_digit) > 0
        && count(u8::is_ascii_uppercase) >= enough
        && count(u8::is_ascii_lowercase) >= enough
        && entropy(word) >= ENTROPY_MIN
}

fn entropy(word: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in word.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length: f64 = counts.iter().copied().map(f64::from).sum();
    let used = counts.iter().copied().filter(|count| *count > 0).map(f64::from);
    used.map(|count| -count / length * (count / length).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, so that no scanner takes this file for a leak.
    fn fake(prefix: &str, length: usize) -> String {
        let letters = "Zx9Qw7Rt5Yp3Lk1Jh8Gf6Ds4Aa2Mn0Bv".chars().cycle();
        prefix.chars().chain(letters.take(length)).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[Kind]) {
        let kinds: Vec<Kind> = find(text).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, expected, "{text}");
    }

    #[test]
    fn keys_are_known_wherever_they_stand() {
        for prefix in &PREFIXES {
            let key = fake(prefix.text, prefix.length_min);
            let kind = Kind::Key(prefix.name);
            assert_eq!(find(&key), [(kind, &*key)]);
            for text in [
                format!("my key is {key}."),
                format!("https://x.example/?key={key}&a=1"),
                format!("{{\"key\":\"{key}\"}}"),
                format!("https://x.example/{key}/x"),
            ] {
                check(&text, &[kind]);
            }
        }
    }

    #[test]
    fn tokens_and_private_keys_are_known() {
        check(&format!("Authorization: Bearer {}", fake("", 20)), &[Kind::Bearer]);
        let jwt = format!("{}.{}.{}", fake("eyJ", 20), fake("eyJ", 20), fake("", 20));
        check(&format!("token {jwt}"), &[Kind::Jwt]);
        check("-----BEGIN RSA PRIVATE KEY-----\nMII", &[Kind::PrivateKey]);
        check(&fake("", 40), &[Kind::Random]);
        check(&format!("secret={}", fake("", 40)), &[Kind::Random]);
        check(&fake("a/b+", 40), &[Kind::Random]);
    }

    #[test]
    fn only_the_random_part_of_a_word_is_named() {
        let random = fake("", 40);
        for text in [format!("https://x.example/a/{random}/b"), format!("upload_id={random}")] {
            assert_eq!(find(&text), [(Kind::Random, &*random)]);
        }
    }

    #[test]
    fn words_are_no_secrets() {
        for text in [
            "sk-…",
            "sk-test",
            "sk-XXXXXXXXXXXXXXXXXXXXXXXX",
            "task-force-of-the-21st-century-and-more",
            "sk-learn-based-classification-of-texts",
            "Bearer with me for a moment, number 12345",
            "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft",
            "https://www.w3.org/WAI/ER/tests/xhtml/testfiles/resources/pdf/dummy1.pdf",
            "550e8400-e29b-41d4-a716-446655440000",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "TheQuickBrownFoxJumpsOverTheLazyDog",
        ] {
            check(text, &[]);
        }
    }
}

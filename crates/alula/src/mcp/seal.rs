//! What a client keeps for the server between two rounds of a call, and cannot change.
//!
//! A call that has to ask something ends, and its client calls again. What it had been answered in
//! earlier rounds goes with the client, under a seal: an HMAC over the answers, over the request
//! and its caller, and over the time until which they hold.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, SHA256_OUTPUT_LEN, digest},
    hmac::{self, HMAC_SHA256},
    rand::SystemRandom,
};
use serde::{Deserialize, Serialize};

use super::ask::Known;

/// How much longer the text of a state may be than what anybody could have been asked.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// Seals and opens states.
#[derive(Debug)]
pub(super) struct Seal {
    /// Nothing where the system has no randomness: then nothing can be opened either.
    key: Option<hmac::Key>,
    lifetime: Duration,
}

/// To which call a state belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// The tool, the prompt or the URI.
    pub(super) name: &'a str,
    pub(super) arguments: &'a [u8],
    /// Who calls.
    pub(super) owner: Option<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Seconds since 1970.
    until: u64,
    call: String,
    known: Known,
}

impl Seal {
    /// With the key of a program that has several processes, or a random one.
    pub(super) fn new(key: Option<&[u8]>, lifetime: Duration) -> Self {
        let key = match key {
            Some(key) => Some(hmac::Key::new(HMAC_SHA256, key)),
            None => hmac::Key::generate(HMAC_SHA256, &SystemRandom::new()).ok(),
        };
        Self { key, lifetime }
    }

    /// Nothing for what would be too long to be opened.
    pub(super) fn seal(&self, call: Call<'_>, known: Known) -> Option<String> {
        let until = now() + self.lifetime.as_secs();
        let state = State { until, call: call.digest(), known };
        let mut bytes = serde_json::to_vec(&state).ok()?;
        let tag = hmac::sign(self.key.as_ref()?, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        Some(URL_SAFE_NO_PAD.encode(bytes)).filter(|state| state.len() <= STATE_BYTES_MAX)
    }

    /// What is known by a state; nothing unless it was sealed here, for this call, and still holds.
    pub(super) fn open(&self, call: Call<'_>, state: &str) -> Option<Known> {
        if state.len() > STATE_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(state).ok()?;
        let (json, tag) = bytes.split_at_checked(bytes.len().checked_sub(SHA256_OUTPUT_LEN)?)?;
        hmac::verify(self.key.as_ref()?, json, tag).ok()?;
        let state: State = serde_json::from_slice(json).ok()?;
        (state.until >= now() && state.call == call.digest()).then_some(state.known)
    }
}

impl Call<'_> {
    fn digest(&self) -> String {
        let parts = [
            self.method.as_bytes(),
            self.name.as_bytes(),
            self.arguments,
            self.owner.unwrap_or_default().as_bytes(),
        ];
        let mut text = Vec::new();
        for part in parts {
            // With its length, so that no two lists of parts are one text.
            text.extend_from_slice(&part.len().to_le_bytes());
            text.extend_from_slice(part);
        }
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &text))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    const CALL: Call<'_> =
        Call { method: "tools/call", name: "add", arguments: b"{}", owner: Some("ada") };

    fn answers() -> Known {
        let answers = Map::from_iter([("name".to_owned(), json!({ "action": "decline" }))]);
        Known { answers, ..Known::default() }
    }

    #[test]
    fn a_state_holds_for_its_call_only() {
        let seal = Seal::new(None, Duration::from_secs(60));
        let state = seal.seal(CALL, answers()).unwrap();
        assert_eq!(seal.open(CALL, &state), Some(answers()));
        for other in [
            Call { name: "sub", ..CALL },
            Call { arguments: b"{\"a\":1}", ..CALL },
            Call { owner: None, ..CALL },
            Call { method: "prompts/get", ..CALL },
        ] {
            assert_eq!(seal.open(other, &state), None);
        }
    }

    #[test]
    fn a_state_is_never_too_long_to_be_opened() {
        let long = Map::from_iter([("name".to_owned(), "x".repeat(STATE_BYTES_MAX).into())]);
        let seal = Seal::new(None, Duration::from_secs(60));
        assert_eq!(seal.seal(CALL, Known { answers: long, ..Known::default() }), None);
    }

    #[test]
    fn a_state_that_was_changed_is_refused() {
        let seal = Seal::new(Some(b"key"), Duration::from_secs(60));
        let state = seal.seal(CALL, answers()).unwrap();
        for at in [0, state.len() / 2, state.len() - 2] {
            let mut changed = state.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(seal.open(CALL, str::from_utf8(&changed).unwrap()), None, "{at}");
        }
        for odd in ["", "x", "AAAA", &state[1..], "ü"] {
            assert_eq!(seal.open(CALL, odd), None, "{odd}");
        }
        let other = Seal::new(Some(b"other"), Duration::from_secs(60));
        assert_eq!(other.open(CALL, &state), None);
        let same = Seal::new(Some(b"key"), Duration::from_secs(60));
        assert_eq!(same.open(CALL, &state), Some(answers()));
    }
}

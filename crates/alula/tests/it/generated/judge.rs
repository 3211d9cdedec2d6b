//! What every answer has to be.

use std::{collections::BTreeMap, fmt};

use alula::testing::TestResponse;
use serde_json::Value;

use super::{document::Document, request::Sent};

/// Statuses that the framework answers to what is wrong with a request, for every operation.
const FIXED: &[u16] = &[400, 404, 405, 408, 413, 415, 422];

/// What the answers were.
#[derive(Debug, Default)]
pub(super) struct Tally {
    statuses: BTreeMap<u16, u64>,
    pub(super) accepted: u64,
    pub(super) failures: Vec<String>,
}

impl Tally {
    pub(super) fn and(mut self, other: Self) -> Self {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.accepted += other.accepted;
        self.failures.extend(other.failures);
        self
    }

    pub(super) fn requests(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Counts an answer, or says what is wrong with it.
    pub(super) fn judge(
        &mut self,
        document: &Document,
        sent: &Sent,
        response: &TestResponse,
    ) -> Result<(), String> {
        let status = response.status().as_u16();
        *self.statuses.entry(status).or_default() += 1;
        self.accepted += u64::from(response.status().is_success());
        promised(document, sent, status)?;
        if response.header("x-request-id").is_empty() {
            return Err("the answer has no request id".to_owned());
        }
        let head = sent.method == b"HEAD" || response.bytes().is_empty();
        let error = response.status().is_client_error();
        if head {
            return Ok(());
        }
        if response.header("content-type") != "application/json" {
            return if error { Err("the error is no JSON".to_owned()) } else { Ok(()) };
        }
        let answer: Value = serde_json::from_slice(response.bytes())
            .map_err(|error| format!("the answer is no JSON: {error}"))?;
        if error {
            return well_formed(status, &answer);
        }
        if sent.addressed {
            let mistakes = document.operations[sent.operation].mistakes(status, &answer);
            if !mistakes.is_empty() {
                return Err(format!("the answer is not what its schema says: {mistakes:?}"));
            }
        }
        Ok(())
    }
}

/// Whether the document, or the framework for every operation, promises this status.
fn promised(document: &Document, sent: &Sent, status: u16) -> Result<(), String> {
    let operation = &document.operations[sent.operation];
    if status >= 500 {
        return Err("no handler asked for a 5xx".to_owned());
    }
    let secured = !operation.security.is_empty();
    if sent.valid && !secured && !(200..300).contains(&status) {
        return Err("a valid request was refused".to_owned());
    }
    let known = match sent.addressed {
        true => operation.documents(status) || secured && [401, 403].contains(&status),
        // It may have become a request of another operation, or of the documentation.
        false => {
            [200, 307, 308, 401, 403].contains(&status)
                || document.operations.iter().any(|operation| operation.documents(status))
        }
    };
    if known || FIXED.contains(&status) {
        return Ok(());
    }
    Err("nothing documents this status".to_owned())
}

/// Whether an error reads as all errors do.
fn well_formed(status: u16, answer: &Value) -> Result<(), String> {
    let Some(detail) = answer.get("detail") else {
        return Err("the error has no detail".to_owned());
    };
    if status != 422 {
        return Ok(());
    }
    let Some(entries) = detail.as_array().filter(|entries| !entries.is_empty()) else {
        return Err("a 422 lists nothing".to_owned());
    };
    for entry in entries {
        if !is_well_formed(entry) {
            return Err(format!("an entry is not well-formed: {entry}"));
        }
    }
    Ok(())
}

fn is_well_formed(entry: &Value) -> bool {
    let text = |name: &str| entry[name].as_str().is_some_and(|text| !text.is_empty());
    let places = ["path", "query", "header", "cookie", "body"];
    let loc = entry["loc"].as_array().map(Vec::as_slice).unwrap_or_default();
    let place = loc.first().and_then(Value::as_str).is_some_and(|it| places.contains(&it));
    let steps = loc.iter().all(|step| step.is_string() || step.is_u64());
    let known = ["type", "loc", "msg", "input", "ctx"];
    let mut keys = entry.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let input = entry.get("input").is_some();
    text("type") && text("msg") && place && steps && input && keys.all(|key| known.contains(&key))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> =
            self.statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        f.write_str(&counts.join(", "))
    }
}

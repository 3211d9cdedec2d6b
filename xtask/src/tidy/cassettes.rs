//! What may be in recordings of calls that are committed.

use serde_json::Value;

use super::{
    Finding,
    audit::{self, Date},
    source::Source,
};

/// The age at which an answer says little of what the provider answers today.
const DAYS_MAX: i64 = 90;

const RULE: &str = "cassette";

/// Checks the cassettes among these files: no secrets, and none that is too old.
pub(super) fn check(sources: &[Source], today: Date) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_cassette(source)) {
        let add = |found: audit::Finding| {
            let advice = format!("{found}; record it again without");
            Finding::new(&source.path, found.line, RULE, advice)
        };
        findings.extend(audit::secrets(&source.text, &[]).into_iter().map(add));
        findings.extend(age(source, today));
    }
    findings
}

/// The first line says it, in either form.
fn is_cassette(source: &Source) -> bool {
    header(source).is_some()
        || !source.path.ends_with(".jsonl")
            && source.text.lines().any(|line| line.starts_with("interactions:"))
}

fn header(source: &Source) -> Option<Value> {
    let header: Value = serde_json::from_str(source.text.lines().next()?).ok()?;
    header.get("cassette").is_some().then_some(header)
}

fn age(source: &Source, today: Date) -> Option<Finding> {
    let header = header(source)?;
    let recorded = header.get("recorded").and_then(Value::as_str)?.parse::<Date>().ok()?;
    let days = today.days - recorded.days;
    let advice = format!("it is {days} days old; renew it with ALULA_CASSETTE=record-all");
    (days > DAYS_MAX).then(|| Finding::new(&source.path, 1, RULE, advice).warning())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found on the first of June in a file of this name.
    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        let findings = check(&[source], "2026-06-01".parse().unwrap());
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }

    fn cassette(recorded: &str, allowed: &str, said: &str) -> String {
        format!(
            r#"{{"cassette":1,"recorded":"{recorded}","recorder":"a","allowed":["{allowed}"]}}
{{"res":{{"status":200,"headers":[],"chunks":[[0,"{said}"]],"end":"eof"}}}}
"#
        )
    }

    #[test]
    fn no_secret_is_committed() {
        let key = format!("sk-{}", "0a1b".repeat(8));
        let text = cassette("2026-05-01", "", &format!("data: {key}"));
        let secret = "x.jsonl:2: cassette: line 1 of the body: a key of OpenAI or alike; record it again without";
        check_text("x.jsonl", &text, &[secret]);
        check_text("x.jsonl", &cassette("2026-05-01", &key, &key), &[]);
        check_text("x.jsonl", &cassette("2026-05-01", "", "hello"), &[]);
        let yaml = format!("interactions:\n- request:\n    headers: {{x: {key}}}\n");
        let secret =
            "x.yaml:3: cassette: the line: a key of OpenAI or alike; record it again without";
        check_text("x.yaml", &yaml, &[secret]);
    }

    #[test]
    fn other_files_are_left_alone() {
        let key = format!("sk-{}", "0a1b".repeat(8));
        check_text("x.jsonl", &format!("{{\"question\":\"{key}\"}}\n"), &[]);
        check_text("x.yaml", &format!("key: {key}\n"), &[]);
    }

    #[test]
    fn an_old_cassette_is_a_warning() {
        let old = "warning: x.jsonl:1: cassette: it is 91 days old; \
                   renew it with ALULA_CASSETTE=record-all";
        check_text("x.jsonl", &cassette("2026-03-02", "", ""), &[old]);
        check_text("x.jsonl", &cassette("2026-03-03", "", ""), &[]);
    }
}

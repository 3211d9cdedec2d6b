//! Whether a text is an email address, in the words of Python's `email-validator`.
//!
//! A display name (`Ada <ada@example.com>`) is refused, where pydantic would cut it off: nothing
//! here rewrites a string.

use std::collections::BTreeSet;

/// Names that no mail can reach.
const RESERVED: [&str; 6] = ["arpa", "invalid", "local", "localhost", "onion", "test"];
const ADDRESS_CHARS_MAX: usize = 254;
const LABEL_CHARS_MAX: usize = 63;

/// Says why `text` is not an email address.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.starts_with('"') {
        return Err("Quoting the part before the @-sign is not allowed here.".to_owned());
    }
    let Some((local, domain)) = text.split_once('@') else {
        return Err("An email address must have an @-sign.".to_owned());
    };
    check_local(local)?;
    check_domain(domain)?;
    match text.chars().count().saturating_sub(ADDRESS_CHARS_MAX) {
        0 => Ok(()),
        over => Err(format!("The email address is too long ({}).", too_many(over))),
    }
}

fn check_local(local: &str) -> Result<(), String> {
    if local.is_empty() {
        return Err("There must be something before the @-sign.".to_owned());
    }
    let allowed = |char: char| {
        char.is_ascii_alphanumeric()
            || ".!#$%&'*+-/=?^_`{|}~".contains(char)
            || (!char.is_ascii() && !char.is_control() && !char.is_whitespace())
    };
    if let Some(wrong) = not(allowed, local) {
        return Err(format!(
            "The email address contains invalid characters before the @-sign: {wrong}."
        ));
    }
    check_periods(local, "start with a period", "have a period immediately before the @-sign")
}

fn check_domain(domain: &str) -> Result<(), String> {
    if domain.is_empty() {
        return Err("There must be something after the @-sign.".to_owned());
    }
    if domain.starts_with('[') && domain.ends_with(']') {
        return Err("A bracketed IP address after the @-sign is not allowed here.".to_owned());
    }
    let allowed = |char: char| {
        char.is_ascii_alphanumeric()
            || "-.".contains(char)
            || (!char.is_ascii() && char.is_alphanumeric())
    };
    if let Some(wrong) = not(allowed, domain) {
        return Err(format!("The part after the @-sign contains invalid characters: {wrong}."));
    }
    check_periods(domain, "have a period immediately after the @-sign", "end with a period")?;
    if domain.starts_with('-') {
        return Err(cannot("have a hyphen immediately after the @-sign"));
    }
    if domain.ends_with('-') {
        return Err(cannot("end with a hyphen"));
    }
    if domain.contains("-.") || domain.contains(".-") {
        return Err(cannot("have a period and a hyphen next to each other"));
    }
    for label in domain.split('.') {
        let over = label.chars().count().saturating_sub(LABEL_CHARS_MAX);
        if over > 0 {
            return Err(format!(
                "After the @-sign, periods cannot be separated by so many characters ({}).",
                too_many(over)
            ));
        }
    }
    check_top_level(domain)
}

fn check_top_level(domain: &str) -> Result<(), String> {
    let Some((_, last)) = domain.rsplit_once('.') else {
        return Err("The part after the @-sign is not valid. It should have a period.".to_owned());
    };
    if last.ends_with(|char: char| char.is_ascii_digit()) {
        return Err("The part after the @-sign is not valid. It is not within a valid top-level \
                    domain."
            .to_owned());
    }
    if RESERVED.iter().any(|reserved| last.eq_ignore_ascii_case(reserved)) {
        return Err("The part after the @-sign is a special-use or reserved name that cannot be \
                    used with email."
            .to_owned());
    }
    Ok(())
}

fn check_periods(part: &str, first: &str, last: &str) -> Result<(), String> {
    if part.starts_with('.') {
        Err(cannot(first))
    } else if part.ends_with('.') {
        Err(cannot(last))
    } else if part.contains("..") {
        Err(cannot("have two periods in a row"))
    } else {
        Ok(())
    }
}

/// The characters of `text` that are not `allowed`, each once, as a person reads them.
fn not(allowed: impl Fn(char) -> bool, text: &str) -> Option<String> {
    let wrong: BTreeSet<char> = text.chars().filter(|char| !allowed(*char)).collect();
    if wrong.is_empty() {
        return None;
    }
    let shown: Vec<String> = wrong
        .into_iter()
        .map(|char| match char {
            ' ' => "SPACE".to_owned(),
            '\'' => "\"'\"".to_owned(),
            char if char.is_control() || char.is_whitespace() => {
                format!("U+{:04X}", u32::from(char))
            }
            char => format!("'{char}'"),
        })
        .collect();
    Some(shown.join(", "))
}

fn cannot(what: &str) -> String {
    format!("An email address cannot {what}.")
}

fn too_many(over: usize) -> String {
    if over == 1 {
        "1 character too many".to_owned()
    } else {
        format!("{over} characters too many")
    }
}

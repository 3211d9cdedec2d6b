//! Numbers and booleans written as text, as pydantic reads them.

/// More digits than this are refused, as Python does.
const INT_DIGITS_MAX: usize = 4300;

/// Why a text is not an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntError {
    /// It is something else.
    Parsing,
    /// It is one, but out of reach.
    Size,
}

/// Reads `4`, ` +4 `, `007`, `1_000` and `4.0`.
pub(super) fn parse_int(text: &str) -> Result<i128, IntError> {
    let text = text.trim();
    let (negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole = match number.split_once('.') {
        None => number,
        Some((whole, zeros)) => {
            let zero = !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0');
            if !zero {
                return Err(IntError::Parsing);
            }
            whole
        }
    };
    if whole.is_empty() || !has_fair_underscores(whole) {
        return Err(IntError::Parsing);
    }
    let mut digits = 0;
    let mut magnitude = Some(0_i128);
    for byte in whole.bytes().filter(|byte| *byte != b'_') {
        if !byte.is_ascii_digit() {
            return Err(IntError::Parsing);
        }
        digits += 1;
        let digit = i128::from(byte - b'0');
        magnitude = magnitude.and_then(|magnitude| magnitude.checked_mul(10)?.checked_add(digit));
    }
    match magnitude {
        Some(magnitude) if digits <= INT_DIGITS_MAX => {
            Ok(if negative { -magnitude } else { magnitude })
        }
        _ => Err(IntError::Size),
    }
}

/// Reads `1.5`, ` 1.5 `, `.5`, `1e3`, `1_0.5`; also `inf` and `nan`, which callers refuse.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.contains('_') {
        return if has_fair_underscores(text) { text.replace('_', "").parse().ok() } else { None };
    }
    text.parse().ok()
}

/// Reads the words that pydantic takes for a boolean, in any case.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    const TRUE: [&str; 6] = ["1", "on", "t", "true", "y", "yes"];
    const FALSE: [&str; 6] = ["0", "off", "f", "false", "n", "no"];
    if TRUE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Some(true)
    } else if FALSE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Some(false)
    } else {
        None
    }
}

/// Underscores may only stand alone and between other characters.
fn has_fair_underscores(text: &str) -> bool {
    !text.starts_with('_') && !text.ends_with('_') && !text.contains("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_pydantic_reads_them() {
        for (text, number) in [
            ("4", 4),
            (" +4\n", 4),
            ("007", 7),
            ("0_1", 1),
            ("1_0.00", 10),
            ("-0", 0),
            ("-1.0", -1),
        ] {
            assert_eq!(parse_int(text), Ok(number), "{text}");
        }
        for text in
            ["", " ", "4.", ".0", "4.5", "1e3", "--1", "+-1", "- 1", "_1", "1_", "1__0", "0x1"]
        {
            assert_eq!(parse_int(text), Err(IntError::Parsing), "{text}");
        }
        assert_eq!(parse_int(&"9".repeat(60)), Err(IntError::Size));
        assert_eq!(parse_int(&"0".repeat(5000)), Err(IntError::Size));
    }

    #[test]
    fn floats_as_pydantic_reads_them() {
        for (text, number) in
            [(" 1.5 ", 1.5), (".5", 0.5), ("5.", 5.0), ("1_0.5", 10.5), ("1e3", 1e3)]
        {
            assert_eq!(parse_float(text), Some(number), "{text}");
        }
        for text in ["", "1__0", "_1", "0x1", "1 5", "hot"] {
            assert_eq!(parse_float(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_are_not_trimmed() {
        assert_eq!(parse_bool("tRuE"), Some(true));
        assert_eq!(parse_bool("OFF"), Some(false));
        assert_eq!(parse_bool(" true"), None);
        assert_eq!(parse_bool(""), None);
    }
}

//! Names of files that clients make up.

use std::borrow::Cow;

/// What most file systems take.
const NAME_BYTES_MAX: usize = 255;

/// Names that are devices on Windows, whatever the extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// A name that leads nowhere but into the directory where it is used.
pub(super) fn safe(given: &str) -> Cow<'_, str> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.trim_start_matches([' ', '.']).trim_end_matches([' ', '.']);
    let name = match name.contains(is_unsafe) {
        true => Cow::Owned(name.replace(is_unsafe, "_")),
        false => Cow::Borrowed(name),
    };
    if name.is_empty() {
        return "file".into();
    }
    let name = if is_device(&name) { format!("_{name}").into() } else { name };
    if name.len() <= NAME_BYTES_MAX { name } else { shorten(&name).into() }
}

/// Control characters, what Windows reserves, and what turns the direction of text, by which
/// `exe.txt` can look like `txt.exe`.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\u{200e}' | '\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    // Windows takes the digits of Latin-1 for others: `COM¹` is `COM1`.
    let is_digit = |rest: &str| rest.parse::<char>().is_ok_and(|it| "0123456789¹²³".contains(it));
    let port = |kind: &str| stem.strip_prefix(kind).is_some_and(is_digit);
    DEVICES.contains(&&*stem) || port("com") || port("lpt")
}

/// Keeps a short extension, as it says what the file is.
fn shorten(name: &str) -> String {
    let extension = match name.rsplit_once('.') {
        Some((_, extension)) if extension.len() <= 16 => format!(".{extension}"),
        _ => String::new(),
    };
    let mut end = NAME_BYTES_MAX - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_name_leads_nowhere() {
        for (given, safe_name) in [
            ("a.txt", "a.txt"),
            ("naïve 1.tar.gz", "naïve 1.tar.gz"),
            ("/etc/passwd", "passwd"),
            ("../../a.txt", "a.txt"),
            (r"C:\dir\a.txt", "a.txt"),
            (r"..\..", "file"),
            ("dir/", "file"),
            ("..", "file"),
            ("", "file"),
            (".bashrc", "bashrc"),
            ("a\0b\r\nc", "a_b__c"),
            ("a:b?.txt", "a_b_.txt"),
            ("a\u{202e}txt.exe", "a_txt.exe"),
            ("CON.txt", "_CON.txt"),
            ("com1", "_com1"),
            ("com10", "com10"),
            ("COM¹.txt", "_COM¹.txt"),
            ("conin$", "_conin$"),
            ("console.txt", "console.txt"),
            ("a. ", "a"),
        ] {
            assert_eq!(safe(given), safe_name, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe(&format!("{}.txt", "é".repeat(300))).into_owned();
        assert!(name.len() <= NAME_BYTES_MAX && name.len() > 250, "{}", name.len());
        assert!(name.ends_with("é.txt"));
        assert_eq!(safe(&"x".repeat(300)).len(), NAME_BYTES_MAX);
    }
}

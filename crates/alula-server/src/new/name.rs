//! Names of packages.

use std::fmt;

/// The longest name, in bytes.
const BYTES_MAX: usize = 64;

/// Names that a package cannot have, or that would hide what the application uses.
const TAKEN: &[&str] = &[
    // Crates of the compiler, and folders of cargo.
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "incremental",
    "proc_macro",
    "std",
    "test",
    // What the application depends on.
    "alula",
    "alula_llm",
    "alula_macros",
    "futures_util",
    "schemars",
    "serde",
    "serde_json",
    "tokio",
    "tracing",
    "tracing_subscriber",
    // Keywords.
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    // Names that Windows keeps for itself.
    "aux",
    "con",
    "nul",
    "prn",
];

/// The name of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// Why cargo, or the application, could not be called so.
    pub(super) fn new(name: &str) -> Result<Self, String> {
        let good = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
        let why = if name.is_empty() {
            "a name is needed".to_owned()
        } else if name.len() > BYTES_MAX {
            format!("a name has at most {BYTES_MAX} letters")
        } else if !name.starts_with(|char: char| char.is_ascii_lowercase()) {
            "a name begins with a letter from a to z".to_owned()
        } else if !name.chars().all(|char| good(char) || matches!(char, '-' | '_')) {
            "a name is made of a to z, 0 to 9, `-` and `_`".to_owned()
        } else if TAKEN.contains(&name.replace('-', "_").as_str()) {
            "this name means something else already".to_owned()
        } else {
            return Ok(Self(name.to_owned()));
        };
        let better = suggestion(name).filter(|better| better != name);
        let better = better.map(|better| format!("; how about `{better}`?"));
        Err(format!("{why}{}", better.unwrap_or_default()))
    }

    /// The name of the library in code.
    pub(super) fn in_code(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name with what no name has taken out of it.
fn suggestion(name: &str) -> Option<String> {
    let letters = name.chars().map(|char| match char.to_ascii_lowercase() {
        char @ ('a'..='z' | '0'..='9' | '_') => char,
        _ => '-',
    });
    let letters: String = letters.collect();
    let parts: Vec<&str> = letters.split('-').filter(|part| !part.is_empty()).collect();
    let better = parts.join("-");
    let better = better.trim_start_matches(|char: char| !char.is_ascii_lowercase());
    let better = if TAKEN.contains(&better) { format!("{better}-app") } else { better.to_owned() };
    (!better.is_empty() && better.len() <= BYTES_MAX).then_some(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_pass() {
        for name in ["app", "my-app", "my_app2", "a", &"a".repeat(64)] {
            assert_eq!(Name::new(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        assert_eq!(Name::new("my-app").unwrap().in_code(), "my_app");
    }

    #[test]
    fn others_are_told_why_and_what_else() {
        let check = |name: &str, parts: &[&str]| {
            let why = Name::new(name).unwrap_err();
            assert!(parts.iter().all(|part| why.contains(part)), "{why}");
        };
        check("", &["needed"]);
        check("My App", &["begins with", "`my-app`"]);
        check("2fast", &["begins with", "`fast`"]);
        check("my.app", &["made of", "`my-app`"]);
        check("a/b\"]", &["made of", "`a-b`"]);
        check("größe", &["made of", "`gr-e`"]);
        check("tokio", &["already", "`tokio-app`"]);
        check("serde-json", &["already"]);
        check("match", &["already"]);
        check(&"a".repeat(65), &["at most 64"]);
    }
}

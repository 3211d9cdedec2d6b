//! The naming conventions of `#[serde(rename_all = "...")]`.

use syn::LitStr;

/// How names in Rust turn into names in JSON.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) enum Rule {
    #[default]
    None,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Rule {
    pub(super) fn parse(name: &LitStr) -> syn::Result<Self> {
        Ok(match name.value().as_str() {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            unknown => {
                return Err(syn::Error::new(name.span(), format!("unknown case `{unknown}`")));
            }
        })
    }

    /// This rule, or `other` where none is given.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::None { other } else { self }
    }

    /// The JSON name of a field that is written in snake case.
    pub(super) fn apply_to_field(self, field: &str) -> String {
        match self {
            Self::None | Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => field.split('_').map(capitalize).collect(),
            Self::Camel => uncapitalize(&Self::Pascal.apply_to_field(field)),
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// The JSON name of a variant that is written in Pascal case.
    pub(super) fn apply_to_variant(self, variant: &str) -> String {
        match self {
            Self::None | Self::Pascal => variant.to_owned(),
            Self::Lower => variant.to_ascii_lowercase(),
            Self::Upper => variant.to_ascii_uppercase(),
            Self::Camel => uncapitalize(variant),
            Self::Snake => snake(variant),
            Self::ScreamingSnake => snake(variant).to_ascii_uppercase(),
            Self::Kebab => snake(variant).replace('_', "-"),
            Self::ScreamingKebab => snake(variant).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn capitalize(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn uncapitalize(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

fn snake(variant: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in variant.char_indices() {
        if index > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn cases_are_serdes() {
        let table = [
            ("lowercase", "max_tokens", "toolcall"),
            ("UPPERCASE", "MAX_TOKENS", "TOOLCALL"),
            ("PascalCase", "MaxTokens", "ToolCall"),
            ("camelCase", "maxTokens", "toolCall"),
            ("snake_case", "max_tokens", "tool_call"),
            ("SCREAMING_SNAKE_CASE", "MAX_TOKENS", "TOOL_CALL"),
            ("kebab-case", "max-tokens", "tool-call"),
            ("SCREAMING-KEBAB-CASE", "MAX-TOKENS", "TOOL-CALL"),
        ];
        for (name, field, variant) in table {
            let rule = Rule::parse(&LitStr::new(name, Span::call_site())).unwrap();
            assert_eq!(rule.apply_to_field("max_tokens"), field, "{name}");
            assert_eq!(rule.apply_to_variant("ToolCall"), variant, "{name}");
        }
    }

    #[test]
    fn an_unknown_case_is_named() {
        let error = Rule::parse(&LitStr::new("dromedary", Span::call_site())).unwrap_err();
        assert_eq!(error.to_string(), "unknown case `dromedary`");
    }
}

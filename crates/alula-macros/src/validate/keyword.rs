//! The keywords of JSON Schema that `extend(...)` may add, and what becomes of each.

/// A keyword in `#[schemars(extend("keyword" = ...))]`.
#[derive(Debug, PartialEq)]
pub(super) enum Keyword {
    /// It is checked.
    Constraint {
        /// Which limit it sets, in words.
        slot: &'static str,
        /// The check.
        kind: Kind,
    },
    /// It is checked if its value is one of the formats that are.
    Format,
    /// It only describes.
    Annotation,
}

/// The check that a keyword stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// The constraint and the limit in `alula::__private`.
    Limit(&'static str, &'static str),
    MultipleOf,
    UniqueItems,
    Pattern,
}

impl Keyword {
    /// Sorts `keyword`, or says why it cannot be allowed: a promise that is not kept is
    /// worse than none.
    pub(super) fn parse(keyword: &str) -> Result<Self, String> {
        let (slot, kind) = match keyword {
            "minimum" => ("minimum", Kind::Limit("Range", "Minimum")),
            "maximum" => ("maximum", Kind::Limit("Range", "Maximum")),
            "exclusiveMinimum" => ("exclusive minimum", Kind::Limit("Range", "ExclusiveMinimum")),
            "exclusiveMaximum" => ("exclusive maximum", Kind::Limit("Range", "ExclusiveMaximum")),
            "multipleOf" => ("step", Kind::MultipleOf),
            "minLength" => ("minimum length", Kind::Limit("TextLength", "Minimum")),
            "maxLength" => ("maximum length", Kind::Limit("TextLength", "Maximum")),
            "minItems" => ("minimum length", Kind::Limit("ItemCount", "Minimum")),
            "maxItems" => ("maximum length", Kind::Limit("ItemCount", "Maximum")),
            "minProperties" => ("minimum size", Kind::Limit("PropertyCount", "Minimum")),
            "maxProperties" => ("maximum size", Kind::Limit("PropertyCount", "Maximum")),
            "uniqueItems" => ("uniqueness", Kind::UniqueItems),
            "pattern" => ("pattern", Kind::Pattern),
            "format" => return Ok(Self::Format),
            _ if is_annotation(keyword) => return Ok(Self::Annotation),
            _ => return Err(format!("`{keyword}` is not enforced: {}", advice(keyword))),
        };
        Ok(Self::Constraint { slot, kind })
    }
}

fn is_annotation(keyword: &str) -> bool {
    keyword.starts_with("x-")
        || matches!(
            keyword,
            "$comment"
                | "$id"
                | "$anchor"
                | "contentEncoding"
                | "contentMediaType"
                | "contentSchema"
                | "default"
                | "deprecated"
                | "description"
                | "discriminator"
                | "example"
                | "examples"
                | "externalDocs"
                | "readOnly"
                | "title"
                | "writeOnly"
                | "xml"
        )
}

fn advice(keyword: &str) -> &'static str {
    match keyword {
        "type" | "enum" | "const" => "express it as a Rust type, such as an enum",
        "required" => "write `#[schemars(required)]`",
        "additionalProperties" | "unevaluatedProperties" => {
            "write `#[serde(deny_unknown_fields)]` or a map"
        }
        "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "items" | "prefixItems"
        | "unevaluatedItems" | "contains" | "minContains" | "maxContains" | "properties"
        | "patternProperties" | "propertyNames" | "dependentRequired" | "dependentSchemas"
        | "$ref" => "express it as a Rust type, or check it with `#[validate(custom = ...)]`",
        _ => "it is no keyword of JSON Schema; the name of an extension starts with `x-`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_checked_or_describes_or_is_refused() {
        assert!(matches!(Keyword::parse("minItems"), Ok(Keyword::Constraint { .. })));
        assert_eq!(Keyword::parse("examples"), Ok(Keyword::Annotation));
        assert_eq!(Keyword::parse("x-order"), Ok(Keyword::Annotation));
        assert!(Keyword::parse("oneOf").unwrap_err().contains("`oneOf` is not enforced"));
        assert!(Keyword::parse("minLenght").unwrap_err().contains("starts with `x-`"));
    }
}

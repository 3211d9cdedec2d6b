//! Doc comments, split as OpenAPI wants them.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// What a doc comment says about an endpoint.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Docs {
    /// The first paragraph, on one line.
    pub(crate) summary: Option<String>,
    /// The rest, in Markdown.
    pub(crate) description: Option<String>,
}

impl Docs {
    pub(crate) fn parse(attrs: &[Attribute]) -> Self {
        let lines: Vec<String> = attrs.iter().filter_map(doc).flat_map(|doc| lines(&doc)).collect();
        let start = lines.iter().take_while(|line| line.trim().is_empty()).count();
        let length = lines.iter().skip(start).take_while(|line| !line.trim().is_empty()).count();
        let first: Vec<&str> =
            lines.iter().skip(start).take(length).map(|line| line.trim()).collect();
        let rest: Vec<&str> = lines.iter().skip(start + length).map(String::as_str).collect();
        Self { summary: text(&first.join(" ")), description: text(&rest.join("\n")) }
    }
}

/// The text of a `///` line or of a `/** */` block.
fn doc(attr: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attr.meta else { return None };
    match &meta.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if meta.path.is_ident("doc") => {
            Some(text.value())
        }
        _ => None,
    }
}

/// Lines without the space after `///`; more of it is Markdown's business.
fn lines(comment: &str) -> Vec<String> {
    comment
        .split('\n')
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned())
        .collect()
}

/// `text` without blank lines around it.
fn text(text: &str) -> Option<String> {
    let text = text.trim_matches('\n');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_quote};

    use super::*;

    #[test]
    fn the_first_paragraph_is_the_summary_and_the_rest_the_description() {
        let item: ItemFn = parse_quote! {
            /// Chat with a
            /// model.
            ///
            /// - one
            ///   - two
            ///
            /// Last.
            fn chat() {}
        };
        let docs = Docs::parse(&item.attrs);
        assert_eq!(docs.summary.as_deref(), Some("Chat with a model."));
        assert_eq!(docs.description.as_deref(), Some("- one\n  - two\n\nLast."));
    }

    #[test]
    fn a_block_comment_reads_like_lines() {
        let item: ItemFn = parse_quote! {
            #[doc = "\n Chat.\n\n More.\n "]
            #[doc(alias = "talk")]
            fn chat() {}
        };
        let docs = Docs::parse(&item.attrs);
        assert_eq!(docs.summary.as_deref(), Some("Chat."));
        assert_eq!(docs.description.as_deref(), Some("More."));
    }

    #[test]
    fn no_comment_says_nothing() {
        let item: ItemFn = parse_quote!(
            fn chat() {}
        );
        assert_eq!(Docs::parse(&item.attrs), Docs::default());
    }
}

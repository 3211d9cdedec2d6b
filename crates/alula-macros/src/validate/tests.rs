//! What the derive refuses. What it accepts is tested in `alula`, where it runs.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, File, Item};

use super::derive;
use super::model::Container;

/// The first error for the field `f` with these attributes.
fn on_field(attrs: &TokenStream) -> String {
    error(quote!(struct S { #attrs f: u8 }))
}

fn error(input: TokenStream) -> String {
    let input: DeriveInput = syn::parse2(input).expect("a type");
    match Container::parse(&input) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_enforced_is_named() {
    let cases = [
        (quote!(#[schemars(range(minimum = 1))]), "`minimum` is not enforced"),
        (quote!(#[schemars(extend("const" = 1))]), "`const` is not enforced"),
        (quote!(#[schemars(extend("minLenght" = 1))]), "`minLenght` is not enforced"),
        (quote!(#[schemars(inner(required))]), "`required` is not enforced inside"),
        (quote!(#[schemars(inner(title = "x"))]), "`title` is not enforced inside"),
        (quote!(#[schemars(future_constraint(1))]), "`future_constraint` is not enforced"),
        (quote!(#[validate(range(min = 1))]), "`range` is not an option of `validate`"),
        (quote!(#[validate(custom = |v| Ok(()))]), "expected the path of a function"),
        (quote!(#[garde(range(min = 1))]), "write `#[schemars(...)]`"),
        (quote!(#[schemars(regex(path = X))]), "expected `pattern = \"...\"`"),
    ];
    for (attrs, message) in cases {
        let error = on_field(&attrs);
        assert!(error.contains(message), "{error:?} speaks of {message:?}");
    }
}

#[test]
fn a_limit_is_set_once() {
    let cases = [
        (quote!(#[schemars(range(min = 1), extend("minimum" = 2))]), "the minimum is set twice"),
        (quote!(#[schemars(length(max = 1), extend("maxItems" = 2))]), "the maximum length"),
        (quote!(#[schemars(pattern("a"))] #[schemars(contains("b"))]), "the pattern is set twice"),
        (quote!(#[schemars(email, url)]), "the format is set twice"),
        (quote!(#[schemars(email, extend("format" = "uri"))]), "the format is set twice"),
        (quote!(#[schemars(length(min = 1), inner(length(min = 2)))]), ""),
    ];
    for (attrs, message) in cases {
        assert!(on_field(&attrs).contains(message), "{message}");
    }
}

#[test]
fn a_broken_pattern_does_not_compile() {
    let broken = [
        quote!(#[schemars(pattern("("))]),
        quote!(#[schemars(regex(pattern = "("))]),
        quote!(#[schemars(extend("pattern" = "("))]),
        quote!(#[schemars(inner(pattern("(")))]),
        // What the engine at run time does not know is refused here, too.
        quote!(#[schemars(pattern(r"\p{Greek}"))]),
        quote!(#[schemars(pattern("(?=a)"))]),
    ];
    for attrs in broken {
        assert!(on_field(&attrs).starts_with("invalid pattern"), "{attrs}");
    }
    assert_eq!(on_field(&quote!(#[schemars(pattern(r"^\w+$"))])), "");
}

#[test]
fn checks_that_would_never_run_are_refused() {
    let cases = [
        (quote!(#[serde(skip)] #[validate(custom = f)]), "serde does not read this field"),
        (quote!(#[serde(flatten)] #[schemars(length(min = 1))]), "a flattened field has no schema"),
        (quote!(#[serde(default)] #[schemars(required)]), "contradicts `#[serde(default)]`"),
    ];
    let defaulted = quote!(
        #[serde(default)]
        struct S {
            #[schemars(required)]
            f: Option<u8>,
        }
    );
    assert!(error(defaulted).contains("contradicts `#[serde(default)]`"));
    for (attrs, message) in cases {
        assert!(on_field(&attrs).contains(message), "{message}");
    }
    let converted = quote! {
        #[serde(try_from = "Wire")]
        struct S { #[schemars(range(min = 1))] f: u8 }
    };
    assert!(error(converted).contains("the type that this one is converted from"));
}

#[test]
fn a_constraint_stands_on_a_field() {
    let misplaced = [
        quote!(
            #[schemars(extend("minProperties" = 1))]
            struct S {
                f: u8,
            }
        ),
        quote!(
            #[schemars(extend("minItems" = 1))]
            struct S(u8, u8);
        ),
        quote!(
            #[schemars(extend("minLength" = 1))]
            enum E {
                A,
            }
        ),
        quote!(
            enum E {
                #[schemars(extend("minItems" = 1))]
                A(Vec<u8>),
            }
        ),
    ];
    for input in misplaced {
        assert!(error(input.clone()).contains("put it on a field"), "{input}");
    }
    assert_eq!(
        error(quote!(
            #[schemars(extend("minLength" = 1))]
            struct S(String);
        )),
        ""
    );
    assert_eq!(
        error(quote!(
            #[schemars(extend("x-a" = 1))]
            struct S {
                f: u8,
            }
        )),
        ""
    );
}

#[test]
fn attributes_of_others_are_left_to_them() {
    let described = quote! {
        /// Text.
        #[serde(rename = "g", alias = "h", default = "d", deserialize_with = "w")]
        #[schemars(!default, title = "T", example = &1, with = "u8", transform = t, deprecated)]
        #[schemars(extend("examples" = [1, 2], "x-order" = { "a": null }))]
    };
    assert_eq!(on_field(&described), "");
}

#[test]
fn a_union_is_refused_and_skip_is_for_fields() {
    assert_eq!(error(quote!(union U { a: u8 })), "a union cannot be checked");
    assert_eq!(
        error(quote!(
            #[validate(skip)]
            struct S;
        )),
        "`skip` is for fields"
    );
    let variant = quote!(
        enum E {
            #[validate(skip)]
            A,
        }
    );
    assert!(error(variant).contains("not for variants"));
}

#[test]
fn an_error_is_all_that_is_generated() {
    let file: File = syn::parse2(derive(quote!(union U { a: u8 }))).expect("Rust");
    assert!(matches!(file.items.as_slice(), [Item::Macro(_)]));
}

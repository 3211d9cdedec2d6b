//! What the derive writes, and what it refuses.

use proc_macro2::TokenStream;
use quote::quote;

fn expanded(input: TokenStream) -> String {
    super::derive(input).to_string().replace(' ', "")
}

/// The messages of all errors.
fn errors(input: TokenStream) -> Vec<String> {
    let file = syn::parse2::<syn::File>(super::derive(input)).expect("the expansion is Rust");
    let messages = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Macro(item) => item.mac.parse_body::<syn::LitStr>().ok(),
        _ => None,
    });
    messages.map(|message| message.value()).collect()
}

#[test]
fn a_variant_is_answered_with_its_status_detail_and_code() {
    let code = expanded(quote! {
        enum Pay {
            #[api(status = 402, detail = "declined by {issuer}: {{{0:?}}}", code = "declined")]
            Declined { issuer: String },
        }
    });
    assert!(code.contains("thereisnofield`0`"), "{code}");
    let code = expanded(quote! {
        enum Pay {
            /// The card was declined.
            #[api(status = 402, code = "declined")]
            Declined { issuer: String },
            #[api(status = 429, detail = "wait {0:>3} s", retry_after = _0)]
            Slow(u32),
        }
    });
    let declined = r#"Self::Declined{..}=>::alula::HttpError::new(402u16,"Thecardwasdeclined").code("declined"),"#;
    assert!(code.contains(declined), "{code}");
    let slow = r#"Self::Slow{0:reffield_0,..}=>match(::alula::HttpError::new(429u16,::std::format!("wait{field_0:>3}s"))"#;
    assert!(code.contains(slow), "{code}");
    let described = r#"operation.error(&::alula::HttpError::new(429u16,"wait{0}s").retry_after(1),"wait{0}s");"#;
    assert!(code.contains(described), "{code}");
}

#[test]
fn the_log_reads_the_source_or_the_error_as_a_whole() {
    let code = expanded(quote! {
        enum Pay {
            #[api(status = 500)]
            Database { #[source] inner: Sql },
            #[api(status = 404)]
            Unknown,
        }
    });
    assert!(code.contains("error.because(field_inner)"), "{code}");
    let code = expanded(quote! {
        enum Pay {
            #[error("cannot store it")]
            #[api(status = 500)]
            Database(#[from] Sql),
            #[error("unknown")]
            #[api(status = 404)]
            Unknown,
        }
    });
    assert!(code.contains("error.because(self)") && code.matches("because").count() == 1, "{code}");
}

#[test]
fn every_mistake_is_named() {
    let messages = errors(quote! {
        enum Pay {
            A,
            #[api(status = 200)]
            B,
            #[api(status = "404", code = "no spaces")]
            C,
            #[api(status = 404, detail = "{name}", retry_after = seconds)]
            D { secs: u8 },
            #[api(status = 404, detail = "{source}")]
            E { source: Sql },
            #[api(transparent, status = 404)]
            F(Other),
            #[api(transparent)]
            G,
            #[api(stauts = 404, status = 404)]
            H,
            #[api(status = 404, detail = "{", code = "a", code = "b")]
            I,
            #[api(status = 404, detail = "{}")]
            J(u8),
        }
    });
    let expected = [
        "say how it is answered",
        "from 400 to 599",
        "a status is a number",
        "a code has letters",
        "there is no field `name`; there are `secs`",
        "expected a number of seconds",
        "`source` is for the log only",
        "no answer of its own",
        "a transparent error has one field",
        "unknown option `stauts`; there are `status`",
        "`code` is given twice",
        "name the field",
    ];
    for part in expected {
        assert!(messages.iter().any(|message| message.contains(part)), "{part}: {messages:#?}");
    }
    let on_the_enum = errors(quote! {
        #[api(status = 404)]
        enum Pay {}
    });
    assert_eq!(on_the_enum, ["`#[api(…)]` belongs on the variants of an enum"]);
}

//! The attribute `#[api(…)]`.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

use crate::signature::Errors;

const NAMES: &str = "`status`, `detail`, `code`, `retry_after`, `transparent`";

/// What a variant says of its answer.
#[derive(Debug, Default)]
pub(super) struct Attrs {
    pub(super) status: Option<u16>,
    pub(super) detail: Option<LitStr>,
    pub(super) code: Option<LitStr>,
    /// A number of seconds, or the field that has them.
    pub(super) retry_after: Option<Expr>,
    /// Where it says that another error is answered instead.
    pub(super) transparent: Option<Span>,
    /// What is given, so that nothing is given twice.
    names: Vec<String>,
}

impl Attrs {
    /// Reads the attributes; `name` is what bears them.
    pub(super) fn parse(attrs: &[Attribute], name: &syn::Ident) -> syn::Result<Self> {
        let mut own = Self::default();
        let mut errors = Errors::default();
        // An option that is misspelled is most likely the one that is missing.
        let mut all_known = true;
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("api")) {
            match attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
                Ok(options) => {
                    for option in &options {
                        own.add(option).unwrap_or_else(|error| {
                            all_known = false;
                            errors.add(error);
                        });
                    }
                }
                Err(error) => errors.add(error),
            }
        }
        let others = own.names.iter().any(|name| name != "transparent");
        if own.transparent.is_some() && others {
            errors.push(name, "a transparent error has no answer of its own; leave the rest out");
        }
        if all_known && own.transparent.is_none() && !own.names.iter().any(|name| name == "status")
        {
            errors.push(
                name,
                "say how it is answered: `#[api(status = 404)]`, or `#[api(transparent)]` if it \
                 holds another `ApiError`",
            );
        }
        errors.finish(own)
    }

    fn add(&mut self, option: &Meta) -> syn::Result<()> {
        let name = option.path().to_token_stream().to_string();
        if self.names.contains(&name) {
            let message = format!("`{name}` is given twice");
            return Err(syn::Error::new_spanned(option, message));
        }
        self.names.push(name.clone());
        match name.as_str() {
            "status" => self.status = Some(status(&option.require_name_value()?.value)?),
            "detail" => self.detail = Some(text(&option.require_name_value()?.value)?),
            "code" => self.code = Some(code(&option.require_name_value()?.value)?),
            "retry_after" => self.retry_after = Some(option.require_name_value()?.value.clone()),
            "transparent" => {
                option.require_path_only()?;
                self.transparent = Some(option.span());
            }
            _ => {
                let message = format!("unknown option `{name}`; there are {NAMES}");
                return Err(syn::Error::new_spanned(option.path(), message));
            }
        }
        Ok(())
    }
}

fn status(value: &Expr) -> syn::Result<u16> {
    let error = |message| syn::Error::new_spanned(value, message);
    let Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) = value else {
        return Err(error("a status is a number, such as 404"));
    };
    match number.base10_parse() {
        Ok(status @ 400..=599) => Ok(status),
        _ => Err(error("the status of an error is from 400 to 599")),
    }
}

fn text(value: &Expr) -> syn::Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        _ => Err(syn::Error::new_spanned(value, "expected a text in quotes")),
    }
}

/// Codes are for programs, which compare them.
fn code(value: &Expr) -> syn::Result<LitStr> {
    let code = text(value)?;
    let text = code.value();
    let is_valid = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if text.is_empty() || !is_valid {
        let message = "a code has letters, digits, `_`, `-` and `.`, such as \"card_declined\"";
        return Err(syn::Error::new_spanned(value, message));
    }
    Ok(code)
}

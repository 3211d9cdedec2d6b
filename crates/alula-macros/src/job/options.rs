//! The arguments of `#[job(...)]`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitInt, LitStr, MetaNameValue, Token};

use crate::signature::Errors;

/// What is said of a job.
#[derive(Default)]
pub(super) struct Options {
    name: Option<LitStr>,
    version: Option<LitInt>,
    queue: Option<Expr>,
    max_attempts: Option<Expr>,
    timeout_seconds: Option<Expr>,
    backoff: Option<Expr>,
    /// What is given, so that nothing is given twice.
    names: Vec<String>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut options, mut errors) = (Self::default(), Errors::default());
        for option in Punctuated::<MetaNameValue, Token![,]>::parse_terminated(input)? {
            options.add(option).unwrap_or_else(|error| errors.add(error));
        }
        if let (Some(_), Some(version)) = (&options.name, &options.version) {
            errors.push(version, "the version is a part of the `name`; give one of them");
        }
        errors.finish(options)
    }
}

impl Options {
    fn add(&mut self, option: MetaNameValue) -> syn::Result<()> {
        let name = option.path.to_token_stream().to_string();
        if self.names.contains(&name) {
            let message = format!("the option `{name}` is given twice");
            return Err(syn::Error::new_spanned(option, message));
        }
        match name.as_str() {
            "name" => self.name = Some(text(&option.value)?),
            "version" => self.version = Some(number(&option.value)?),
            "queue" => self.queue = Some(option.value),
            "max_attempts" => self.max_attempts = Some(option.value),
            "timeout_seconds" => self.timeout_seconds = Some(option.value),
            "backoff" => self.backoff = Some(option.value),
            _ => {
                let message = format!(
                    "unknown option `{name}`; there are `queue`, `max_attempts`, \
                     `timeout_seconds`, `backoff`, `version` and `name`"
                );
                return Err(syn::Error::new_spanned(option.path, message));
            }
        }
        self.names.push(name);
        Ok(())
    }

    /// `::alula::jobs::Step::new("embed.v1").queue("documents")`…
    pub(super) fn step(&self, function: &Ident) -> TokenStream {
        let version = self.version.as_ref().map_or("1", LitInt::base10_digits);
        let name = self
            .name
            .as_ref()
            .map_or_else(|| format!("{}.v{version}", function.unraw()), LitStr::value);
        let queue = self.queue.iter();
        let attempts = self.max_attempts.iter();
        quote!(::alula::jobs::Step::new(#name) #(.queue(#queue))* #(.max_attempts(#attempts))*)
    }

    /// What is not the default.
    pub(super) fn methods(&self) -> TokenStream {
        let timeout = self.timeout_seconds.iter();
        let backoff = self.backoff.iter();
        quote! {
            #(fn timeout() -> ::core::option::Option<::core::time::Duration> {
                ::core::option::Option::Some(::core::time::Duration::from_secs(#timeout))
            })*
            #(fn backoff() -> ::alula::jobs::Backoff {
                #backoff
            })*
        }
    }
}

fn text(value: &Expr) -> syn::Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if !text.value().is_empty() => {
            Ok(text.clone())
        }
        _ => Err(syn::Error::new_spanned(value, "expected a name in quotes")),
    }
}

fn number(value: &Expr) -> syn::Result<LitInt> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. })
            if number.base10_parse::<u32>().is_ok() =>
        {
            Ok(number.clone())
        }
        _ => Err(syn::Error::new_spanned(value, "expected a number, such as 2")),
    }
}

//! `#[dependency]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprArray, ItemFn, MetaNameValue, Token};

use crate::signature::{Errors, arguments, assertions, cfgs};
use crate::value::Value;

/// Keeps the function and puts a type of its name beside it that implements `Dependency`.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let generated = generate(options, item.clone()).unwrap_or_else(syn::Error::into_compile_error);
    quote! {
        // A dependency is async so that it can be replaced by one that awaits.
        #[allow(clippy::unused_async)]
        #item
        #generated
    }
}

fn generate(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function = syn::parse2::<ItemFn>(item)?;
    let mut errors = Errors::default();
    let options = syn::parse2::<Options>(options).map_err(|error| errors.add(error));
    let arguments = arguments(&function.sig, "a dependency").map_err(|error| errors.add(error));
    let value =
        Value::parse(&function.sig.output, "a dependency").map_err(|error| errors.add(error));
    let (Ok(options), Ok(arguments), Ok(value)) = (options, arguments, value) else {
        return errors.finish(TokenStream::new());
    };
    let assertions = assertions(&arguments, None);
    let limit = options.max_concurrency.map(|limit| {
        quote! {
            const MAX_CONCURRENCY: ::core::option::Option<usize> =
                ::core::option::Option::Some(#limit);
        }
    });
    let scopes =
        options.scopes.map(|scopes| quote!(const SCOPES: &'static [&'static str] = &#scopes;));
    let (name, vis) = (&function.sig.ident, &function.vis);
    let (cfgs, cfgs_too) = (cfgs(&function.attrs), cfgs(&function.attrs));
    let bindings: Vec<_> = (0..arguments.len())
        .map(|index| format_ident!("a{index}", span = Span::mixed_site()))
        .collect();
    let wait = function.sig.asyncness.map(|_| quote!(.await));
    let call = quote!(#name(#(#bindings),*)#wait);
    let (ty, outcome) = match value {
        Value::Certain(ty) => (ty, quote!(::core::result::Result::Ok(#call))),
        Value::Fallible(ty) => (ty, quote!(#call.map_err(::alula::ApiError::into_http))),
    };
    errors.finish(quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy)]
        #vis struct #name {}

        #(#cfgs_too)*
        impl ::alula::Dependency for #name {
            type Value = #ty;
            type Input = (#(#arguments,)*);
            #scopes
            #limit

            async fn resolve(
                input: Self::Input,
            ) -> ::core::result::Result<Self::Value, ::alula::HttpError> {
                let (#(#bindings,)*) = input;
                #outcome
            }
        }

        #assertions
    })
}

/// The arguments of `#[dependency(...)]`.
#[derive(Default)]
struct Options {
    scopes: Option<ExprArray>,
    max_concurrency: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        for option in Punctuated::<MetaNameValue, Token![,]>::parse_terminated(input)? {
            options.add(option)?;
        }
        Ok(options)
    }
}

impl Options {
    fn add(&mut self, option: MetaNameValue) -> syn::Result<()> {
        let name = option.path.to_token_stream().to_string();
        let is_repeated = match name.as_str() {
            "max_concurrency" => self.max_concurrency.replace(option.value.clone()).is_some(),
            "scopes" => match &option.value {
                Expr::Array(scopes) => self.scopes.replace(scopes.clone()).is_some(),
                other => {
                    let message = "expected a list, such as [\"items:read\"]";
                    return Err(syn::Error::new_spanned(other, message));
                }
            },
            _ => {
                let message = "unknown option; there are `scopes` and `max_concurrency`";
                return Err(syn::Error::new_spanned(option.path, message));
            }
        };
        match is_repeated {
            true => {
                let message = format!("the option `{name}` is given twice");
                Err(syn::Error::new_spanned(option, message))
            }
            false => Ok(()),
        }
    }
}

//! `#[get]`, `#[post]` and the other methods, and `routes!`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{ItemFn, Path, ReturnType, Token};

use crate::docs::Docs;
use crate::options::{Kind, Options};
use crate::signature::{Errors, arguments, assertions, cfgs};

/// Keeps the function and puts a type of its name beside it that makes its route.
pub(crate) fn expand(method: &str, options: TokenStream, item: &TokenStream) -> TokenStream {
    let generated =
        generate(method, options, item.clone()).unwrap_or_else(syn::Error::into_compile_error);
    quote! {
        // Being async is what makes it an endpoint, whether it awaits or not.
        #[allow(clippy::unused_async)]
        #item
        #generated
    }
}

/// `routes![chat, admin::stats]`: a `Vec` of their routes.
pub(crate) fn routes(input: TokenStream) -> TokenStream {
    match Punctuated::<Path, Token![,]>::parse_terminated.parse2(input) {
        Ok(paths) => {
            let paths = paths.iter();
            quote!(::std::vec![#(<#paths as ::alula::Endpoint>::route()),*])
        }
        Err(error) => error.into_compile_error(),
    }
}

fn generate(method: &str, options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function = syn::parse2::<ItemFn>(item)?;
    let mut errors = Errors::default();
    if function.sig.asyncness.is_none() {
        errors.push(function.sig.fn_token, "an endpoint is an `async fn`");
    }
    let kind = if method == "ws" { Kind::Socket } else { Kind::Http };
    let options = Options::parse(kind, options).map_err(|error| errors.add(error));
    let arguments = arguments(&function.sig, "an endpoint").map_err(|error| errors.add(error));
    let (Ok(options), Ok(arguments)) = (options, arguments) else {
        return errors.finish(TokenStream::new());
    };
    let output = match &function.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, output) => Some(&**output),
    };
    let result = match kind {
        Kind::Http => quote!(::alula::Output),
        Kind::Socket => quote!(::alula::ws::WebSocketOutput),
    };
    let assertions = assertions(&arguments, output.map(|output| (output, result)));
    let (name, vis) = (&function.sig.ident, &function.vis);
    let (cfgs, cfgs_too) = (cfgs(&function.attrs), cfgs(&function.attrs));
    let route = route(method, &options, &function);
    errors.finish(quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy)]
        #vis struct #name {}

        #(#cfgs_too)*
        impl ::alula::Endpoint for #name {
            fn route() -> ::alula::Route {
                #route
            }
        }

        #assertions
    })
}

/// `::alula::post("/chat", chat).name("chat").summary("...")`…
fn route(method: &str, options: &Options, function: &ItemFn) -> TokenStream {
    let method = Ident::new(method, Span::call_site());
    let (path, calls, name) = (&options.path, &options.calls, &function.sig.ident);
    let docs = Docs::parse(&function.attrs);
    let operation = name.unraw().to_string();
    let summary = docs.summary.filter(|_| !options.has("summary"));
    let summary = summary.map(|summary| quote!(.summary(#summary)));
    let description = docs.description.filter(|_| !options.has("description"));
    let description = description.map(|description| quote!(.description(#description)));
    quote!(::alula::#method(#path, #name).name(#operation) #summary #description #calls)
}

//! A function in the place of the one that was written, which also says what that is.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::{Attribute, FnArg, ItemFn, Pat, ReturnType, Type};

use crate::signature::cfgs;

/// The function that others call, the type of its name, and what was written. `future` is what the
/// function returns, but for its arguments.
pub(crate) fn front(function: &ItemFn, arguments: &[&Type], future: &TokenStream) -> TokenStream {
    let ItemFn { attrs, vis, sig, block } = function;
    let (name, inputs) = (&sig.ident, &sig.inputs);
    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => output.to_token_stream(),
    };
    let bindings: Vec<Ident> = inputs.iter().enumerate().map(binding).collect();
    let (cfgs, cfgs_too, cfgs_three) = (cfgs(attrs), cfgs(attrs), cfgs(attrs));
    let (shown, inner): (Vec<_>, Vec<_>) = attrs.iter().partition(|attr| is_shown(attr));
    let inner = inner.into_iter().filter(|attr| !attr.path().is_ident("cfg"));
    quote! {
        #(#cfgs)*
        #(#shown)*
        #vis fn #name(#(#bindings: #arguments),*) -> #future<#name, #output> {
            #future::new(<#name>::call(#(#bindings),*))
        }

        #(#cfgs_too)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy)]
        #vis struct #name {}

        #(#cfgs_three)*
        impl #name {
            #(#inner)*
            // Being async is what it is about, whether it awaits or not.
            #[allow(clippy::unused_async)]
            async fn call(#inputs) -> #output #block
        }
    }
}

/// The name of an argument, where it has one.
fn binding((index, input): (usize, &FnArg)) -> Ident {
    match input {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pat) if pat.subpat.is_none() => pat.ident.clone(),
            _ => format_ident!("a{index}"),
        },
        FnArg::Receiver(_) => format_ident!("a{index}"),
    }
}

/// Whether an attribute is for those who call the function, rather than for its body.
fn is_shown(attr: &Attribute) -> bool {
    ["doc", "deprecated", "must_use"].iter().any(|name| attr.path().is_ident(name))
}

/// `Depends` of `alula::Depends<vectors>`.
pub(crate) fn last_name(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last().map(|last| last.ident.to_string())
}

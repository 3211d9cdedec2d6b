//! `#[job]`.

mod options;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::{Attribute, FnArg, ItemFn, Pat, ReturnType, Type};

use self::options::Options;
use crate::signature::{Errors, arguments, cfgs};
use crate::value::Value;

/// Inputs that a job may take first, as nothing that is enqueued.
const INPUTS: &[&str] =
    &["Depends", "State", "Scope", "RequestId", "BackgroundTasks", "Jobs", "JobContext"];
/// Inputs that read a request, which some will write by habit.
const OF_REQUESTS: &[&str] =
    &["Json", "Form", "Multipart", "Query", "Path", "Header", "Cookie", "Bearer", "ApiKey"];

/// Puts a function of the same shape in the place of the function, and a type of its name beside
/// it that implements `JobDefinition`.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    generate(options, item.clone()).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#[allow(clippy::unused_async)] #item #error)
    })
}

fn generate(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function = syn::parse2::<ItemFn>(item)?;
    let mut errors = Errors::default();
    if function.sig.asyncness.is_none() {
        errors.push(function.sig.fn_token, "a job is an `async fn`");
    }
    let options = syn::parse2::<Options>(options).map_err(|error| errors.add(error));
    let arguments = arguments(&function.sig, "a job").map_err(|error| errors.add(error));
    let value = Value::parse(&function.sig.output, "a job").map_err(|error| errors.add(error));
    let (Ok(options), Ok(arguments), Ok(value)) = (options, arguments, value) else {
        return errors.finish(TokenStream::new());
    };
    for argument in &arguments {
        if let Some(name) = last_name(argument).filter(|name| is_one_of(name, OF_REQUESTS)) {
            let message = format!(
                "a job has no request, so no `{name}`; what it is enqueued with is its first \
                 argument, of a type of yours"
            );
            errors.push(argument, &message);
        }
    }
    let args = arguments
        .first()
        .copied()
        .filter(|first| !last_name(first).is_some_and(|name| is_one_of(&name, INPUTS)));
    let front = front(&function, &arguments);
    let definition = definition(&function, &options, args, &arguments, &value);
    let assertions = assertions(args, &arguments);
    errors.finish(quote!(#front #definition #assertions))
}

/// The function that others call, the type of its name, and what was written.
fn front(function: &ItemFn, arguments: &[&Type]) -> TokenStream {
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
        #vis fn #name(
            #(#bindings: #arguments),*
        ) -> ::alula::jobs::JobFuture<#name, #output> {
            ::alula::jobs::JobFuture::new(<#name>::call(#(#bindings),*))
        }

        #(#cfgs_too)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy)]
        #vis struct #name {}

        #(#cfgs_three)*
        impl #name {
            #(#inner)*
            // Being async is what makes it a job, whether it awaits or not.
            #[allow(clippy::unused_async)]
            async fn call(#inputs) -> #output #block
        }
    }
}

/// `impl JobDefinition`.
fn definition(
    function: &ItemFn,
    options: &Options,
    args: Option<&Type>,
    arguments: &[&Type],
    value: &Value,
) -> TokenStream {
    let name = &function.sig.ident;
    let cfgs = cfgs(&function.attrs);
    let bindings: Vec<_> = (0..arguments.len())
        .map(|index| format_ident!("a{index}", span = Span::mixed_site()))
        .collect();
    let call = quote!(Self::call(#(#bindings),*).await);
    let (ty, outcome) = match value {
        Value::Certain(ty) => (ty, quote!(::core::result::Result::Ok(#call))),
        Value::Fallible(ty) => (ty, quote!(#call.map_err(::alula::jobs::JobError::into_failure))),
    };
    let inputs = arguments.iter().enumerate().map(|(index, argument)| match (index, args) {
        (0, Some(args)) => quote!(::alula::jobs::Args<#args>),
        _ => argument.to_token_stream(),
    });
    let patterns = bindings.iter().enumerate().map(|(index, binding)| match (index, args) {
        (0, Some(_)) => quote!(::alula::jobs::Args(#binding)),
        _ => binding.to_token_stream(),
    });
    let args = args.map_or_else(|| quote!(()), |args| args.to_token_stream());
    let (step, methods) = (options.step(name), options.methods());
    quote! {
        #(#cfgs)*
        impl ::alula::jobs::JobDefinition for #name {
            type Args = #args;
            type Value = #ty;
            type Input = (#(#inputs,)*);

            fn step() -> ::alula::jobs::Step {
                #step
            }

            #methods

            async fn attempt(
                input: Self::Input,
            ) -> ::core::result::Result<Self::Value, ::alula::jobs::Failure> {
                let (#(#patterns,)*) = input;
                #outcome
            }
        }
    }
}

/// Code that compiles if the arguments are what they must be, so that rustc points at the one that
/// is not.
fn assertions(args: Option<&Type>, arguments: &[&Type]) -> TokenStream {
    let inputs = arguments.iter().skip(usize::from(args.is_some()));
    let args = args.into_iter();
    quote! {
        const _: () = {
            #[allow(dead_code)]
            fn args<T: ::alula::jobs::JobArgs>() {}
            #[allow(dead_code)]
            fn argument<T: ::alula::Input>() {}
            #(let _ = args::<#args>;)*
            #(let _ = argument::<#inputs>;)*
        };
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
fn last_name(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last().map(|last| last.ident.to_string())
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.contains(&name)
}

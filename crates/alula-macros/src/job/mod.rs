//! `#[job]`.

mod options;
#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::{ItemFn, Type};

use self::options::Options;
use crate::front::{front, last_name};
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
    let front = front(&function, &arguments, &quote!(::alula::jobs::JobFuture));
    let definition = definition(&function, &options, args, &arguments, &value);
    let assertions = assertions(args, &arguments);
    errors.finish(quote!(#front #definition #assertions))
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

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.contains(&name)
}

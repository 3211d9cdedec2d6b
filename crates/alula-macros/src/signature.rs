//! What endpoints and dependencies demand of a function, said where rustc would be vague.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, Signature, Type};

/// As many as the framework implements its traits for.
const MAX_ARGUMENTS: usize = 12;

/// The types of the arguments, or everything that keeps the framework from calling the
/// function. `what` names its role.
pub(crate) fn arguments<'a>(signature: &'a Signature, what: &str) -> syn::Result<Vec<&'a Type>> {
    let mut errors = Errors::default();
    let mut types = Vec::new();
    if !signature.generics.params.is_empty() {
        let message = format!("{what} cannot be generic: nobody could choose the type");
        errors.push(&signature.generics, &message);
    }
    if let Some(unsafety) = &signature.unsafety {
        errors.push(unsafety, &format!("{what} cannot be unsafe"));
    }
    for (index, argument) in signature.inputs.iter().enumerate() {
        if index == MAX_ARGUMENTS {
            let message = format!("{what} takes at most {MAX_ARGUMENTS} arguments");
            errors.push(argument, &format!("{message}; gather some in a dependency"));
        }
        match argument {
            FnArg::Receiver(receiver) => {
                let message = format!("{what} is a free function; take shared things as `State`");
                errors.push(receiver, &message);
            }
            FnArg::Typed(typed) if has_impl(&typed.ty) => {
                errors.push(&typed.ty, "an argument needs a type with a name, not `impl Trait`");
            }
            FnArg::Typed(typed) => types.push(&*typed.ty),
        }
    }
    errors.finish(types)
}

/// Code that compiles if every argument is an `Input` and the result has the given trait.
///
/// rustc then points at the one that is not, before it says that the function as a whole
/// does not fit.
pub(crate) fn assertions(arguments: &[&Type], output: Option<(&Type, TokenStream)>) -> TokenStream {
    let inputs = (!arguments.is_empty()).then(|| {
        quote! {
            fn argument<T: ::alula::Input>() {}
            #(let _ = argument::<#arguments>;)*
        }
    });
    let output = output.filter(|(output, _)| !has_impl(output)).map(|(output, result)| {
        quote! {
            fn output<T: #result>() {}
            let _ = output::<#output>;
        }
    });
    if inputs.is_none() && output.is_none() {
        return TokenStream::new();
    }
    quote!(const _: () = { #inputs #output };)
}

/// The `#[cfg]`s of a function, for what is generated beside it.
pub(crate) fn cfgs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> + Clone {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
}

/// Whether `impl Trait` occurs anywhere in a type.
pub(crate) fn has_impl(ty: &Type) -> bool {
    fn search(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => search(group.stream()),
            _ => false,
        })
    }
    search(ty.to_token_stream())
}

/// Several errors, so that one compilation shows them all.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn push(&mut self, at: impl ToTokens, message: &str) {
        self.add(syn::Error::new_spanned(at, message));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// `value`, unless there are errors.
    pub(crate) fn finish<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

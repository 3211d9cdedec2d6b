//! What a function makes.

use syn::{GenericArgument, PathArguments, ReturnType, Type};

use crate::signature::has_impl;

/// What the function makes.
pub(crate) enum Value {
    /// It always does.
    Certain(Type),
    /// It returns a `Result` of it.
    Fallible(Type),
}

impl Value {
    /// `what` names the role of the function.
    pub(crate) fn parse(output: &ReturnType, what: &str) -> syn::Result<Self> {
        let ReturnType::Type(_, ty) = output else {
            return Ok(Self::Certain(syn::parse_quote!(())));
        };
        if has_impl(ty) {
            let message = format!("{what} needs a type with a name, not `impl Trait`");
            return Err(syn::Error::new_spanned(ty, message));
        }
        let Type::Path(path) = &**ty else { return Ok(Self::Certain((**ty).clone())) };
        let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result") else {
            return Ok(Self::Certain((**ty).clone()));
        };
        if let PathArguments::AngleBracketed(arguments) = &last.arguments
            && let Some(GenericArgument::Type(value)) = arguments.args.first()
        {
            return Ok(Self::Fallible(value.clone()));
        }
        Err(syn::Error::new_spanned(ty, "write out the value, as in `Result<User>`"))
    }
}

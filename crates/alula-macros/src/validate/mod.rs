//! `#[derive(Validate)]`.
//!
//! [`serde_names`] reads where things stand in the JSON, [`attrs`] what is to hold, the
//! [`model`] brings both together, and [`expand`] writes the code.

mod attrs;
mod constraint;
mod expand;
mod generics;
mod keyword;
mod model;
mod rename;
mod serde_names;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::model::Container;

/// Generates `impl Validate`, or errors where an attribute cannot be kept.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    syn::parse2::<DeriveInput>(input)
        .and_then(|input| Ok(Container::parse(&input)?.expand(&input)))
        .unwrap_or_else(syn::Error::into_compile_error)
}

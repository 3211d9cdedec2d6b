//! `#[derive(ApiError)]`.
//!
//! [`attrs`] reads `#[api(…)]`, [`detail`] what the client shall read, [`variant`] brings both
//! together with the fields and writes the code of one variant.

mod attrs;
mod detail;
#[cfg(test)]
mod tests;
mod variant;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput};

use self::variant::{Parts, Variant};
use crate::signature::Errors;

/// Generates `impl ApiError`, or errors where an attribute makes no sense.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    syn::parse2::<DeriveInput>(input)
        .and_then(|input| expand(&input))
        .unwrap_or_else(syn::Error::into_compile_error)
}

fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let variants = variants(input)?;
    let arms = variants.iter().map(Variant::arm);
    let describe = variants.iter().map(Variant::describe);
    let operation = if variants.is_empty() { quote!(_) } else { quote!(operation) };
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::alula::ApiError for #name #arguments #bounds {
            fn into_http(self) -> ::alula::HttpError {
                match self { #(#arms)* }
            }

            fn describe(#operation: &mut ::alula::Operation<'_>) {
                #(#describe)*
            }
        }
    })
}

fn variants(input: &DeriveInput) -> syn::Result<Vec<Variant>> {
    let mut errors = Errors::default();
    let mut variants = Vec::new();
    match &input.data {
        Data::Struct(data) => {
            let is_error = has_error(&input.attrs);
            let (name, attrs) = (&input.ident, &input.attrs);
            let parts = Parts { path: quote!(Self), name, fields: &data.fields, attrs };
            match Variant::parse(parts, is_error) {
                Ok(variant) => variants.push(variant),
                Err(error) => errors.add(error),
            }
        }
        Data::Enum(data) => {
            if let Some(attr) = input.attrs.iter().find(|attr| attr.path().is_ident("api")) {
                errors.push(attr, "`#[api(…)]` belongs on the variants of an enum");
            }
            let own = data.variants.iter().any(|variant| has_error(&variant.attrs));
            let is_error = own || has_error(&input.attrs);
            for variant in &data.variants {
                let syn::Variant { ident: name, fields, attrs, .. } = variant;
                let parts = Parts { path: quote!(Self::#name), name, fields, attrs };
                match Variant::parse(parts, is_error) {
                    Ok(variant) => variants.push(variant),
                    Err(error) => errors.add(error),
                }
            }
        }
        Data::Union(data) => {
            errors.push(data.union_token, "a union cannot be an error; use an enum or a struct");
        }
    }
    errors.finish(variants)
}

/// Whether `#[derive(thiserror::Error)]` makes the type an error of Rust's.
fn has_error(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("error"))
}

//! The bounds that a generic type needs to be checked.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{DeriveInput, Generics, Type, WherePredicate, parse_quote};

use super::model::{Container, Field};

/// The generics of `input` with `Validate` for each type parameter that a checked field
/// uses, and for its associated types.
pub(super) fn bounded(input: &DeriveInput, container: &Container<'_>) -> Generics {
    let mut generics = input.generics.clone();
    let fields = container.variants.iter().flat_map(|variant| &variant.fields);
    let checked: TokenStream = fields
        .filter(|field| field.descend && !is_phantom(field))
        .map(|field| field.ty.to_token_stream())
        .collect();
    let mut bounded = BTreeSet::new();
    for parameter in input.generics.type_params() {
        mentions(checked.clone(), &parameter.ident.to_string(), &mut bounded);
    }
    let bounded = bounded.iter().filter_map(|ty| ty.parse::<TokenStream>().ok());
    let predicates: Vec<WherePredicate> =
        bounded.map(|ty| parse_quote!(#ty: ::alula::Validate)).collect();
    if !predicates.is_empty() {
        generics.make_where_clause().predicates.extend(predicates);
    }
    generics
}

/// Adds `parameter`, or `parameter::Associated`, as often as `tokens` speak of it.
fn mentions(tokens: TokenStream, parameter: &str, found: &mut BTreeSet<String>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut in_path = false;
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Group(group) => mentions(group.stream(), parameter, found),
            TokenTree::Ident(ident) if !in_path && ident == parameter => {
                let mut ty = quote!(#token);
                while let Some(colon) = tokens.next_if(is_colon) {
                    ty.extend([colon]);
                    ty.extend(tokens.next_if(|token| matches!(token, TokenTree::Ident(_))));
                }
                found.insert(ty.to_string());
            }
            _ => {}
        }
        in_path = is_colon(&token);
    }
}

fn is_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':')
}

/// `PhantomData<T>` is sound whatever `T` is.
fn is_phantom(field: &Field<'_>) -> bool {
    let Type::Path(path) = field.ty else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "PhantomData")
}

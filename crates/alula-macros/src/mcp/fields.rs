//! The plain arguments of a function, as the fields of a struct.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Attribute, Expr, ExprLit, FnArg, Lit, Pat, PatType, Signature, Type};

use super::Kind;
use crate::front::last_name;
use crate::signature::Errors;

/// Inputs that are known by their names.
const INPUTS: &[&str] = &[
    "Depends",
    "State",
    "Scope",
    "RequestId",
    "BackgroundTasks",
    "ResponseHead",
    "Jobs",
    "Mcp",
    "McpContext",
    "Completing",
    "Arguments",
    "Variables",
    "Bearer",
    "ApiKey",
    "Basic",
    "OAuth2Bearer",
    "OpenIdConnect",
    "SecurityScopes",
    "Header",
    "Cookie",
    "ClientAddr",
    "Axum",
];
/// Inputs that read the body or the target of a request, which some will write by habit.
const OF_REQUESTS: &[&str] = &["Json", "Form", "Multipart", "Query", "Path"];

/// The arguments of a function.
pub(super) struct Fields {
    plain: Vec<Field>,
    /// With their places among the arguments.
    inputs: Vec<(Type, usize)>,
    /// Whether an input reads what plain arguments would.
    pub(super) has_own_type: bool,
}

struct Field {
    name: Ident,
    ty: Type,
    attrs: Vec<Attribute>,
    default: Option<Expr>,
    place: usize,
}

impl Fields {
    pub(super) fn of(kind: Kind, signature: &Signature) -> syn::Result<Self> {
        let mut errors = Errors::default();
        let mut fields = Self { plain: Vec::new(), inputs: Vec::new(), has_own_type: false };
        for (place, argument) in signature.inputs.iter().enumerate() {
            let FnArg::Typed(typed) = argument else { continue };
            if is_input(typed) {
                let name = last_name(&typed.ty).unwrap_or_default();
                fields.has_own_type |= name == "Arguments" || name == "Variables";
                fields.inputs.push(((*typed.ty).clone(), place));
            } else {
                match Field::of(kind, typed, place) {
                    Ok(field) => fields.plain.push(field),
                    Err(error) => errors.add(error),
                }
            }
        }
        if let Some(field) = fields.plain.first().filter(|_| fields.has_own_type) {
            let message = "one argument reads all of them already; put this one into its type, or \
                           mark it `#[input]`";
            errors.push(&field.name, message);
        }
        errors.finish(fields)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// The names of the plain arguments, and their places among all.
    pub(super) fn names_and_places(&self) -> (Vec<&Ident>, Vec<usize>) {
        self.plain.iter().map(|field| (&field.name, field.place)).unzip()
    }

    /// The names of the plain arguments, as they are written elsewhere.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.plain.iter().map(|field| field.name.unraw().to_string())
    }

    pub(super) fn inputs(&self) -> Vec<(&Type, usize)> {
        self.inputs.iter().map(|(ty, place)| (ty, *place)).collect()
    }

    /// The struct of the plain arguments, if there are any.
    pub(super) fn structure(&self, function: &Ident) -> TokenStream {
        if self.is_empty() {
            return TokenStream::new();
        }
        let title = format!("{}_arguments", function.unraw());
        let fields = self.plain.iter().map(Field::tokens);
        let defaults = self.plain.iter().filter_map(Field::default_function);
        quote! {
            #(#defaults)*

            #[doc(hidden)]
            #[derive(::serde::Deserialize, ::schemars::JsonSchema, ::alula::Validate)]
            #[schemars(rename = #title)]
            #[allow(missing_docs, missing_debug_implementations, unreachable_pub)]
            pub struct __Arguments {
                #(#fields,)*
            }
        }
    }
}

impl Field {
    fn of(kind: Kind, typed: &PatType, place: usize) -> syn::Result<Self> {
        let Pat::Ident(pat) = &*typed.pat else {
            let message = "an argument that a model fills in needs a name; an input of another type \
                           is marked `#[input]`";
            return Err(syn::Error::new_spanned(&typed.pat, message));
        };
        if let Type::Reference(reference) = &*typed.ty {
            let message =
                "an argument owns its value: write `String` for `&str`, `Vec<T>` for `&[T]`";
            return Err(syn::Error::new_spanned(reference, message));
        }
        if let Some(name) = last_name(&typed.ty).filter(|name| OF_REQUESTS.contains(&&**name)) {
            let message = format!(
                "{} has no `{name}`; write its fields as arguments, or a struct of yours",
                kind.what()
            );
            return Err(syn::Error::new_spanned(&typed.ty, message));
        }
        let mut attrs = typed.attrs.clone();
        attrs.retain(|attr| !attr.path().is_ident("argument"));
        let default = attrs.iter().position(|attr| attr.path().is_ident("default"));
        let default = default.map(|at| attrs.remove(at).parse_args::<Expr>()).transpose()?;
        Ok(Self { name: pat.ident.clone(), ty: (*typed.ty).clone(), attrs, default, place })
    }

    fn default_name(&self) -> Ident {
        format_ident!("__default_of_{}", self.name.unraw())
    }

    fn default_function(&self) -> Option<TokenStream> {
        let (name, ty, value) = (self.default_name(), &self.ty, self.default.as_ref()?);
        // A text in quotes stands for a `String`.
        let value = match value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                quote!(::core::convert::Into::into(#text))
            }
            value => value.to_token_stream(),
        };
        Some(quote! {
            fn #name() -> #ty {
                #value
            }
        })
    }

    fn tokens(&self) -> TokenStream {
        let Self { name, ty, attrs, .. } = self;
        let default = self.default.as_ref().map(|_| {
            let function = self.default_name().to_string();
            quote!(#[serde(default = #function)])
        });
        quote!(#(#attrs)* #default pub #name: #ty).into_token_stream()
    }
}

/// Whether an argument is an input, rather than what a model fills in.
fn is_input(typed: &PatType) -> bool {
    let is_marked = |mark: &str| typed.attrs.iter().any(|attr| attr.path().is_ident(mark));
    if is_marked("argument") {
        return false;
    }
    is_marked("input") || last_name(&typed.ty).is_some_and(|name| INPUTS.contains(&&*name))
}

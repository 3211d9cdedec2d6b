//! The attributes of containers, variants and fields that say what to check.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, ExprPath, Meta, Token};

use super::constraint::{Constraints, Item, Items};

/// What the attributes of a container or a field ask for.
#[derive(Default)]
pub(super) struct Attrs {
    pub(super) constraints: Constraints,
    /// The functions in `#[validate(custom = function)]`.
    pub(super) custom: Vec<ExprPath>,
    /// `#[validate(skip)]`: the type of the field is not asked.
    pub(super) skip: Option<Span>,
}

impl Attrs {
    pub(super) fn parse(attrs: &[Attribute]) -> syn::Result<Self> {
        let mut result = Self::default();
        let mut shown_as_another_type = false;
        for attr in attrs {
            if attr.path().is_ident("schemars") {
                for item in attr.parse_args_with(Items::parse_terminated)? {
                    result.schemars(&item)?;
                    shown_as_another_type |= item.is_one_of(&["with", "schema_with"]);
                }
            } else if attr.path().is_ident("validate") {
                for meta in attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
                    result.validate(&meta)?;
                }
            } else if attr.path().is_ident("garde") {
                let message = "`#[garde(...)]` reaches the schema but is not enforced; \
                               write `#[schemars(...)]`";
                return Err(syn::Error::new_spanned(attr, message));
            }
        }
        if shown_as_another_type {
            result.constraints.forget_format();
        }
        Ok(result)
    }

    fn schemars(&mut self, item: &Item) -> syn::Result<()> {
        let Item(Some(meta)) = item else { return Ok(()) };
        let name = meta.path().to_token_stream().to_string();
        if self.constraints.parse(meta)? || DESCRIPTIONS.contains(&name.as_str()) {
            return Ok(());
        }
        let message = format!("`{name}` is not enforced: `Validate` does not know it");
        Err(syn::Error::new_spanned(meta, message))
    }

    fn validate(&mut self, meta: &Meta) -> syn::Result<()> {
        let name = meta.path().to_token_stream().to_string();
        match name.as_str() {
            "skip" => {
                meta.require_path_only()?;
                self.skip = Some(meta.span());
            }
            "custom" => {
                let value = &meta.require_name_value()?.value;
                self.custom.push(syn::parse2(value.to_token_stream()).map_err(|_error| {
                    syn::Error::new_spanned(value, "expected the path of a function")
                })?);
            }
            _ => {
                let message = format!(
                    "`{name}` is not an option of `validate`: write `skip` or \
                     `custom = function`, and constraints as `#[schemars(...)]`"
                );
                return Err(syn::Error::new_spanned(meta, message));
            }
        }
        Ok(())
    }

    /// The first attribute that only makes sense on a field.
    pub(super) fn first_constraint(&self) -> Option<Span> {
        self.constraints.list.first().map(|first| first.span).or(self.constraints.required)
    }
}

/// What schemars reads besides constraints: descriptions, and serde's own attributes.
const DESCRIPTIONS: &[&str] = &[
    "bound",
    "content",
    "crate",
    "default",
    "deny_unknown_fields",
    "deprecated",
    "description",
    "example",
    "flatten",
    "from",
    "inline",
    "into",
    "remote",
    "rename",
    "rename_all",
    "rename_all_fields",
    "schema_with",
    "skip",
    "skip_deserializing",
    "skip_serializing",
    "skip_serializing_if",
    "tag",
    "title",
    "transform",
    "transparent",
    "try_from",
    "untagged",
    "with",
    "_unstable_ref_variants",
];

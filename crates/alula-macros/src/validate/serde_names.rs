//! What serde's attributes say about the names in the JSON.
//!
//! Only the deserializing side counts, as it is requests that are validated. Anything
//! that has no say in names or presence is left to serde.

use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Token};

use super::rename::Rule;

/// The serde attributes of a struct or an enum.
#[derive(Default)]
pub(super) struct ContainerNames {
    pub(super) rename_all: Rule,
    pub(super) rename_all_fields: Rule,
    pub(super) tagging: Tagging,
    pub(super) transparent: bool,
    pub(super) default: bool,
    /// The attribute that makes the JSON that of another type: `from` or `try_from`.
    pub(super) converted: Option<Meta>,
}

/// How an enum shows its variant.
#[derive(Default, Clone, PartialEq, Debug)]
pub(super) enum Tagging {
    #[default]
    External,
    Internal,
    Adjacent {
        content: String,
    },
    Untagged,
}

/// The serde attributes of a variant.
#[derive(Default)]
pub(super) struct VariantNames {
    rename: Option<String>,
    pub(super) rename_all: Rule,
    pub(super) skip: bool,
    pub(super) untagged: bool,
}

/// The serde attributes of a field.
#[derive(Default)]
pub(super) struct FieldNames {
    rename: Option<String>,
    pub(super) skip: bool,
    pub(super) flatten: bool,
    pub(super) default: bool,
}

impl ContainerNames {
    pub(super) fn parse(attrs: &[Attribute]) -> syn::Result<Self> {
        let mut names = Self::default();
        let (mut tag, mut content, mut untagged) = (false, None, false);
        for meta in serde_metas(attrs)? {
            match name_of(&meta).as_str() {
                "rename_all" => names.rename_all = rule(&meta)?,
                "rename_all_fields" => names.rename_all_fields = rule(&meta)?,
                "transparent" => names.transparent = true,
                "default" => names.default = true,
                "from" | "try_from" => names.converted = Some(meta),
                "tag" => tag = true,
                "content" => content = string(&meta).map(|content| content.value()),
                "untagged" => untagged = true,
                _ => {}
            }
        }
        names.tagging = match (tag, content, untagged) {
            (_, _, true) => Tagging::Untagged,
            (true, Some(content), _) => Tagging::Adjacent { content },
            (true, None, _) => Tagging::Internal,
            (false, ..) => Tagging::External,
        };
        Ok(names)
    }
}

impl VariantNames {
    pub(super) fn parse(attrs: &[Attribute]) -> syn::Result<Self> {
        let mut names = Self::default();
        for meta in serde_metas(attrs)? {
            match name_of(&meta).as_str() {
                "rename" => names.rename = deserialized(&meta).map(|name| name.value()),
                "rename_all" => names.rename_all = rule(&meta)?,
                "skip" | "skip_deserializing" => names.skip = true,
                "untagged" => names.untagged = true,
                _ => {}
            }
        }
        Ok(names)
    }

    /// The tag of the variant `ident`.
    pub(super) fn name(&self, ident: &Ident, container: &ContainerNames) -> String {
        let ident = ident.unraw().to_string();
        self.rename.clone().unwrap_or_else(|| container.rename_all.apply_to_variant(&ident))
    }
}

impl FieldNames {
    pub(super) fn parse(attrs: &[Attribute]) -> syn::Result<Self> {
        let mut names = Self::default();
        for meta in serde_metas(attrs)? {
            match name_of(&meta).as_str() {
                "rename" => names.rename = deserialized(&meta).map(|name| name.value()),
                "skip" | "skip_deserializing" => names.skip = true,
                "flatten" => names.flatten = true,
                "default" => names.default = true,
                _ => {}
            }
        }
        Ok(names)
    }

    /// The property of the field `ident`, in a struct or variant whose rule is `rename_all`.
    pub(super) fn name(&self, ident: &Ident, rename_all: Rule) -> String {
        let ident = ident.unraw().to_string();
        self.rename.clone().unwrap_or_else(|| rename_all.apply_to_field(&ident))
    }
}

fn serde_metas(attrs: &[Attribute]) -> syn::Result<Vec<Meta>> {
    let mut metas = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        metas.extend(attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?);
    }
    Ok(metas)
}

fn name_of(meta: &Meta) -> String {
    meta.path().get_ident().map(Ident::to_string).unwrap_or_default()
}

fn rule(meta: &Meta) -> syn::Result<Rule> {
    deserialized(meta).as_ref().map_or(Ok(Rule::None), Rule::parse)
}

/// The name in `meta = "name"` or `meta(serialize = "…", deserialize = "name")`.
fn deserialized(meta: &Meta) -> Option<LitStr> {
    let Meta::List(list) = meta else { return string(meta) };
    let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    inner.iter().find(|meta| meta.path().is_ident("deserialize")).and_then(string)
}

fn string(meta: &Meta) -> Option<LitStr> {
    match &meta.require_name_value().ok()?.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        _ => None,
    }
}

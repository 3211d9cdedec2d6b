//! A type as the checks see it: variants of fields, each with its place in the JSON.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, ExprPath, Fields, Ident, Index, Member, Type};

use super::attrs::Attrs;
use super::constraint::Constraint;
use super::rename::Rule;
use super::serde_names::{ContainerNames, FieldNames, Tagging, VariantNames};

/// The type that derives `Validate`.
pub(super) struct Container<'a> {
    /// One for a struct.
    pub(super) variants: Vec<Variant<'a>>,
    pub(super) custom: Vec<ExprPath>,
}

pub(super) struct Variant<'a> {
    /// `Self` or `Self::Variant`.
    pub(super) path: TokenStream,
    /// The steps from the place of the type to its fields.
    pub(super) steps: Vec<VariantStep>,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) key: Option<Key>,
}

/// A step from an enum to the fields of a variant.
pub(super) enum VariantStep {
    /// A property.
    Part(String),
    /// The name of the variant, which is not a step in the JSON.
    Variant(String),
}

/// How a value stands as the key of a JSON object.
pub(super) enum Key {
    /// As the name of this unit variant.
    Name(String),
    /// As its only field.
    Field,
}

pub(super) struct Field<'a> {
    pub(super) member: Member,
    /// The variable that the field is bound to.
    pub(super) binding: Ident,
    pub(super) ty: &'a Type,
    pub(super) step: Step,
    pub(super) constraints: Vec<Constraint>,
    pub(super) required: Option<Span>,
    pub(super) custom: Vec<ExprPath>,
    /// Whether the type of the field is asked as well.
    pub(super) descend: bool,
}

/// The step from a struct to one of its fields.
pub(super) enum Step {
    /// The field stands where the struct stands.
    None,
    Name(String),
    Index(usize),
}

impl<'a> Container<'a> {
    pub(super) fn parse(input: &'a DeriveInput) -> syn::Result<Self> {
        let names = ContainerNames::parse(&input.attrs)?;
        let attrs = Attrs::parse(&input.attrs)?;
        if let Some(span) = attrs.skip {
            return Err(syn::Error::new(span, "`skip` is for fields"));
        }
        let mut variants = match &input.data {
            Data::Struct(data) => vec![Variant::of_struct(&data.fields, &names)?],
            Data::Enum(data) => data
                .variants
                .iter()
                .map(|variant| Variant::of_enum(variant, &names))
                .collect::<syn::Result<_>>()?,
            Data::Union(data) => {
                return Err(syn::Error::new(data.union_token.span, "a union cannot be checked"));
            }
        };
        if let Some(span) = attrs.first_constraint() {
            // A type that stands where its only field stands shares its schema.
            let [Variant { key: Some(Key::Field), fields, .. }] = variants.as_mut_slice() else {
                return Err(misplaced(span));
            };
            let Some(field) = fields.first_mut() else { return Err(misplaced(span)) };
            field.constraints.extend(attrs.constraints.list);
        }
        Ok(Self { variants, custom: attrs.custom })
    }
}

impl<'a> Variant<'a> {
    fn of_struct(fields: &'a Fields, names: &ContainerNames) -> syn::Result<Self> {
        let fields = parse_fields(fields, names, names.rename_all, names.transparent)?;
        let key =
            names.transparent || matches!(fields.as_slice(), [Field { step: Step::None, .. }]);
        Ok(Self { path: quote!(Self), steps: Vec::new(), fields, key: key.then_some(Key::Field) })
    }

    fn of_enum(variant: &'a syn::Variant, container: &ContainerNames) -> syn::Result<Self> {
        let names = VariantNames::parse(&variant.attrs)?;
        let attrs = Attrs::parse(&variant.attrs)?;
        if let Some(span) = attrs.first_constraint() {
            return Err(misplaced(span));
        }
        if attrs.skip.is_some() || !attrs.custom.is_empty() {
            let message = "`#[validate(...)]` is for types and fields, not for variants";
            return Err(syn::Error::new(variant.ident.span(), message));
        }
        let name = names.name(&variant.ident, container);
        let rename_all = names.rename_all.or(container.rename_all_fields);
        let fields = if names.skip {
            Vec::new()
        } else {
            parse_fields(&variant.fields, container, rename_all, false)?
        };
        let key = matches!(variant.fields, Fields::Unit).then(|| Key::Name(name.clone()));
        let steps = match &container.tagging {
            Tagging::External if !names.untagged => vec![VariantStep::Part(name)],
            Tagging::Adjacent { content } if !names.untagged => {
                vec![VariantStep::Variant(name), VariantStep::Part(content.clone())]
            }
            _ => vec![VariantStep::Variant(name)],
        };
        let ident = &variant.ident;
        Ok(Self { path: quote!(Self::#ident), steps, fields, key })
    }
}

/// The fields that arrive from outside; the others have nothing to check.
fn parse_fields<'a>(
    fields: &'a Fields,
    container: &ContainerNames,
    rename_all: Rule,
    transparent: bool,
) -> syn::Result<Vec<Field<'a>>> {
    let mut parsed = Vec::new();
    let is_newtype = matches!(fields, Fields::Unnamed(_)) && fields.len() == 1;
    for (index, field) in fields.iter().enumerate() {
        let names = FieldNames::parse(&field.attrs)?;
        let attrs = Attrs::parse(&field.attrs)?;
        reject_contradictions(field, &names, &attrs, container)?;
        if names.skip {
            continue;
        }
        let (member, step) = match &field.ident {
            Some(ident) => {
                (Member::Named(ident.clone()), Step::Name(names.name(ident, rename_all)))
            }
            None => (Member::Unnamed(Index::from(index)), Step::Index(parsed.len())),
        };
        let in_place = names.flatten || transparent || is_newtype;
        parsed.push(Field {
            member,
            binding: format_ident!("field_{index}", span = Span::mixed_site()),
            ty: &field.ty,
            step: if in_place { Step::None } else { step },
            constraints: attrs.constraints.list,
            required: attrs.constraints.required,
            custom: attrs.custom,
            descend: attrs.skip.is_none(),
        });
    }
    Ok(parsed)
}

/// Refuses checks that would never run, and those that the document does not show.
fn reject_contradictions(
    field: &syn::Field,
    names: &FieldNames,
    attrs: &Attrs,
    container: &ContainerNames,
) -> syn::Result<()> {
    let constraint = attrs.first_constraint();
    if let (true, Some(custom)) = (names.skip, attrs.custom.first()) {
        let message = "never runs: serde does not read this field";
        return Err(syn::Error::new_spanned(custom, message));
    }
    if let (true, Some(span)) = (names.flatten, constraint) {
        let message = "a flattened field has no schema that could show this constraint; \
                       put it on the fields inside, or use `#[validate(custom = ...)]`";
        return Err(syn::Error::new(span, message));
    }
    if let (true, Some(span)) = (names.default || container.default, attrs.constraints.required) {
        return Err(syn::Error::new(span, "`required` contradicts `#[serde(default)]`"));
    }
    if let (Some(converted), Some(_)) = (&container.converted, constraint) {
        let message = "the document shows the type that this one is converted from; \
                       put the constraints of its fields there, or check them in the conversion";
        let mut error = syn::Error::new_spanned(converted, message);
        error.combine(syn::Error::new(field.span(), "this constraint is not in the document"));
        return Err(error);
    }
    Ok(())
}

fn misplaced(span: Span) -> syn::Error {
    let message = "a constraint cannot be checked here; put it on a field, \
                   or use `#[validate(custom = ...)]` on the type";
    syn::Error::new(span, message)
}

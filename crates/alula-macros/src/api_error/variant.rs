//! One variant of an error, or an error that is a struct.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, Fields, LitStr, Member, Type};

use super::attrs::Attrs;
use super::detail::Detail;
use crate::docs::Docs;
use crate::signature::Errors;

/// A variant and how it is answered.
#[derive(Debug)]
pub(super) struct Variant {
    /// `Self::Declined`, or `Self`.
    path: TokenStream,
    fields: Vec<Field>,
    answer: Answer,
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    /// As `{name}` names it: by its name or its position.
    pub(super) name: String,
    /// What a pattern binds it to.
    pub(super) binding: Ident,
    /// Whether it is the source of the error, which only the log reads.
    pub(super) is_cause: bool,
    member: Member,
    ty: Type,
}

#[derive(Debug)]
enum Answer {
    /// That of the error in the only field.
    Inner,
    Own(Box<Own>),
}

#[derive(Debug)]
struct Own {
    status: u16,
    /// Without one, the client reads what the status means.
    detail: Option<Detail>,
    code: Option<LitStr>,
    retry_after: Option<RetryAfter>,
    cause: Cause,
    description: String,
}

#[derive(Debug)]
enum RetryAfter {
    Seconds(Expr),
    Field { at: usize, span: Span },
}

/// What the log reads.
#[derive(Debug)]
enum Cause {
    Nothing,
    /// The error itself, whose text the program chose, and its sources.
    Whole,
    Field(usize),
}

/// A variant as it is written.
pub(super) struct Parts<'a> {
    pub(super) path: TokenStream,
    pub(super) name: &'a Ident,
    pub(super) fields: &'a Fields,
    pub(super) attrs: &'a [Attribute],
}

impl Variant {
    /// Reads a variant; `is_error` says whether the type is an error of Rust's.
    pub(super) fn parse(parts: Parts<'_>, is_error: bool) -> syn::Result<Self> {
        let Parts { path, name, fields, attrs } = parts;
        let fields = fields.iter().enumerate().map(|(at, field)| Field::new(at, field)).collect();
        let attributes = Attrs::parse(attrs, name)?;
        let mut variant = Self { path, fields, answer: Answer::Inner };
        if let Some(span) = attributes.transparent {
            if variant.fields.len() != 1 {
                let message = "a transparent error has one field: the `ApiError` that is answered";
                return Err(syn::Error::new(span, message));
            }
            return Ok(variant);
        }
        let own = variant.own(attributes, &Docs::parse(attrs), is_error)?;
        variant.answer = Answer::Own(Box::new(own));
        Ok(variant)
    }

    fn own(&self, attrs: Attrs, docs: &Docs, is_error: bool) -> syn::Result<Own> {
        let mut errors = Errors::default();
        let status = attrs.status.unwrap_or(500);
        let detail = match &attrs.detail {
            Some(literal) => Detail::parse(literal, &self.fields).map(Some),
            None => Ok(docs.summary.as_deref().map(plain)),
        };
        let detail = detail.unwrap_or_else(|error| {
            errors.add(error);
            None
        });
        let retry_after = attrs.retry_after.map(|value| self.retry_after(value)).transpose();
        let retry_after = retry_after.unwrap_or_else(|error| {
            errors.add(error);
            None
        });
        let source = self.fields.iter().position(|field| field.is_cause);
        let cause = match source {
            _ if is_error && (source.is_some() || status >= 500) => Cause::Whole,
            Some(at) => Cause::Field(at),
            None => Cause::Nothing,
        };
        let docs = [docs.summary.clone(), docs.description.clone()];
        let docs: Vec<_> = docs.into_iter().flatten().collect();
        let description = match (docs.is_empty(), &detail) {
            (true, Some(detail)) => detail.text.clone(),
            _ => docs.join("\n\n"),
        };
        errors.finish(Own { status, detail, code: attrs.code, retry_after, cause, description })
    }

    fn retry_after(&self, value: Expr) -> syn::Result<RetryAfter> {
        if let Expr::Lit(_) = &value {
            return Ok(RetryAfter::Seconds(value));
        }
        let message = "expected a number of seconds, or a field that has them (`_0` is the first \
                       of a tuple)";
        let error = || syn::Error::new_spanned(&value, message);
        let Expr::Path(path) = &value else { return Err(error()) };
        let name = path.path.get_ident().ok_or_else(error)?.unraw().to_string();
        let is = |field: &Field| field.name == name || name == format!("_{}", field.name);
        let at = self.fields.iter().position(is).ok_or_else(error)?;
        Ok(RetryAfter::Field { at, span: value.span() })
    }

    /// The arm of `into_http`.
    pub(super) fn arm(&self) -> TokenStream {
        let path = &self.path;
        let Answer::Own(own) = &self.answer else {
            // Named by its type, where the compiler shows that it is no `ApiError`.
            let member = self.fields.iter().map(|field| &field.member);
            let ty = self.fields.iter().map(|field| &field.ty);
            let call = quote!(#(<#ty as ::alula::ApiError>::into_http(inner))*);
            return quote!(#path { #(#member: inner)* } => #call,);
        };
        let bindings = self.fields.iter().enumerate().filter_map(|(at, field)| {
            let (member, binding) = (&field.member, &field.binding);
            match own.cause {
                Cause::Field(cause) if cause == at => Some(quote!(#member: #binding,)),
                _ if own.reads(at) => Some(quote!(#member: ref #binding,)),
                _ => None,
            }
        });
        let bindings = quote!(#(#bindings)*);
        let detail =
            own.detail.as_ref().map(|Detail { format, text, fields }| match fields.len() {
                0 => quote!(#text),
                _ => quote!(::std::format!(#format)),
            });
        let mut error = own.error(detail);
        if let Some(RetryAfter::Field { at, span }) = own.retry_after {
            let binding = self.fields.get(at).map(|field| &field.binding);
            let seconds = quote_spanned!(span=> ::alula::__private::RetryAfter::seconds(#binding));
            error = quote!(match (#error, #seconds) {
                (error, ::core::option::Option::Some(seconds)) => error.retry_after(seconds),
                (error, ::core::option::Option::None) => error,
            });
        }
        let error = match own.cause {
            Cause::Nothing => error,
            Cause::Whole => quote!({ let error = #error; error.because(self) }),
            Cause::Field(at) => {
                let binding = self.fields.get(at).map(|field| &field.binding);
                quote!({ let error = #error; error.because(#binding) })
            }
        };
        quote!(#path { #bindings .. } => #error,)
    }

    /// The statement of `describe`.
    pub(super) fn describe(&self) -> TokenStream {
        let Answer::Own(own) = &self.answer else {
            let types = self.fields.iter().map(|field| &field.ty);
            return quote!(#(<#types as ::alula::ApiError>::describe(operation);)*);
        };
        let error = own.error(own.detail.as_ref().map(|Detail { text, .. }| quote!(#text)));
        let retry_after = match own.retry_after {
            Some(RetryAfter::Field { .. }) => Some(quote!(.retry_after(1))),
            _ => None,
        };
        let description = &own.description;
        quote!(operation.error(&#error #retry_after, #description);)
    }
}

impl Own {
    /// Whether the answer needs the value of a field.
    fn reads(&self, at: usize) -> bool {
        let in_detail = self.detail.as_ref().is_some_and(|detail| detail.fields.contains(&at));
        in_detail
            || matches!(self.retry_after, Some(RetryAfter::Field { at: field, .. }) if field == at)
    }

    /// `::alula::HttpError::new(402, "…").code("…")`, as far as it needs no field.
    fn error(&self, detail: Option<TokenStream>) -> TokenStream {
        let Self { status, code, retry_after, .. } = self;
        let error = match detail {
            Some(detail) => quote!(::alula::HttpError::new(#status, #detail)),
            None => quote!(::alula::HttpError::of_status(#status)),
        };
        let code = code.iter();
        let seconds = match retry_after {
            Some(RetryAfter::Seconds(seconds)) => Some(quote!(.retry_after(#seconds))),
            _ => None,
        };
        quote!(#error #(.code(#code))* #seconds)
    }
}

impl Field {
    fn new(at: usize, field: &syn::Field) -> Self {
        let name =
            field.ident.as_ref().map_or_else(|| at.to_string(), |name| name.unraw().to_string());
        let is_marked =
            |attr: &Attribute| attr.path().is_ident("source") || attr.path().is_ident("from");
        Self {
            // A name of its own: `format!` takes neither positions nor keywords.
            binding: format_ident!("field_{name}"),
            // As for thiserror, the name `source` is a mark by itself.
            is_cause: name == "source" || field.attrs.iter().any(is_marked),
            member: field.ident.clone().map_or_else(|| at.into(), Member::Named),
            ty: field.ty.clone(),
            name,
        }
    }
}

/// A doc comment as a detail: one line, without a dot at its end.
fn plain(summary: &str) -> Detail {
    let text = summary.strip_suffix('.').unwrap_or(summary).to_owned();
    let format = LitStr::new("", Span::call_site());
    Detail { format, text, fields: Vec::new() }
}

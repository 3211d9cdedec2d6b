//! The grammar of schemars' constraint attributes, and the checks that they stand for.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, MetaList, Token};

use super::keyword::{Keyword, Kind};

/// A constraint that the generated code checks.
pub(super) struct Constraint {
    /// The attribute, for the errors of rustc.
    pub(super) span: Span,
    /// Which limit this is; a second one of the same name is refused.
    slot: &'static str,
    /// The type in `alula::__private` that stands for the keyword.
    pub(super) kind: TokenStream,
    /// An expression: a reference to one of that type.
    pub(super) check: TokenStream,
}

/// The constraints in one set of attributes.
#[derive(Default)]
pub(super) struct Constraints {
    pub(super) list: Vec<Constraint>,
    /// The `required` attribute.
    pub(super) required: Option<Span>,
}

/// The slot of formats.
const FORMAT: &str = "format";

/// One item of `#[schemars(...)]`: `!name` takes a serde attribute back.
pub(super) struct Item(pub(super) Option<Meta>);

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.parse::<Option<Token![!]>>()?.is_some() {
            input.call(syn::Path::parse_mod_style)?;
            return Ok(Self(None));
        }
        Ok(Self(Some(input.parse()?)))
    }
}

impl Item {
    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        let Self(Some(meta)) = self else { return false };
        names.iter().any(|name| meta.path().is_ident(name))
    }
}

pub(super) type Items = Punctuated<Item, Token![,]>;

impl Constraints {
    /// Reads `meta`; `false` if it is no constraint.
    pub(super) fn parse(&mut self, meta: &Meta) -> syn::Result<bool> {
        match meta.path().to_token_stream().to_string().as_str() {
            "range" => self.bounds(meta, "Range", ["minimum", "maximum"])?,
            "length" => self.bounds(meta, "Length", ["minimum length", "maximum length"])?,
            "regex" => self.pattern(meta, &named_pattern(meta.require_list()?)?)?,
            "pattern" => self.pattern(meta, &meta.require_list()?.parse_args::<Expr>()?)?,
            "contains" => {
                let text = contained(meta.require_list()?)?;
                let text = quote!(::std::string::ToString::to_string(&(#text)));
                self.push(meta.span(), "pattern", constraint("Contains", &text))?;
            }
            "inner" => self.inner(meta.require_list()?)?,
            "required" => self.required = Some(meta.span()),
            "extend" => self.extend(meta.require_list()?)?,
            "email" => self.format(meta, "Email")?,
            "url" => self.format(meta, "Uri")?,
            "ip" => self.format(meta, "Ip")?,
            "ipv4" => self.format(meta, "Ipv4")?,
            "ipv6" => self.format(meta, "Ipv6")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn push(
        &mut self,
        span: Span,
        slot: &'static str,
        (kind, check): (TokenStream, TokenStream),
    ) -> syn::Result<()> {
        if !slot.is_empty() && self.list.iter().any(|other| other.slot == slot) {
            return Err(syn::Error::new(span, format!("the {slot} is set twice")));
        }
        self.list.push(Constraint { span, slot, kind, check });
        Ok(())
    }

    /// `range(min = …, max = …)` or `length(equal = …)`.
    fn bounds(
        &mut self,
        meta: &Meta,
        kind: &str,
        [min, max]: [&'static str; 2],
    ) -> syn::Result<()> {
        let list = meta.require_list()?;
        for bound in list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
            let value = unquoted(&bound.require_name_value()?.value)?;
            let limit = |limit| limit_check(kind, limit, &value);
            let name = bound.path().to_token_stream().to_string();
            if name == "min" || name == "equal" {
                self.push(meta.span(), min, limit("Minimum"))?;
            }
            if name == "max" || name == "equal" {
                self.push(meta.span(), max, limit("Maximum"))?;
            }
            if !matches!(name.as_str(), "min" | "max" | "equal") {
                let message = format!("`{name}` is not enforced; write `min`, `max` or `equal`");
                return Err(syn::Error::new_spanned(bound, message));
            }
        }
        Ok(())
    }

    fn pattern(&mut self, meta: &Meta, pattern: &Expr) -> syn::Result<()> {
        let check = pattern_check(pattern)?;
        self.push(meta.span(), "pattern", check)
    }

    fn format(&mut self, meta: &Meta, format: &str) -> syn::Result<()> {
        meta.require_path_only()?;
        self.push(meta.span(), FORMAT, format_check(format))
    }

    /// Leaves the format to the type, which reads the text by itself.
    ///
    /// With `with` or `schema_with` the document shows another type than that of the field.
    pub(super) fn forget_format(&mut self) {
        self.list.retain(|constraint| constraint.slot != FORMAT);
    }

    /// `inner(...)`: the same constraints, on each item of a list.
    fn inner(&mut self, list: &MetaList) -> syn::Result<()> {
        let mut inner = Self::default();
        for item in list.parse_args_with(Items::parse_terminated)? {
            let Item(Some(meta)) = item else { continue };
            let name = meta.path().to_token_stream().to_string();
            if matches!(name.as_str(), "required" | "extend") || !inner.parse(&meta)? {
                let message = format!("`{name}` is not enforced inside `inner(...)`");
                return Err(syn::Error::new_spanned(meta, message));
            }
        }
        for Constraint { span, kind, check, .. } in inner.list {
            let kind = quote!(::alula::__private::Each<'_, #kind>);
            self.push(span, "", (kind, quote!(&::alula::__private::Each(#check))))?;
        }
        Ok(())
    }

    /// `extend("keyword" = value, ...)`.
    fn extend(&mut self, list: &MetaList) -> syn::Result<()> {
        for extension in
            list.parse_args_with(Punctuated::<Extension, Token![,]>::parse_terminated)?
        {
            let key = &extension.key;
            let keyword = Keyword::parse(&key.value())
                .map_err(|message| syn::Error::new(key.span(), message))?;
            let (slot, kind) = match keyword {
                Keyword::Constraint { slot, kind } => (slot, kind),
                Keyword::Format => {
                    let format = enforced_format(extension.value);
                    if let Some(format) = format {
                        self.push(key.span(), FORMAT, format_check(format))?;
                    }
                    continue;
                }
                Keyword::Annotation => continue,
            };
            let value = syn::parse2::<Expr>(extension.value)?;
            let check = match kind {
                Kind::Limit(kind, limit) => limit_check(kind, limit, &value),
                Kind::MultipleOf => constraint("MultipleOf", &number(&value)),
                Kind::UniqueItems => constraint("UniqueItems", &value),
                Kind::Pattern => pattern_check(&value)?,
            };
            self.push(key.span(), slot, check)?;
        }
        Ok(())
    }
}

/// `"key" = value` in `extend(...)`; the value is in the language of `json!`.
struct Extension {
    key: LitStr,
    value: TokenStream,
}

impl Parse for Extension {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        let mut value = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            value.extend([input.parse::<TokenTree>()?]);
        }
        Ok(Self { key, value })
    }
}

/// The type of a constraint, and one of it around `value`.
fn constraint(kind: &str, value: &dyn ToTokens) -> (TokenStream, TokenStream) {
    let kind = Ident::new(kind, Span::call_site());
    let kind = quote!(::alula::__private::#kind);
    let check = quote!(&#kind(#value));
    (kind, check)
}

fn limit_check(kind: &str, limit: &str, bound: &Expr) -> (TokenStream, TokenStream) {
    let limit = Ident::new(limit, Span::call_site());
    let number = number(bound);
    constraint(kind, &quote!(::alula::__private::Limit::#limit(#number)))
}

fn number(value: &Expr) -> TokenStream {
    let span = Span::call_site().located_at(value.span());
    quote_spanned!(span=> ::alula::__private::Number::from(#value))
}

/// The check of a variant of `alula::schema::Format`.
fn format_check(format: &str) -> (TokenStream, TokenStream) {
    let format = Ident::new(format, Span::call_site());
    (quote!(::alula::schema::Format), quote!(&::alula::schema::Format::#format))
}

/// The variant of `alula::schema::Format` that a literal names, if it names one.
fn enforced_format(value: TokenStream) -> Option<&'static str> {
    let name = syn::parse2::<LitStr>(value).ok()?.value();
    Some(match name.as_str() {
        "uuid" => "Uuid",
        "date-time" => "DateTime",
        "date" => "Date",
        "time" => "Time",
        "uri" => "Uri",
        "email" => "Email",
        "ipv4" => "Ipv4",
        "ipv6" => "Ipv6",
        "ip" | "ipvanyaddress" => "Ip",
        _ => return None,
    })
}

/// A `static` that holds the compiled pattern; a literal is tried out right here.
fn pattern_check(pattern: &Expr) -> syn::Result<(TokenStream, TokenStream)> {
    if let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = pattern
        && let Err(error) = regex_syntax::Parser::new().parse(&literal.value())
    {
        return Err(syn::Error::new(literal.span(), format!("invalid pattern: {error}")));
    }
    let kind = quote!(::alula::__private::Pattern);
    let check = quote!({
        static PATTERN: #kind = #kind::new(|| ::std::string::ToString::to_string(&(#pattern)));
        &PATTERN
    });
    Ok((kind, check))
}

/// The expression in `regex(pattern = expression)`.
fn named_pattern(list: &MetaList) -> syn::Result<Expr> {
    let metas = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
    match metas.iter().find(|meta| meta.path().is_ident("pattern")) {
        Some(pattern) if metas.len() == 1 => Ok(pattern.require_name_value()?.value.clone()),
        _ => Err(syn::Error::new_spanned(list, "expected `pattern = \"...\"` and nothing else")),
    }
}

/// The text in `contains(text)` or `contains(pattern = text)`.
fn contained(list: &MetaList) -> syn::Result<Expr> {
    match list.parse_args::<Expr>()? {
        Expr::Assign(_) => named_pattern(list),
        text => Ok(text),
    }
}

/// The bound itself: schemars lets it be written in quotes.
fn unquoted(bound: &Expr) -> syn::Result<Expr> {
    match bound {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.parse(),
        bound => Ok(bound.clone()),
    }
}

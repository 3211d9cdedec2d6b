//! The arguments of `#[tool(...)]`, `#[resource("...", ...)]` and `#[prompt(...)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitStr, Meta, MetaList, MetaNameValue, Token};

use super::Kind;
use super::fields::Fields;
use crate::signature::Errors;

/// Hints of tools, which take a value or stand for true.
const HINTS: &[&str] = &["read_only", "destructive", "idempotent", "open_world"];

impl Kind {
    fn values(self) -> &'static [&'static str] {
        match self {
            Self::Tool | Self::Prompt => &["title", "description", "icon", "tag", "scope"],
            Self::Resource => &["title", "description", "mime_type", "icon", "tag", "scope"],
        }
    }

    /// All options, for a message.
    fn list(self) -> String {
        let hints = if self == Self::Tool { HINTS } else { &[] };
        let complete: &[&str] = if self == Self::Tool { &[] } else { &["complete(…)"] };
        let names: Vec<_> = ["name", "tags", "scopes"]
            .iter()
            .chain(self.values())
            .chain(hints)
            .chain(complete)
            .copied()
            .collect();
        format!("`{}`", names.join("`, `"))
    }
}

/// What is said of a function.
pub(super) struct Options {
    /// Of a resource.
    uri: Option<LitStr>,
    name: Option<LitStr>,
    /// `.title("...")`, in the order in which they were written.
    pub(super) calls: TokenStream,
    names: Vec<String>,
}

impl Options {
    pub(super) fn parse(kind: Kind, arguments: TokenStream) -> syn::Result<Self> {
        (|input: ParseStream<'_>| Self::read(kind, input)).parse2(arguments)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|given| given == name)
    }

    /// `::alula::mcp::Tool::new("add")`.
    pub(super) fn new_about(&self, about: &TokenStream, function: &str) -> TokenStream {
        let name = self.name.as_ref().map_or_else(|| function.to_owned(), LitStr::value);
        let uri = self.uri.iter();
        quote!(#about::new(#(#uri,)* #name))
    }

    /// Whether the arguments are those that the URI has.
    pub(super) fn check(&self, fields: &Fields) -> syn::Result<()> {
        let Some(uri) = self.uri.as_ref().filter(|_| !fields.has_own_type) else { return Ok(()) };
        let wanted = variables(&uri.value());
        let given: Vec<String> = fields.names().collect();
        let mut errors = Errors::default();
        for name in wanted.iter().filter(|name| !given.contains(name)) {
            errors.push(uri, &format!("no argument is called `{name}`"));
        }
        for name in given.iter().filter(|name| !wanted.contains(name)) {
            let message = format!(
                "the URI has no `{{{name}}}`, which the argument `{name}` would be read from; an \
                 input of another type is marked `#[input]`"
            );
            errors.push(uri, &message);
        }
        errors.finish(())
    }

    fn read(kind: Kind, input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options =
            Self { uri: None, name: None, calls: TokenStream::new(), names: Vec::new() };
        if kind == Kind::Resource {
            let uri = input.parse().map_err(|error| {
                syn::Error::new(error.span(), "expected the URI first, such as \"docs://{id}\"")
            })?;
            options.uri = Some(uri);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let mut errors = Errors::default();
        for option in Punctuated::<Meta, Token![,]>::parse_terminated(input)? {
            options.add(kind, &option).unwrap_or_else(|error| errors.add(error));
        }
        errors.finish(options)
    }

    fn add(&mut self, kind: Kind, option: &Meta) -> syn::Result<()> {
        let name = option.path().to_token_stream().to_string();
        if self.has(&name) && !["tag", "scope", "icon"].contains(&name.as_str()) {
            let message = format!("the option `{name}` is given twice");
            return Err(syn::Error::new_spanned(option, message));
        }
        let is_hint = kind == Kind::Tool && HINTS.contains(&name.as_str());
        let call = match option {
            Meta::NameValue(option) if name == "name" => {
                self.name = Some(text(&option.value)?);
                TokenStream::new()
            }
            Meta::NameValue(option) if name == "tags" => each("tag", &option.value)?,
            Meta::NameValue(option) if name == "scopes" => each("scope", &option.value)?,
            Meta::NameValue(MetaNameValue { path, value, .. })
                if is_hint || kind.values().contains(&name.as_str()) =>
            {
                quote!(.#path(#value))
            }
            Meta::Path(path) if is_hint => quote!(.#path(true)),
            Meta::List(list) if kind != Kind::Tool && name == "complete" => completions(list)?,
            _ => {
                let message = format!("no option is `{name}`; there are {}", kind.list());
                return Err(syn::Error::new_spanned(option, message));
            }
        };
        self.calls.extend(call);
        self.names.push(name);
        Ok(())
    }
}

/// `complete(language = languages)`.
fn completions(list: &MetaList) -> syn::Result<TokenStream> {
    let completions =
        list.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated)?;
    let calls = completions.iter().map(|MetaNameValue { path, value, .. }| {
        let argument = path.to_token_stream().to_string();
        quote!(.complete(#argument, ::alula::mcp::Completer::new(#value)))
    });
    Ok(calls.collect())
}

fn each(method: &str, value: &Expr) -> syn::Result<TokenStream> {
    let Expr::Array(texts) = value else {
        return Err(syn::Error::new_spanned(value, "expected a list, such as [\"a\", \"b\"]"));
    };
    let method = proc_macro2::Ident::new(method, proc_macro2::Span::call_site());
    Ok(texts.elems.iter().map(|text| quote!(.#method(#text))).collect())
}

fn text(value: &Expr) -> syn::Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        _ => Err(syn::Error::new_spanned(value, "expected a name in quotes")),
    }
}

/// The names in a template of URIs.
fn variables(uri: &str) -> Vec<String> {
    let expressions = uri.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let names = expressions.flat_map(|expression| expression.split(','));
    names.map(|name| name.trim_matches(['?', '+', '*']).to_owned()).collect()
}

//! The arguments of `#[get("/path", option = value, ...)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, LitStr, Meta, Token};

use crate::signature::Errors;

/// Options that take a value and may be given once.
const VALUES: &[&str] = &[
    "status",
    "summary",
    "description",
    "operation_id",
    "response_description",
    "max_body",
    "form_limits",
    "scopes",
    "timeout_seconds",
];
/// Options that take no value.
const FLAGS: &[&str] = &["deprecated", "hidden", "lax", "run_to_completion", "tool"];

/// Options of `#[ws]` that take a value and may be given once.
const SOCKET_VALUES: &[&str] =
    &["protocols", "allowed_origins", "websocket_limits", "scopes", "timeout_seconds"];
/// Options of `#[ws]` that take no value.
const SOCKET_FLAGS: &[&str] = &["lax"];

/// What kind of endpoint the options are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Socket,
}

impl Kind {
    fn values(self) -> &'static [&'static str] {
        match self {
            Self::Http => VALUES,
            Self::Socket => SOCKET_VALUES,
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Http => FLAGS,
            Self::Socket => SOCKET_FLAGS,
        }
    }

    fn lists(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["tag", "tags"],
            Self::Socket => &[],
        }
    }

    /// All of its options, for a message.
    fn list(self) -> String {
        let names: Vec<_> =
            self.lists().iter().chain(self.values()).chain(self.flags()).copied().collect();
        format!("`{}`", names.join("`, `"))
    }
}

/// A path and options, as calls on the route builder.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) path: LitStr,
    /// `.name(value)`, in the order in which they were written.
    pub(crate) calls: TokenStream,
    names: Vec<String>,
}

impl Options {
    /// Whether the option is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|given| given == name)
    }

    /// Reads the arguments of the attribute.
    pub(crate) fn parse(kind: Kind, arguments: TokenStream) -> syn::Result<Self> {
        (|input: ParseStream<'_>| Self::read(kind, input)).parse2(arguments)
    }

    fn add(&mut self, kind: Kind, option: &Meta) -> syn::Result<()> {
        let name = option.path().to_token_stream().to_string();
        let is_known = |names: &[&str]| names.contains(&name.as_str());
        if name != "tag" && self.has(&name) {
            let message = format!("the option `{name}` is given twice");
            return Err(syn::Error::new_spanned(option, message));
        }
        let call = match name.as_str() {
            "tags" if is_known(kind.lists()) => tags(&option.require_name_value()?.value)?,
            "timeout_seconds" if is_known(kind.values()) => {
                let seconds = &option.require_name_value()?.value;
                quote!(.timeout(::core::time::Duration::from_secs(#seconds)))
            }
            "tag" if is_known(kind.lists()) => {
                let value = &option.require_name_value()?.value;
                quote!(.tag(#value))
            }
            _ if is_known(kind.values()) => {
                let (method, value) = (option.path(), &option.require_name_value()?.value);
                quote!(.#method(#value))
            }
            flag if is_known(kind.flags()) => {
                let Meta::Path(flag) = option else {
                    let message = format!("the option `{flag}` takes no value");
                    return Err(syn::Error::new_spanned(option, message));
                };
                quote!(.#flag())
            }
            _ => {
                let message = format!("unknown option `{name}`; there are {}", kind.list());
                return Err(syn::Error::new_spanned(option.path(), message));
            }
        };
        self.calls.extend(call);
        self.names.push(name);
        Ok(())
    }
}

impl Options {
    fn read(kind: Kind, input: ParseStream<'_>) -> syn::Result<Self> {
        let path: LitStr = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected the path first, such as \"/items/{id}\"")
        })?;
        let mut errors = Errors::default();
        if let Err(message) = check_path(&path.value()) {
            errors.push(&path, message);
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        let mut options = Self { path, calls: TokenStream::new(), names: Vec::new() };
        for option in Punctuated::<Meta, Token![,]>::parse_terminated(input)? {
            if let Err(error) = options.add(kind, &option) {
                errors.add(error);
            }
        }
        errors.finish(options)
    }
}

fn tags(value: &Expr) -> syn::Result<TokenStream> {
    let Expr::Array(tags) = value else {
        return Err(syn::Error::new_spanned(
            value,
            "expected a list, such as [\"Chat\", \"Admin\"]",
        ));
    };
    Ok(tags.elems.iter().map(|tag| quote!(.tag(#tag))).collect())
}

/// The mistakes that can be seen without a router.
fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err("a path starts with `/`");
    }
    for segment in path.split('/') {
        if segment.starts_with(':') {
            return Err("a parameter is written `{name}`, not `:name`");
        }
        let name = segment.split_once('{').map(|(_, rest)| rest.split_once('}'));
        match name {
            None if segment.contains('}') => return Err("a `}` closes nothing"),
            Some(None) => return Err("a `{` is not closed"),
            Some(Some(("" | "*", _))) => return Err("a parameter needs a name"),
            _ => {}
        }
    }
    Ok(())
}

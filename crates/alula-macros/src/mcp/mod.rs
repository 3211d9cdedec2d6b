//! `#[tool]`, `#[resource]` and `#[prompt]`.

mod fields;
mod options;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{FnArg, ItemFn, Type};

use self::fields::Fields;
use self::options::Options;
use crate::docs::Docs;
use crate::front::front;
use crate::signature::{Errors, arguments, cfgs};
use crate::value::Value;

/// What a function is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tool,
    Resource,
    Prompt,
}

impl Kind {
    /// The role of the function, in messages.
    fn what(self) -> &'static str {
        match self {
            Self::Tool => "a tool",
            Self::Resource => "a resource",
            Self::Prompt => "a prompt",
        }
    }

    /// What clients are told of it.
    fn about(self) -> TokenStream {
        match self {
            Self::Tool => quote!(::alula::mcp::Tool),
            Self::Resource => quote!(::alula::mcp::Resource),
            Self::Prompt => quote!(::alula::mcp::Prompt),
        }
    }

    fn definition(self) -> TokenStream {
        match self {
            Self::Tool => quote!(::alula::mcp::ToolDefinition),
            Self::Resource => quote!(::alula::mcp::ResourceDefinition),
            Self::Prompt => quote!(::alula::mcp::PromptDefinition),
        }
    }

    fn output(self) -> TokenStream {
        match self {
            Self::Tool => quote!(::alula::mcp::ToolOutput),
            Self::Resource => quote!(::alula::mcp::ResourceOutput),
            Self::Prompt => quote!(::alula::mcp::PromptOutput),
        }
    }

    /// The input that its plain arguments are read by.
    fn input(self) -> TokenStream {
        match self {
            Self::Tool => quote!(::alula::mcp::Arguments),
            Self::Resource | Self::Prompt => quote!(::alula::mcp::Variables),
        }
    }
}

/// Puts a function of the same shape in the place of the function, and a type of its name beside
/// it that says what it is.
pub(crate) fn expand(kind: Kind, options: TokenStream, item: &TokenStream) -> TokenStream {
    generate(kind, options, item.clone()).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        // Without what only we understand, so that nothing but the mistake is told.
        match syn::parse2::<ItemFn>(item.clone()) {
            Ok(mut function) => {
                strip(&mut function);
                quote!(#[allow(clippy::unused_async)] #function #error)
            }
            Err(_) => error,
        }
    })
}

fn generate(kind: Kind, options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut function = syn::parse2::<ItemFn>(item)?;
    let what = kind.what();
    let mut errors = Errors::default();
    if function.sig.asyncness.is_none() {
        errors.push(function.sig.fn_token, &format!("{what} is an `async fn`"));
    }
    let options = Options::parse(kind, options).map_err(|error| errors.add(error));
    let fields = Fields::of(kind, &function.sig).map_err(|error| errors.add(error));
    strip(&mut function);
    let arguments = arguments(&function.sig, what).map_err(|error| errors.add(error));
    let value = Value::parse(&function.sig.output, what).map_err(|error| errors.add(error));
    let (Ok(options), Ok(fields), Ok(arguments), Ok(value)) = (options, fields, arguments, value)
    else {
        return errors.finish(TokenStream::new());
    };
    if let Err(error) = options.check(&fields) {
        errors.add(error);
    }
    let front = front(&function, &arguments, &quote!(::alula::mcp::McpFuture));
    let definition = definition(kind, &function, &options, &fields, &value);
    errors.finish(quote!(#front #definition))
}

/// Removes what may stand at an argument for us only.
fn strip(function: &mut ItemFn) {
    for argument in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = argument {
            typed
                .attrs
                .retain(|attr| attr.path().is_ident("allow") || attr.path().is_ident("expect"));
        }
    }
}

/// `impl ToolDefinition`, or another one.
fn definition(
    kind: Kind,
    function: &ItemFn,
    options: &Options,
    fields: &Fields,
    value: &Value,
) -> TokenStream {
    let name = &function.sig.ident;
    let cfgs = cfgs(&function.attrs);
    let (about, definition, read_by) = (kind.about(), kind.definition(), kind.input());
    let count = function.sig.inputs.len();
    let binding = |index: usize| format_ident!("a{index}", span = Span::mixed_site());
    let all: Vec<Ident> = (0..count).map(binding).collect();
    let call = quote!(Self::call(#(#all),*).await);
    let (ty, outcome) = match value {
        Value::Certain(ty) => (ty, quote!(::core::result::Result::Ok(#call))),
        Value::Fallible(ty) => (ty, quote!(#call.map_err(::alula::ApiError::into_http))),
    };
    let structure = fields.structure(name);
    let has_fields = !fields.is_empty();
    let (names, places) = fields.names_and_places();
    let values = places.iter().map(|place| binding(*place));
    let own_input = has_fields.then(|| quote!(#read_by<__Arguments>,));
    let own_pattern = has_fields.then(|| quote!(#read_by(__Arguments { #(#names: #values),* }),));
    let others = fields.inputs();
    let (input_types, input_places): (Vec<&Type>, Vec<usize>) = others.iter().copied().unzip();
    let input_patterns = input_places.into_iter().map(binding);
    let new = options.new_about(&about, &name.unraw().to_string());
    let docs = Docs::parse(&function.attrs);
    let paragraphs: Vec<String> = [docs.summary, docs.description].into_iter().flatten().collect();
    let description = (!paragraphs.is_empty() && !options.has("description")).then(|| {
        let text = paragraphs.join("\n\n");
        quote!(.description(#text))
    });
    let calls = &options.calls;
    let output = kind.output();
    let output_type = ty.to_token_stream();
    quote! {
        #(#cfgs)*
        const _: () = {
            #structure

            impl #definition for #name {
                type Output = #output_type;
                type Input = (#own_input #(#input_types,)*);

                fn about() -> #about {
                    #new #description #calls
                }

                async fn call(
                    input: Self::Input,
                ) -> ::core::result::Result<Self::Output, ::alula::HttpError> {
                    let (#own_pattern #(#input_patterns,)*) = input;
                    #outcome
                }
            }

            #[allow(dead_code)]
            fn __input<T: ::alula::Input>() {}
            #[allow(dead_code)]
            fn __output<T: #output>() {}
            #(let _ = __input::<#input_types>;)*
            let _ = __output::<#output_type>;
        };
    }
}

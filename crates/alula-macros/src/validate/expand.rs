//! The code that the derive generates.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, ExprPath, Type};

use super::generics;
use super::model::{Container, Field, Key, Step, Variant, VariantStep};

impl<'a> Container<'a> {
    /// `impl Validate for` the type.
    pub(super) fn expand(&self, input: &DeriveInput) -> TokenStream {
        let name = &input.ident;
        let generics = generics::bounded(input, self);
        let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
        let is_valid = self.is_valid();
        let report = self.is_reported().then(|| self.report());
        let key = self.key();
        quote! {
            #[automatically_derived]
            #[allow(deprecated)]
            impl #impl_generics ::alula::Validate for #name #ty_generics #where_clause {
                #is_valid
                #report
                #key
            }
        }
    }

    fn is_valid(&self) -> TokenStream {
        let parts = self.match_variants(Field::is_checked, Variant::is_valid);
        let custom = self.custom.iter().map(
            |check| quote_spanned!(at(check.span())=> ::core::result::Result::is_ok(&#check(self))),
        );
        quote! {
            #[inline]
            fn is_valid(&self) -> bool {
                (#parts) #(&& #custom)*
            }
        }
    }

    fn is_reported(&self) -> bool {
        let mut fields = self.variants.iter().flat_map(|variant| &variant.fields);
        !self.custom.is_empty() || fields.any(Field::is_reported)
    }

    fn report(&self) -> TokenStream {
        let report = report_ident();
        let parts = self.match_variants(Field::is_reported, Variant::report);
        let whole = (!self.custom.is_empty()).then(|| {
            let valid = self.match_variants(Field::is_checked, Variant::is_valid);
            let custom = &self.custom;
            quote! {
                // As in pydantic, the whole is judged only once its parts are sound.
                if #valid {
                    #(::alula::Report::check(#report, #custom(self));)*
                }
            }
        });
        quote! {
            fn report(&self, #report: &mut ::alula::Report) {
                #parts
                #whole
            }
        }
    }

    fn key(&self) -> Option<TokenStream> {
        let keys: Option<Vec<_>> = self.variants.iter().map(Variant::key).collect();
        let keys = keys.filter(|keys| !keys.is_empty())?;
        Some(quote! {
            fn key(&self) -> ::std::string::String {
                match self { #(#keys)* }
            }
        })
    }

    /// A `match` with an arm for each variant, which binds the fields that `wanted` picks.
    fn match_variants(
        &self,
        wanted: fn(&Field<'a>) -> bool,
        body: fn(&Variant<'a>) -> TokenStream,
    ) -> TokenStream {
        if self.variants.is_empty() {
            return quote!(match *self {});
        }
        let arms = self.variants.iter().map(|variant| {
            let pattern = variant.pattern(wanted);
            let body = body(variant);
            quote!(#pattern => { #body })
        });
        quote!(match self { #(#arms)* })
    }
}

impl<'a> Variant<'a> {
    fn pattern(&self, wanted: fn(&Field<'a>) -> bool) -> TokenStream {
        let path = &self.path;
        let fields = self.fields.iter().filter(|field| wanted(field)).map(|field| {
            let (member, binding) = (&field.member, &field.binding);
            quote!(#member: #binding,)
        });
        quote!(#path { #(#fields)* .. })
    }

    fn is_valid(&self) -> TokenStream {
        conjunction(
            self.fields.iter().flat_map(|field| field.checks().chain(field.custom_checks())),
        )
    }

    fn report(&self) -> TokenStream {
        let report = report_ident();
        let mut body: TokenStream =
            self.fields.iter().filter(|field| field.is_reported()).map(Field::report).collect();
        if !body.is_empty() {
            for step in self.steps.iter().rev() {
                let (method, name) = match step {
                    VariantStep::Part(name) => (quote!(at), name),
                    VariantStep::Variant(name) => (quote!(variant), name),
                };
                body = quote!(::alula::Report::#method(#report, #name, |#report| { #body }););
            }
        }
        body
    }

    fn key(&self) -> Option<TokenStream> {
        let path = &self.path;
        match self.key.as_ref()? {
            Key::Name(name) => Some(quote!(#path => ::std::borrow::ToOwned::to_owned(#name),)),
            Key::Field => {
                let pattern = self.pattern(|field| field.descend);
                let field = &self.fields.iter().find(|field| field.descend)?.binding;
                Some(quote!(#pattern => ::alula::Validate::key(#field),))
            }
        }
    }
}

impl Field<'_> {
    fn is_checked(&self) -> bool {
        self.is_reported() || !self.constraints.is_empty() || self.required.is_some()
    }

    fn is_reported(&self) -> bool {
        self.descend || !self.custom.is_empty()
    }

    /// Expressions that are all true if the constraints hold, in the order of their cost.
    fn checks(&self) -> impl Iterator<Item = TokenStream> {
        let required = self.required.map(|span| {
            let field = self.seen_at(span);
            quote_spanned!(at(span)=> ::alula::__private::Optional::is_present(#field))
        });
        let constraints = self.constraints.iter().map(|constraint| {
            let (kind, check) = (&constraint.kind, &constraint.check);
            let field = self.seen_at(constraint.span);
            quote_spanned! {at(constraint.span)=>
                ::alula::__private::Keeps::<#kind>::keeps(#field, #check)
            }
        });
        let descend = self.descend.then(|| {
            let (field, ty) = (self.seen_at(self.ty.span()), self.ty);
            quote_spanned!(at(ty.span())=> <#ty as ::alula::Validate>::is_valid(#field))
        });
        required.into_iter().chain(constraints).chain(descend)
    }

    /// The custom checks: one on an `Option` is asked about the value in it, if any.
    fn custom_checks(&self) -> impl Iterator<Item = TokenStream> {
        self.custom.iter().map(|check| {
            let is_ok =
                |call| quote_spanned!(at(check.span())=> ::core::result::Result::is_ok(&#call));
            self.call(check, is_ok, &quote!(true))
        })
    }

    fn report(&self) -> TokenStream {
        let (field, ty) = (self.seen_at(self.ty.span()), self.ty);
        let report = report_ident();
        let step = match &self.step {
            Step::None => None,
            Step::Name(name) => Some(quote!(#name)),
            Step::Index(index) => {
                let index = Literal::usize_suffixed(*index);
                Some(quote!(#index))
            }
        };
        let inside =
            self.descend.then(|| quote!(<#ty as ::alula::Validate>::report(#field, #report);));
        let custom = (!self.custom.is_empty()).then(|| {
            let valid = conjunction(self.checks());
            let checks = self.custom.iter().map(|check| {
                self.call(check, |call| quote!(::alula::Report::check(#report, #call)), &quote!(()))
            });
            quote!(if #valid { #(#checks;)* })
        });
        match step {
            Some(step) => {
                quote!(::alula::Report::at(#report, #step, |#report| { #inside #custom });)
            }
            None => quote!(#inside #custom),
        }
    }

    /// The variable of the field, for errors that are to show up at `span`.
    fn seen_at(&self, span: Span) -> Ident {
        let mut field = self.binding.clone();
        field.set_span(field.span().located_at(span));
        field
    }

    /// Calls a custom check, on the value of an `Option` if there is one.
    fn call(
        &self,
        check: &ExprPath,
        then: impl FnOnce(TokenStream) -> TokenStream,
        otherwise: &TokenStream,
    ) -> TokenStream {
        let field = self.seen_at(check.span());
        if !is_option(self.ty) {
            return then(quote_spanned!(at(check.span())=> #check(#field)));
        }
        let value = Ident::new("value", Span::mixed_site().located_at(check.span()));
        let then = then(quote_spanned!(at(check.span())=> #check(#value)));
        quote! {
            match #field {
                ::core::option::Option::Some(#value) => #then,
                ::core::option::Option::None => #otherwise,
            }
        }
    }
}

fn conjunction(checks: impl Iterator<Item = TokenStream>) -> TokenStream {
    let checks: Vec<_> = checks.collect();
    if checks.is_empty() { quote!(true) } else { quote!(#(#checks)&&*) }
}

fn report_ident() -> Ident {
    Ident::new("report", Span::mixed_site())
}

/// Where the user looks, but with the standing of generated code.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_option(&group.elem),
        Type::Paren(paren) => is_option(&paren.elem),
        Type::Path(path) => {
            path.path.segments.last().is_some_and(|segment| segment.ident == "Option")
        }
        _ => false,
    }
}

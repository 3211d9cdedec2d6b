use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{File, ImplItem, Item, ItemImpl};

/// The items that are generated.
#[expect(clippy::needless_pass_by_value, reason = "as the compiler gives them")]
fn items(options: TokenStream, item: TokenStream) -> Vec<Item> {
    syn::parse2::<File>(super::expand(options, &item)).expect("the expansion is Rust").items
}

/// The tokens without the spaces between them.
fn text(tokens: impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// The implementation of `JobDefinition`.
fn definition(options: TokenStream, item: TokenStream) -> ItemImpl {
    let mut impls = items(options, item).into_iter().filter_map(|item| match item {
        Item::Impl(item) if item.trait_.is_some() => Some(item),
        _ => None,
    });
    impls.next().expect("the expansion implements a trait")
}

/// The types of the implementation: `Args`, `Value` and `Input`.
fn types(item: TokenStream) -> [String; 3] {
    let definition = definition(TokenStream::new(), item);
    let types = definition.items.iter().filter_map(|item| match item {
        ImplItem::Type(item) => Some(text(&item.ty)),
        _ => None,
    });
    types.collect::<Vec<_>>().try_into().expect("there are three types")
}

/// The blocks of its functions, but for that which makes the attempt.
fn settings(options: TokenStream) -> Vec<String> {
    let definition = definition(
        options,
        quote!(
            async fn embed(text: String) {}
        ),
    );
    let blocks = definition.items.iter().filter_map(|item| match item {
        ImplItem::Fn(item) if item.sig.ident != "attempt" => Some(text(&item.block)),
        _ => None,
    });
    blocks.collect()
}

#[test]
fn the_first_argument_is_what_is_kept_unless_it_is_an_input_by_its_name() {
    let item = quote! {
        async fn embed(args: Args, store: Depends<vectors>) -> Result<Vec<f32>, Failure> {}
    };
    let input = "(::alula::jobs::Args<Args>,Depends<vectors>,)";
    assert_eq!(types(item), ["Args", "Vec<f32>", input]);

    let item = quote!(
        async fn clean(store: alula::Depends<vectors>, job: JobContext) {}
    );
    assert_eq!(types(item), ["()", "()", "(alula::Depends<vectors>,JobContext,)"]);
    assert_eq!(
        types(quote!(
            async fn tick() -> u8 {}
        )),
        ["()", "u8", "()"]
    );
}

#[test]
fn those_who_call_it_see_its_arguments_by_their_names_and_its_docs() {
    let item = quote! {
        /// Embeds.
        #[tracing::instrument]
        #[cfg(feature = "models")]
        pub(crate) async fn embed(mut args: Args, (a, b): (u8, u8)) -> Result<u8> { go(args, a, b) }
    };
    let items = items(TokenStream::new(), item);
    let [Item::Fn(front), Item::Struct(unit), Item::Impl(inner), Item::Impl(definition), _] =
        items.as_slice()
    else {
        panic!("a function, a type, its function, its implementation and the assertions");
    };
    let cfg = r#"#[cfg(feature="models")]"#;
    let shown = r#"#[doc=r"Embeds."]"#;
    let signature =
        "pub(crate)fnembed(args:Args,a1:(u8,u8))->::alula::jobs::JobFuture<embed,Result<u8>>";
    let front = text(front);
    assert!(front.starts_with(&format!("{cfg}{shown}{signature}")), "{front}");
    assert!(text(unit).starts_with(cfg) && text(definition).starts_with(cfg));
    let inner = text(inner);
    assert!(inner.starts_with(&format!("{cfg}implembed{{#[tracing::instrument]")), "{inner}");
    assert!(inner.contains("asyncfncall(mutargs:Args,(a,b):(u8,u8))->Result<u8>{go(args,a,b)}"));
}

#[test]
fn options_become_settings() {
    assert_eq!(settings(quote!()), [r#"{::alula::jobs::Step::new("embed.v1")}"#]);
    let options = quote! {
        queue = QUEUE, max_attempts = 3, version = 2, timeout_seconds = 60, backoff = slow()
    };
    let [step, timeout, backoff] = settings(options).try_into().expect("there are three");
    let expected = r#"{::alula::jobs::Step::new("embed.v2").queue(QUEUE).max_attempts(3)}"#;
    assert_eq!(step, expected);
    assert!(timeout.contains("Duration::from_secs(60)"), "{timeout}");
    assert_eq!(backoff, "{slow()}");
    assert_eq!(settings(quote!(name = "x")), [r#"{::alula::jobs::Step::new("x")}"#]);
}

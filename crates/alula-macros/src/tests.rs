//! The code that the endpoint and dependency macros generate.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{File, ImplItem, Item, ItemImpl};

use crate::{dependency, endpoint};

/// What is generated, parsed.
fn items(tokens: TokenStream) -> Vec<Item> {
    syn::parse2::<File>(tokens).expect("the expansion is Rust").items
}

/// The tokens of an item without the spaces between them.
fn text(tokens: impl quote::ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

fn implementation(items: &[Item]) -> &ItemImpl {
    let mut impls = items.iter().filter_map(|item| match item {
        Item::Impl(item) => Some(item),
        _ => None,
    });
    impls.next().expect("the expansion implements a trait")
}

/// The expression that makes the route.
fn route(options: TokenStream, item: &TokenStream) -> String {
    let items = items(endpoint::expand("post", options, item));
    let implementation = implementation(&items);
    let [ImplItem::Fn(route)] = implementation.items.as_slice() else {
        panic!("`Endpoint` has one function");
    };
    text(&route.block)
}

/// The messages of the errors that are generated.
fn errors(expansion: TokenStream) -> Vec<String> {
    let messages = items(expansion).into_iter().filter_map(|item| match item {
        Item::Macro(item) if item.mac.path.segments.last()?.ident == "compile_error" => {
            let message: syn::LitStr = item.mac.parse_body().ok()?;
            Some(message.value())
        }
        _ => None,
    });
    messages.collect()
}

#[test]
fn the_function_stays_and_a_type_of_its_name_makes_the_route() {
    let item = quote! {
        pub(crate) async fn chat(Json(body): Json<Chat>) -> Result<Json<Answer>> { todo(body) }
    };
    let items = items(endpoint::expand("post", quote!("/chat"), &item));
    let [Item::Fn(function), Item::Struct(unit), Item::Impl(endpoint), Item::Const(_)] =
        items.as_slice()
    else {
        panic!("a function, a type, its implementation and the assertions");
    };
    let body = text(function);
    assert!(body.ends_with(&text(&item)), "{body}");
    assert_eq!(unit.ident, "chat");
    assert_eq!(text(&unit.vis), "pub(crate)");
    assert_eq!(text(&unit.fields), "{}");
    assert_eq!(text(&endpoint.self_ty), "chat");
    assert_eq!(route(quote!("/chat"), &item), r#"{::alula::post("/chat",chat).name("chat")}"#);
}

#[test]
fn the_comment_documents_and_options_win() {
    let item = quote! {
        /// Chat.
        ///
        /// More.
        async fn r#move() {}
    };
    assert_eq!(
        route(quote!("/", status = 201), &item),
        r#"{::alula::post("/",r#move).name("move").summary("Chat.").description("More.").status(201)}"#
    );
    assert_eq!(
        route(quote!("/", description = "Less.", summary = SUMMARY), &item),
        r#"{::alula::post("/",r#move).name("move").description("Less.").summary(SUMMARY)}"#
    );
}

#[test]
fn each_option_is_the_method_of_its_name() {
    let item = quote!(
        async fn f() {}
    );
    let options = quote! {
        "/", tag = "A", tag = "B", tags = ["C", "D"], operation_id = "id", deprecated, hidden, lax,
        response_description = "ok", max_body = 2 * MIB, timeout_seconds = 30, run_to_completion,
    };
    assert_eq!(
        route(options, &item),
        [
            r#"{::alula::post("/",f).name("f").tag("A").tag("B").tag("C").tag("D")"#,
            r#".operation_id("id").deprecated().hidden().lax()"#,
            r#".response_description("ok").max_body(2*MIB)"#,
            r#".timeout(::core::time::Duration::from_secs(30)).run_to_completion()}"#,
        ]
        .concat()
    );
}

#[test]
fn every_argument_and_the_result_are_asserted_by_themselves() {
    let assertions = |item: TokenStream| {
        let items = items(endpoint::expand("get", quote!("/"), &item));
        items.into_iter().filter(|item| matches!(item, Item::Const(_))).map(text).next()
    };
    assert_eq!(
        assertions(quote!(
            async fn f(a: A, b: B<C>) -> D {}
        ))
        .unwrap(),
        "const_:()={fnargument<T:::alula::Input>(){}let_=argument::<A>;let_=argument::<B<C>>;\
         fnoutput<T:::alula::Output>(){}let_=output::<D>;};"
    );
    let opaque = quote!(
        async fn f() -> Result<Sse<impl Stream>> {}
    );
    assert_eq!(assertions(opaque), None);
}

#[test]
fn a_function_behind_a_cfg_takes_its_type_along() {
    let item = quote!(
        #[cfg(feature = "x")]
        async fn f() {}
    );
    for item in items(endpoint::expand("get", quote!("/"), &item)) {
        assert!(text(&item).contains(r#"#[cfg(feature="x")]"#), "{}", text(&item));
    }
}

#[test]
fn mistakes_in_options_are_all_named() {
    let mistakes = |options| {
        errors(endpoint::expand(
            "get",
            options,
            &quote!(
                async fn f() {}
            ),
        ))
    };
    let unknown = mistakes(quote!("/", sumary = "x", status = 200, status = 201, lax = true));
    let [unknown, twice, valued] = unknown.as_slice() else { panic!("{unknown:?}") };
    assert!(unknown.starts_with("unknown option `sumary`; there are `tag`, `tags`, `status`,"));
    assert_eq!(twice, "the option `status` is given twice");
    assert_eq!(valued, "the option `lax` takes no value");
    let cases = [
        (quote!(), "expected the path first, such as \"/items/{id}\""),
        (quote!("items"), "a path starts with `/`"),
        (quote!("/:id"), "a parameter is written `{name}`, not `:name`"),
        (quote!("/{id"), "a `{` is not closed"),
        (quote!("/id}"), "a `}` closes nothing"),
        (quote!("/{}"), "a parameter needs a name"),
        (quote!("/{*}"), "a parameter needs a name"),
        (quote!("/", tags = "A"), "expected a list, such as [\"Chat\", \"Admin\"]"),
    ];
    for (options, message) in cases {
        assert_eq!(mistakes(options), [message]);
    }
    assert!(mistakes(quote!("")).is_empty());
    assert!(mistakes(quote!("/a/{b}.json/{*rest}")).is_empty());
}

#[test]
fn functions_that_cannot_be_called_are_refused() {
    let refused = |item| errors(endpoint::expand("get", quote!("/"), &item));
    assert_eq!(
        refused(quote!(
            fn f() {}
        )),
        ["an endpoint is an `async fn`"]
    );
    assert_eq!(
        refused(quote!(
            async unsafe fn f<T>(&self, a: impl Input) {}
        )),
        [
            "an endpoint cannot be generic: nobody could choose the type",
            "an endpoint cannot be unsafe",
            "an endpoint is a free function; take shared things as `State`",
            "an argument needs a type with a name, not `impl Trait`",
        ]
    );
    let arguments = |count| {
        let names = (0..count).map(|index| quote::format_ident!("a{index}"));
        refused(quote!(async fn f(#(#names: A),*) {}))
    };
    assert!(arguments(12).is_empty());
    assert_eq!(
        arguments(13),
        ["an endpoint takes at most 12 arguments; gather some in a dependency"]
    );
}

#[test]
fn routes_are_the_endpoints_own() {
    assert_eq!(
        text(endpoint::routes(quote!(chat, admin::stats))),
        "::std::vec![<chatas::alula::Endpoint>::route(),<admin::statsas::alula::Endpoint>::route()]"
    );
    assert_eq!(text(endpoint::routes(quote!())), "::std::vec![]");
}

/// The `Value`, the `Input` and the body of `resolve`.
fn resolution(item: &TokenStream) -> [String; 3] {
    let items = items(dependency::expand(TokenStream::new(), item));
    let implementation = implementation(&items);
    let [ImplItem::Type(value), ImplItem::Type(input), ImplItem::Fn(resolve)] =
        implementation.items.as_slice()
    else {
        panic!("`Dependency` has two types and one function");
    };
    [text(&value.ty), text(&input.ty), text(&resolve.block)]
}

#[test]
fn a_dependency_resolves_to_what_its_function_returns() {
    assert_eq!(
        resolution(&quote! {
            async fn current_user(ApiKey(key): ApiKey, db: Depends<database>) -> Result<User> {}
        }),
        [
            "User",
            "(ApiKey,Depends<database>,)",
            "{let(a0,a1,)=input;current_user(a0,a1).await.map_err(::alula::ApiError::into_http)}",
        ]
    );
    assert_eq!(
        resolution(&quote!(
            fn settings() -> Arc<Settings> {}
        )),
        ["Arc<Settings>", "()", "{let()=input;::core::result::Result::Ok(settings())}"]
    );
    assert_eq!(
        resolution(&quote!(
            async fn check(key: ApiKey) {}
        )),
        ["()", "(ApiKey,)", "{let(a0,)=input;::core::result::Result::Ok(check(a0).await)}"]
    );
    let [value, ..] = resolution(&quote!(
        async fn f() -> std::result::Result<(), Denied> {}
    ));
    assert_eq!(value, "()");
}

#[test]
fn a_dependency_without_a_nameable_value_is_refused() {
    let refused = |item| errors(dependency::expand(TokenStream::new(), &item));
    assert_eq!(
        refused(quote!(
            async fn f() -> Result<impl Store> {}
        )),
        ["a dependency needs a type with a name, not `impl Trait`"]
    );
    assert_eq!(
        refused(quote!(
            async fn f(&self) -> Result {}
        )),
        [
            "a dependency is a free function; take shared things as `State`",
            "write out the value, as in `Result<User>`",
        ]
    );
}

#[test]
fn a_dependency_has_scopes_and_a_limit() {
    let expand = |options| {
        dependency::expand(
            options,
            &quote!(
                fn f() {}
            ),
        )
    };
    let resolution = text(implementation(&items(expand(quote!(scopes = ["a", "b"])))));
    assert!(
        resolution.contains(r#"constSCOPES:&'static[&'staticstr]=&["a","b"];"#),
        "{resolution}"
    );
    let limited = text(implementation(&items(expand(quote!(max_concurrency = 2 * CPUS)))));
    let constant = "constMAX_CONCURRENCY:::core::option::Option<usize>=\
                    ::core::option::Option::Some(2*CPUS);";
    assert!(limited.contains(constant), "{limited}");
    assert!(!text(implementation(&items(expand(quote!())))).contains("const"));
    for (options, message) in [
        (quote!(cached = true), "unknown option; there are `scopes` and `max_concurrency`"),
        (quote!(scopes = "a"), "expected a list, such as [\"items:read\"]"),
        (quote!(scopes = ["a"], scopes = ["b"]), "the option `scopes` is given twice"),
        (
            quote!(max_concurrency = 1, max_concurrency = 2),
            "the option `max_concurrency` is given twice",
        ),
    ] {
        assert_eq!(errors(expand(options)), [message]);
    }
}

#[test]
fn a_socket_has_options_and_a_result_of_its_own() {
    let item = quote!(
        async fn chat(socket: WebSocket) -> Result<()> {}
    );
    let expansion = endpoint::expand("ws", quote!("/chat", protocols = ["a", "b"], lax), &item);
    let text = text(&expansion);
    assert!(text.contains(r#"::alula::ws("/chat",chat).name("chat").protocols(["a","b"]).lax()"#));
    assert!(text.contains("T:::alula::ws::WebSocketOutput"), "{text}");
    let refused = errors(endpoint::expand("ws", quote!("/chat", status = 201), &item));
    assert!(
        refused[0].starts_with("unknown option `status`; there are `protocols`"),
        "{refused:?}"
    );
    let refused = errors(endpoint::expand("get", quote!("/chat", protocols = ["a"]), &item));
    assert!(refused[0].starts_with("unknown option `protocols`"), "{refused:?}");
}

use quote::quote;

use super::*;

fn expanded(kind: Kind, options: TokenStream, item: &TokenStream) -> String {
    expand(kind, options, item).to_string()
}

#[test]
fn plain_arguments_become_fields_and_inputs_stay() {
    let tokens = expanded(
        Kind::Tool,
        quote!(read_only, name = "find", tags = ["a"]),
        &quote! {
            /// Search.
            async fn search(
                /// What to look for.
                query: String,
                store: Depends<store>,
                #[default(3)] limit: u32,
                #[input] user: User,
            ) -> Result<Vec<String>> { Ok(vec![query]) }
        },
    );
    for part in [
        "pub query : String",
        "fn __default_of_limit () -> u32",
        "type Input = (:: alula :: mcp :: Arguments < __Arguments > , Depends < store > , User ,)",
        "Tool :: new (\"find\") . description (\"Search.\") . read_only (true) . tag (\"a\")",
        "async fn call (query : String , store : Depends < store > , limit : u32 , user : User ,)",
    ] {
        assert!(tokens.contains(part), "{part}\n{tokens}");
    }
    assert!(!tokens.contains("compile_error"), "{tokens}");
}

#[test]
fn what_does_not_fit_is_told_at_once() {
    let tokens = expanded(
        Kind::Tool,
        quote!(fast, name = 1),
        &quote! {
            fn search(query: &str, body: Json<Body>, (a, b): (u8, u8)) -> impl Display {}
        },
    );
    for part in [
        "is an `async fn`",
        "no option is `fast`",
        "expected a name in quotes",
        "owns its value",
        "has no `Json`",
        "needs a name",
        "not `impl Trait`",
    ] {
        assert!(tokens.contains(part), "{part}\n{tokens}");
    }
}

#[test]
fn the_arguments_of_a_resource_are_those_of_its_uri() {
    let resource = |uri: TokenStream, item| expanded(Kind::Resource, uri, &item);
    let good = resource(
        quote!("docs://{id}/{path*}{?page,size}", complete(id = ids)),
        quote!(
            async fn doc(id: u64, path: String, page: Option<u32>, size: Option<u32>) -> String {}
        ),
    );
    assert!(!good.contains("compile_error"), "{good}");
    assert!(
        good.contains("complete (\"id\" , :: alula :: mcp :: Completer :: new (ids))"),
        "{good}"
    );
    let bad = resource(
        quote!("docs://{id}"),
        quote!(
            async fn doc(other: u64) -> String {}
        ),
    );
    assert!(bad.contains("no argument is called `id`"), "{bad}");
    assert!(bad.contains("the URI has no `{other}`"), "{bad}");
    let none = resource(
        quote!(),
        quote!(
            async fn doc() -> String {}
        ),
    );
    assert!(none.contains("expected the URI first"), "{none}");
}

#[test]
fn a_type_that_is_called_as_an_input_can_be_an_argument() {
    let item = quote!(
        async fn search(#[argument] state: State, _store: State<Store>) -> u8 {}
    );
    let tokens = expanded(Kind::Tool, quote!(), &item);
    assert!(tokens.contains("pub struct __Arguments { pub state : State , }"), "{tokens}");
}

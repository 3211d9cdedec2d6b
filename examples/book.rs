//! The code in the pages of the book, compiled and run by `cargo test --doc`.
//!
//! Blocks that show a program of this folder are marked `ignore` there; their tests run them.

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {$(
        #[cfg(doctest)]
        #[doc = include_str!(concat!("../docs/", $path))]
        mod $name {}
    )*};
}

pages! {
    how_to_authentication: "how-to/authentication.md",
    how_to_call_models: "how-to/call-models.md",
    how_to_describe: "how-to/describe-the-api.md",
    how_to_files: "how-to/files-and-sub-applications.md",
    how_to_limit: "how-to/limit-what-a-request-costs.md",
    how_to_shut_down: "how-to/shut-down.md",
    how_to_test: "how-to/test-without-a-provider.md",
    tutorial_dependencies: "tutorial/dependencies.md",
    tutorial_quick_start: "tutorial/quick-start.md",
}

#[cfg(all(doctest, feature = "tls"))]
#[doc = include_str!(concat!("../docs/", "how-to/https-and-workers.md"))]
mod how_to_https {}

#[cfg(all(doctest, feature = "otel"))]
#[doc = include_str!(concat!("../docs/", "how-to/observe.md"))]
mod how_to_observe {}

//! The files of a new application.
//!
//! They live in `templates/app` as an application that is called `my-app`.

/// Where a file goes, and its text.
pub(super) struct Template {
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

/// A file that is called in the templates as it will be, or by another name that means nothing to
/// the tools that work on this repository.
macro_rules! template {
    ($path:literal) => {
        template!($path, $path)
    };
    ($path:literal, $file:literal) => {
        Template {
            path: $path,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/app/", $file)),
        }
    };
}

pub(super) const TEMPLATES: &[Template] = &[
    template!(".dockerignore", "dockerignore"),
    template!(".env", "env.example"),
    template!(".env.example", "env.example"),
    template!(".gitignore", "gitignore"),
    template!("Cargo.toml", "Cargo.toml.in"),
    template!("Dockerfile"),
    template!("README.md"),
    template!("docker-compose.yml"),
    template!("rustfmt.toml"),
    template!("src/config.rs"),
    template!("src/db/memory.rs"),
    template!("src/db/mod.rs"),
    template!("src/dependencies/auth.rs"),
    template!("src/dependencies/mod.rs"),
    template!("src/error.rs"),
    template!("src/lib.rs"),
    template!("src/main.rs"),
    template!("src/models/chat.rs"),
    template!("src/models/item.rs"),
    template!("src/models/mod.rs"),
    template!("src/routers/chat.rs"),
    template!("src/routers/health.rs"),
    template!("src/routers/items.rs"),
    template!("src/routers/mod.rs"),
    template!("src/services/echo.rs"),
    template!("src/services/mod.rs"),
    template!("tests/api/auth.rs"),
    template!("tests/api/chat.rs"),
    template!("tests/api/documentation.rs"),
    template!("tests/api/health.rs"),
    template!("tests/api/items.rs"),
    template!("tests/api/main.rs"),
];

//! The application. `main.rs` serves it, and the tests call it in process.

pub mod config;
pub mod db;
pub mod dependencies;
pub mod error;
pub mod models;
pub mod routers;
pub mod services;

use std::sync::Arc;

use alula::{
    App, Router,
    middleware::{Cors, ResponseTime, SecurityHeaders},
};

use crate::{
    config::Settings,
    db::{Items, MemoryItems},
    dependencies::current_user,
    services::{Echo, Model},
};

/// Builds the application.
pub fn app(settings: Settings) -> App {
    let items: Arc<dyn Items> = Arc::new(MemoryItems::default());
    let model: Arc<dyn Model> = Arc::new(Echo { words_max: settings.reply_words_max });
    let cors = Cors::new()
        .origins(settings.cors_origins.iter().map(String::as_str))
        .any_method()
        .any_header();
    App::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .describe_tag("Items", "Things that have a name and a price.")
        .describe_tag("Chat", "Answers of a model.")
        .describe_tag("Health", "Whether the application works.")
        .state(settings)
        .shared_state(items)
        .shared_state(model)
        .include(Router::new().tag("Health").routes(routers::health::routes()))
        .include(
            Router::new()
                .prefix("/items")
                .tag("Items")
                .depends::<current_user>()
                .routes(routers::items::routes()),
        )
        .include(Router::new().prefix("/chat").tag("Chat").routes(routers::chat::routes()))
        // The last one is the outermost.
        .layer(SecurityHeaders::new())
        .layer(cors)
        .layer(ResponseTime::new())
}

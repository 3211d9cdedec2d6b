//! Tests through HTTP, in process and without a network.

mod auth;
mod chat;
mod documentation;
mod health;
mod items;

use alula::{App, settings::Loader, testing::TestClient};

use my_app::{
    app,
    config::Settings,
    dependencies::{User, current_user},
};

/// The application with settings of its own.
fn test_app() -> App {
    let loader = Loader::new().prefix("APP_").variables([("APP_API_KEYS", "test-key")]);
    app(loader.load::<Settings>().expect("the settings of the tests are good"))
}

/// A client whose requests need no key.
async fn client() -> TestClient {
    test_app().override_dependency::<current_user>(|| User { key: 0 }).client().await
}

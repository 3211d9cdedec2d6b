//! Settings: typed, from the environment, `.env` and TOML; every mistake is named at the start.

use alula::{
    prelude::*,
    settings::{Loader, Secret},
};

/// The settings of this application.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
pub(crate) struct Settings {
    /// The address to listen on.
    #[serde(default = "default_address")]
    address: String,
    /// The model of requests that name none.
    #[serde(default = "default_model")]
    #[schemars(length(min = 1))]
    model: String,
    /// The key of the provider; never printed.
    pub(crate) provider_key: Option<Secret<String>>,
    /// Requests that a caller may make in a minute.
    #[serde(default = "default_requests")]
    #[schemars(range(min = 1, max = 10_000))]
    requests_per_minute: u32,
}

fn default_address() -> String {
    "127.0.0.1:8000".to_owned()
}

fn default_model() -> String {
    "small".to_owned()
}

fn default_requests() -> u32 {
    60
}

/// What a client may know of the settings.
#[get("/info")]
async fn info(settings: State<Settings>) -> Json<(String, u32, bool)> {
    let has_key = settings.provider_key.is_some();
    Json((settings.model.clone(), settings.requests_per_minute, has_key))
}

/// Where the settings are: `APP_MODEL` in the environment, in `.env`, or `model` in `app.toml`.
pub(crate) fn loader() -> Loader {
    Loader::new().prefix("APP_").dotenv(".env").toml("app.toml")
}

pub(crate) fn app(settings: Settings) -> App {
    App::new("Settings", "1.0.0").state(settings).routes(routes![info])
}

#[tokio::main]
async fn main() -> Result<()> {
    let settings: Settings = loader().load_or_exit();
    let address = settings.address.clone();
    app(settings).serve(&address).await
}

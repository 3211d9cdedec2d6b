//! Settings: typed, from the environment, `.env` and TOML; every mistake is named at the start.

use alula::{
    prelude::*,
    settings::{Loader, Secret},
};

/// The settings of this application.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(default)]
pub(crate) struct Settings {
    /// The address to listen on.
    address: String,
    /// The model of requests that name none.
    #[schemars(length(min = 1))]
    model: String,
    /// The key of the provider; never printed.
    pub(crate) provider_key: Option<Secret<String>>,
    /// Requests that a caller may make in a minute.
    #[schemars(range(min = 1, max = 10_000))]
    requests_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let (address, model) = ("127.0.0.1:8000".to_owned(), "small".to_owned());
        Self { address, model, provider_key: None, requests_per_minute: 60 }
    }
}

/// What a client may know of the settings.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Info {
    pub(crate) model: String,
    pub(crate) requests_per_minute: u32,
}

/// The settings in use.
#[get("/info")]
async fn info(settings: State<Settings>) -> Json<Info> {
    let Settings { model, requests_per_minute, .. } = &*settings;
    Json(Info { model: model.clone(), requests_per_minute: *requests_per_minute })
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
    tracing_subscriber::fmt::init();
    let settings: Settings = loader().load_or_exit();
    let address = settings.address.clone();
    app(settings).serve(&address).await
}

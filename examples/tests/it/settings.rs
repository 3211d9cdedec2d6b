#[path = "../../settings.rs"]
#[expect(dead_code, reason = "its main function serves until it is stopped")]
mod program;

use alula::settings::Loader;
use program::{Info, Settings, app};

fn loader(variables: &[(&'static str, &'static str)]) -> Loader {
    Loader::new().prefix("APP_").variables(variables.iter().copied())
}

#[tokio::test]
async fn variables_become_settings() {
    let variables = [("APP_MODEL", "large"), ("APP_PROVIDER_KEY", "sk-123")];
    let settings: Settings = loader(&variables).load().unwrap();
    assert!(!format!("{settings:?}").contains("sk-123"));
    let client = app(settings).client().await;
    let info = Info { model: "large".to_owned(), requests_per_minute: 60 };
    assert_eq!(client.get("/info").await.json::<Info>(), info);
}

#[test]
fn every_mistake_is_named() {
    let variables = [("APP_MODEL", ""), ("APP_REQUESTS_PER_MINUTE", "many"), ("APP_ADRESS", "x")];
    let error = loader(&variables).load::<Settings>().unwrap_err().to_string();
    assert!(error.contains("APP_REQUESTS_PER_MINUTE (environment)"), "{error}");
    assert!(error.contains("did you mean `APP_ADDRESS`?"), "{error}");
}

//! Dependency injection: an API key becomes a user, and a database session ends with its request.

use std::sync::Mutex;

use alula::{Outcome, prelude::*};

/// What stands for a database: the log of what was done to it.
#[derive(Default)]
pub(crate) struct Database(pub(crate) Mutex<Vec<String>>);

impl Database {
    fn log(&self, line: impl Into<String>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.into());
    }
}

/// One session per request, whoever asks for it. It ends after the answer and sees how that went.
#[dependency]
async fn session(database: State<Database>, scope: Scope) -> State<Database> {
    let session = database.clone();
    scope.on_exit(|outcome| async move {
        match outcome {
            Outcome::Ok => database.log("commit"),
            _ => database.log("roll back"),
        }
    });
    session
}

/// The caller, looked up by `x-api-key`; the documentation shows the key as a credential.
#[dependency]
async fn current_user(key: ApiKey, session: Depends<session>) -> Result<&'static str> {
    session.log("select user");
    match key.as_str() {
        "secret" => Ok("Ada"),
        _ => Err(HttpError::forbidden("Unknown API key")),
    }
}

/// Greet the caller.
#[get("/me")]
async fn me(user: Depends<current_user>, session: Depends<session>) -> Json<String> {
    session.log("update last_seen");
    Json(format!("Hello, {}!", *user))
}

pub(crate) fn app() -> App {
    App::new("Dependencies", "1.0.0").state(Database::default()).routes(routes![me])
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}

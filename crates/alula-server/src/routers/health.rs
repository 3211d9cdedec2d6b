//! Whether the server works.

use alula::{Route, prelude::*};

use crate::db::{Db, DbError};

/// The routes of this module.
pub(crate) fn routes() -> Vec<Route> {
    routes![root, health, live, ready]
}

/// A word from the server.
#[derive(Serialize, JsonSchema)]
struct Welcome {
    message: &'static str,
}

/// How the server is.
#[derive(Serialize, JsonSchema)]
struct Health {
    status: &'static str,
}

/// Say that the server runs.
#[get("/")]
async fn root() -> Json<Welcome> {
    Json(Welcome { message: "AI API is running" })
}

/// Check the server's health.
#[get("/health")]
async fn health() -> Json<Health> {
    Json(Health { status: "healthy" })
}

/// Check that the process answers.
///
/// For a liveness probe: it looks at nothing else.
#[get("/health/live")]
async fn live() -> Json<Health> {
    Json(Health { status: "healthy" })
}

/// Check that requests can be answered.
///
/// For a readiness probe: 503 while the database is away, and while the server shuts down.
#[get("/health/ready")]
async fn ready(db: State<Db>) -> Result<Json<Health>, DbError> {
    db.ping().await?;
    Ok(Json(Health { status: "healthy" }))
}

//! Whether the server works.

use alula::{Route, prelude::*};

use crate::services::readiness::{self, Readiness};

/// The routes of this module.
pub(crate) fn routes() -> Vec<Route> {
    let ready = routes![ready].into_iter();
    let ready = ready.map(|it| it.response::<Json<Readiness>>(503, "It is not ready, and why"));
    routes![root, health, live].into_iter().chain(ready).collect()
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
/// For a readiness probe: 503 while the database is away, and while the server shuts down. Models
/// that do not answer, and a Redis that is away, leave it `degraded`, with 200. The parts are asked
/// at most once in a second, however many probe.
#[get("/health/ready")]
async fn ready(health: State<readiness::Health>, head: ResponseHead) -> Json<Readiness> {
    let readiness = health.readiness().await;
    if readiness.status == readiness::State::Unhealthy {
        head.status(503);
    }
    Json(readiness)
}

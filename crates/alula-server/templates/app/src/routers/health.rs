//! Whether the application works.

use alula::{Route, prelude::*};

/// The routes of this module.
pub fn routes() -> Vec<Route> {
    routes![health]
}

#[derive(Serialize, JsonSchema)]
struct Health {
    status: &'static str,
}

/// Say that the application runs.
#[get("/health")]
async fn health() -> Json<Health> {
    Json(Health { status: "healthy" })
}

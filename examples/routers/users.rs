//! The endpoints below `/users`.

use alula::prelude::*;

pub(crate) fn router() -> Router {
    Router::new().prefix("/users").tag("Users").routes(routes![user])
}

/// One user.
#[get("/{name}")]
async fn user(Path(name): Path<String>) -> Result<Json<String>> {
    match name.as_str() {
        "ada" => Ok(Json("Ada".to_owned())),
        _ => Err(HttpError::not_found("No such user")),
    }
}

//! Logins: Basic, OAuth 2.0 and its scopes.

use alula::{OAuth2, OAuth2Bearer, OAuth2Scheme, SecurityScopes, prelude::*};

use crate::list::List;

#[get("/login/basic")]
async fn by_basic(login: Basic) -> Json<List<(String, String)>> {
    Json(List((login.user().to_owned(), login.password().to_owned())))
}

#[get("/login/optional-basic")]
async fn by_optional_basic(login: Option<Basic>) -> Json<Option<String>> {
    Json(login.map(|login| login.user().to_owned()))
}

struct Login;

impl OAuth2Scheme for Login {
    fn oauth2() -> OAuth2 {
        OAuth2::password("/token").name("OAuth2").scope("read", "Read").scope("write", "Write")
    }
}

#[dependency]
async fn token(token: OAuth2Bearer<Login>, scopes: SecurityScopes) -> Result<String> {
    let granted: &[&str] = match token.as_str() {
        "reader" => &["read"],
        "writer" => &["read", "write"],
        _ => {
            let error = HttpError::new(401, "unknown token");
            return Err(error.header("www-authenticate".parse()?, "Bearer".parse()?));
        }
    };
    if !scopes.is_granted(granted) {
        return Err(HttpError::forbidden("too few scopes"));
    }
    Ok(token.into_inner())
}

#[get("/oauth/any")]
async fn by_token(user: Depends<token>) -> Json<String> {
    Json(user.to_string())
}

#[get("/oauth/read", scopes = ["read"])]
async fn by_reader(user: Depends<token>) -> Json<String> {
    Json(user.to_string())
}

#[put("/oauth/write/{id}", scopes = ["write"])]
async fn by_writer(user: Depends<token>, Path(_): Path<i64>) -> Json<String> {
    Json(user.to_string())
}

/// The routes.
pub(crate) fn router() -> Router {
    Router::new().tag("Security").routes(routes![
        by_basic,
        by_optional_basic,
        by_token,
        by_reader,
        by_writer
    ])
}

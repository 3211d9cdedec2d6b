//! The endpoints below `/documents`.

use alula::prelude::*;

pub(crate) fn router() -> Router {
    Router::new().prefix("/documents").tag("Documents").routes(routes![list, create])
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Document {
    #[schemars(length(min = 1))]
    title: String,
}

/// All documents.
#[get("")]
async fn list() -> Json<Vec<Document>> {
    Json(vec![Document { title: "The alula of birds".to_owned() }])
}

/// Add a document.
#[post("", status = 201)]
async fn create(Json(document): Json<Document>) -> Json<Document> {
    Json(document)
}

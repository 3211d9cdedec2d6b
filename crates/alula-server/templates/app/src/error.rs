//! What goes wrong, and what the client reads of it.

use alula::ApiError;

/// An error of the application. Each stands in the documentation of the endpoints that return it.
#[derive(Debug, ApiError)]
pub enum Error {
    /// There is no item with this id.
    #[api(status = 404, detail = "There is no item {id}")]
    NoItem { id: u64 },
    /// An item with this name is there already.
    #[api(status = 409, detail = "There is a `{name}` already")]
    NameTaken { name: String },
    /// The model is busy.
    #[api(status = 503, retry_after = 1)]
    ModelBusy,
}

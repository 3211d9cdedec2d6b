//! What goes wrong, and what the client reads of it.

use alula::{ApiError, HttpError};

/// An error of the application.
#[derive(Debug)]
pub enum Error {
    /// There is no item with this id.
    NoItem(u64),
    /// An item with this name is there already.
    NameTaken(String),
    /// The model has no answer now.
    ModelBusy,
}

impl ApiError for Error {
    fn into_http(self) -> HttpError {
        match self {
            Self::NoItem(id) => HttpError::not_found(format!("There is no item {id}")),
            Self::NameTaken(name) => HttpError::conflict(format!("There is a `{name}` already")),
            Self::ModelBusy => HttpError::unavailable("The model is busy").retry_after(1),
        }
    }
}

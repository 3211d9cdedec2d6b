//! Who calls.

use alula::prelude::*;

use crate::config::Settings;

/// The caller of an endpoint.
#[derive(Debug, Clone)]
pub struct User {
    /// The position of the key among those of the settings; the log may show it.
    pub key: usize,
}

/// The caller, known by the key in `x-api-key`.
#[dependency]
pub fn current_user(key: ApiKey, settings: State<Settings>) -> Result<User> {
    let known = settings.api_keys.iter().position(|known| known.matches(key.as_str()));
    known.map(|key| User { key }).ok_or_else(|| HttpError::forbidden("Unknown API key"))
}

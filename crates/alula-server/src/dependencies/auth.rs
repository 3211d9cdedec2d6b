//! Who makes a request.

use alula::{Result, State, dependency};

use crate::services::{admission::Caller, models::Models};

/// The caller. Without keys, that is whoever reaches the server.
#[dependency]
pub(crate) fn caller(models: State<Models>) -> Result<Caller> {
    Ok(Caller::new(Models::clone(&models), None))
}

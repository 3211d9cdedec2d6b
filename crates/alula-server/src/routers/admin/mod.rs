//! What takes the scope `admin`.

mod keys;
mod providers;
mod usage;

use alula::Router;

use crate::dependencies::administrator;

/// The routes of this module. Each asks for an administrator, whatever else it needs.
pub(crate) fn router() -> Router {
    let router = Router::new().prefix("/admin").tag("Admin").depends::<administrator>();
    router.routes(keys::routes()).routes(providers::routes()).routes(usage::routes())
}

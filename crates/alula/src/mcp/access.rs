//! Who sees what.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::about::Common;
use crate::{
    dependency::{Dependency, Depends},
    input::{Input, Rejection, RequestContext},
    openapi::Operation,
};

/// What a caller sees of the tools, resources and prompts; see
/// [`App::mcp_access`](crate::App::mcp_access).
///
/// What a caller does not see is not in lists, and calling it is as calling what does not exist.
///
/// ```
/// use alula::{mcp::Access, prelude::*};
///
/// #[dependency]
/// async fn access(token: Bearer) -> Result<Access> {
///     match token.as_str() {
///         "root" => Ok(Access::all().owner("root")),
///         "guest" => Ok(Access::scopes(["docs:read"]).owner("guest").hide_tag("internal")),
///         _ => Err(HttpError::unauthorized("Bearer")),
///     }
/// }
///
/// # fn app() -> App {
/// App::new("Documents", "1.0.0").mcp("/mcp").mcp_access::<access>()
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    owner: Option<String>,
    /// Nothing for whoever has all of them.
    scopes: Option<Vec<String>>,
    hidden_tags: Vec<String>,
    /// Nothing for whoever is not held to some.
    only_tags: Option<Vec<String>>,
}

impl Access {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// What demands no scopes, or only some of these.
    pub fn scopes<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        Self { scopes: Some(scopes), ..Self::all() }
    }

    /// Whose it is, such as the id of a user: a session, and what a client keeps between two rounds
    /// of a call, are of no use to anybody else.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Without what has this tag.
    #[must_use]
    pub fn hide_tag(mut self, tag: impl Into<String>) -> Self {
        self.hidden_tags.push(tag.into());
        self
    }

    /// Only what has this tag, or another one that is named so.
    #[must_use]
    pub fn only_tag(mut self, tag: impl Into<String>) -> Self {
        self.only_tags.get_or_insert_default().push(tag.into());
        self
    }

    pub(super) fn owner_name(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    pub(super) fn sees(&self, item: &Common) -> bool {
        let has = |tags: &[String]| item.tags.iter().any(|tag| tags.contains(tag));
        let may = |scope: &String| self.scopes.as_ref().is_none_or(|own| own.contains(scope));
        item.scopes.iter().all(may)
            && !has(&self.hidden_tags)
            && self.only_tags.as_ref().is_none_or(|only| has(only))
    }
}

/// How something about a caller is found: its access, or what its token says.
pub(crate) trait Find<T>: Send + Sync {
    fn find<'a>(&'a self, cx: &'a mut RequestContext) -> BoxFuture<'a, Result<Arc<T>, Rejection>>;
}

/// How it is found, before its application is known.
pub(crate) type PlanFind<T> = fn(&mut Operation<'_>) -> Box<dyn Find<T>>;

pub(crate) fn plan<D: Dependency>(operation: &mut Operation<'_>) -> Box<dyn Find<D::Value>> {
    Box::new(Planned::<D>(Depends::<D>::plan(operation)))
}

struct Planned<D: Dependency>(<Depends<D> as Input>::Plan);

impl<D: Dependency> Find<D::Value> for Planned<D> {
    fn find<'a>(
        &'a self,
        cx: &'a mut RequestContext,
    ) -> BoxFuture<'a, Result<Arc<D::Value>, Rejection>> {
        Box::pin(async { Depends::<D>::extract(&self.0, cx).await.map(Depends::into_inner) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(tags: &[&str], scopes: &[&str]) -> Common {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Common { tags: owned(tags), scopes: owned(scopes), ..Common::default() }
    }

    #[test]
    fn scopes_and_tags_decide() {
        let (plain, scoped) = (item(&[], &[]), item(&["admin"], &["a", "b"]));
        assert!(Access::all().sees(&plain) && Access::all().sees(&scoped));
        assert!(Access::scopes(["a"]).sees(&plain) && !Access::scopes(["a"]).sees(&scoped));
        assert!(Access::scopes(["a", "b"]).sees(&scoped));
        assert!(!Access::all().hide_tag("admin").sees(&scoped));
        assert!(Access::all().only_tag("x").only_tag("admin").sees(&scoped));
        assert!(!Access::all().only_tag("admin").sees(&plain));
    }
}

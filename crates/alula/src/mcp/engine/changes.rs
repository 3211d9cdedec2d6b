//! Changes, as clients are told of them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::mcp::{
    context::Outbox,
    hub::{Change, Changes, Kind},
    message::{Filter, notification},
    session::Session,
};

impl Change {
    /// What a client is told, if it wants to be.
    pub(super) fn notification(
        &self,
        filter: &Filter,
        watches: impl Fn(&Arc<str>) -> bool,
        meta: Option<&Value>,
    ) -> Option<Bytes> {
        let mut params = Map::new();
        if let Some(meta) = meta {
            params.insert("_meta".to_owned(), meta.clone());
        }
        let (method, is_wanted) = match self {
            Self::List(Kind::Tool) => {
                ("notifications/tools/list_changed", filter.tools_list_changed)
            }
            Self::List(Kind::Prompt) => {
                ("notifications/prompts/list_changed", filter.prompts_list_changed)
            }
            Self::List(Kind::Resource) => {
                ("notifications/resources/list_changed", filter.resources_list_changed)
            }
            Self::Resource(uri) => {
                params.insert("uri".to_owned(), uri.to_string().into());
                ("notifications/resources/updated", watches(uri))
            }
        };
        is_wanted.then(|| notification(method, &params.into()))
    }
}

/// Tells the client of a session of all changes that it should know, until nobody listens.
pub(in crate::mcp) async fn forward(mut changes: Changes, session: Arc<Session>, out: Outbox) {
    let filter = Filter {
        tools_list_changed: true,
        prompts_list_changed: true,
        resources_list_changed: true,
        resource_subscriptions: Vec::new(),
    };
    while let Some(change) = changes.next().await {
        let watches = |uri: &Arc<str>| session.is_subscribed(uri);
        if let Some(message) = change.notification(&filter, watches, None)
            && !out.send(message).await
        {
            return;
        }
    }
}

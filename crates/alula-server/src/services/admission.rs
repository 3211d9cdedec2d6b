//! Who may make a call, and what it may take.

use std::sync::Arc;

use alula::HttpError;
use alula_llm::{ChatRequest, EmbedRequest, Llm, RelayRequest};

use super::{keys::Key, models::Models};

/// Who makes a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    models: Models,
    /// Nothing where none is needed.
    key: Option<Arc<Key>>,
}

/// What a call asks for, before it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asking<'a> {
    Chat(&'a ChatRequest),
    Relay(&'a RelayRequest),
    Embed(&'a EmbedRequest),
}

impl Caller {
    pub(crate) fn new(models: Models, key: Option<Arc<Key>>) -> Self {
        Self { models, key }
    }

    /// The models, to look something up. Calls are made with those of [`admit`](Self::admit).
    pub(crate) fn models(&self) -> Llm {
        self.models.current()
    }

    /// Whom what it makes belongs to: its key, or everybody where none is needed.
    pub(crate) fn owner(&self) -> &str {
        self.key.as_ref().map_or("", |key| &key.id)
    }

    /// Its key; nothing where none is needed.
    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        self.key.as_ref()
    }

    /// Lets one call in. It is to be made with the models that this returns, which note what
    /// becomes of it.
    ///
    /// # Errors
    ///
    /// What the client is to be told instead.
    #[expect(clippy::unused_async, reason = "limits that processes share are asked over a network")]
    pub(crate) async fn admit(&self, _: Asking<'_>) -> Result<Llm, HttpError> {
        let llm = self.models();
        Ok(match self.key() {
            Some(key) => llm.scoped(key.id.clone()),
            None => llm,
        })
    }
}

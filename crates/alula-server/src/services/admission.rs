//! Who may make a call, and what it may take.

use std::sync::Arc;

use alula::HttpError;
use alula_llm::{ChatRequest, EmbedRequest, Llm, RelayRequest, model::Protocol};

use super::{exchange::Exchange, keys::Key, models::Models, usage::Ledger};

/// Who makes a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    models: Models,
    ledger: Ledger,
    /// Nothing where none is needed.
    key: Option<Arc<Key>>,
    exchange: Exchange,
}

/// What a call asks for, before it is made.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "limits of tokens read what is asked for")]
pub(crate) enum Asking<'a> {
    Chat(&'a ChatRequest),
    Relay(&'a RelayRequest),
    Embed(&'a EmbedRequest),
}

impl Asking<'_> {
    /// In whose words the client is answered, unless in the server's own.
    fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Chat(_) => None,
            Self::Relay(request) => Some(request.protocol()),
            Self::Embed(_) => Some(Protocol::OpenAiChat),
        }
    }
}

impl Caller {
    pub(crate) fn new(
        models: Models,
        ledger: Ledger,
        key: Option<Arc<Key>>,
        exchange: Exchange,
    ) -> Self {
        if let Some(key) = &key {
            exchange.set_key(key.id.clone());
        }
        Self { models, ledger, key, exchange }
    }

    /// The id of the request that it makes.
    pub(crate) fn request_id(&self) -> &str {
        self.exchange.id()
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
    pub(crate) async fn admit(&self, asking: Asking<'_>) -> Result<Llm, HttpError> {
        let llm = self.models();
        let llm = match self.key() {
            Some(key) => llm.scoped(key.id.clone()),
            None => llm,
        };
        let (ledger, exchange) = (self.ledger.clone(), self.exchange.clone());
        let protocol = asking.protocol();
        Ok(llm.observed(move |record| ledger.note(record, exchange.id(), protocol)))
    }
}

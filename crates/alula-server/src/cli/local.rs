//! What a command works with that does by itself what a server would be asked for.

use std::{path::PathBuf, sync::Arc};

use alula_llm::Llm;
use clap::Args;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::CliError;
use crate::{
    config::{Config, Source},
    db::{DatabaseUrl, Db},
    services::{
        admission::{Caller, Calls, Entry, Holder},
        budgets::Budgets,
        chat::Sources,
        conversations::Conversations,
        exchange::Exchange,
        keys::{Key, Keys, Refusal, Scope, ShownKey},
        limits::KeyLimits,
        llm::Environment,
        models::Models,
        reload::Start,
        retrieval::Retrieval,
        tools::Tools,
        usage::{Ledger, LedgerSettings},
    },
};

#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// Providers, limits and names of models, in TOML; alula.toml if that is there.
    #[arg(long, env = "ALULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose documents these are, and who pays: the id of a key, as `alula keys list` has it. It is
    /// needed once there are keys; empty for documents from before that.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

/// The services of one command.
pub(super) struct Local {
    pub(super) calls: Calls,
    pub(super) keys: Keys,
    pub(super) sources: Sources,
    pub(super) config: Arc<Config>,
    pub(super) db: Db,
    /// Keeps what is set aside of budgets.
    settling: JoinHandle<()>,
}

impl Local {
    /// Opens what `alula serve` would open. It does no jobs, and removes nothing.
    pub(super) async fn open(config: Config, arguments: &LocalArgs) -> Result<Self, CliError> {
        if matches!(config.database, DatabaseUrl::Memory) {
            return Err(CliError::DocumentsInMemory);
        }
        let config = Arc::new(config);
        let environment = Environment::find(config.clone()).await;
        let start = Start::read(Source::new(arguments.config.as_deref()), environment)?;
        let llm = start.connect()?;
        let db = Db::open(&config.database).await?;
        let keys = Keys::open(db.clone(), start.plans(), config.keys_stale).await?;
        let retrieval = Retrieval::open(&config, &llm).await?;
        Ok(Self::of(config, llm, db, keys, retrieval))
    }

    fn of(config: Arc<Config>, llm: Llm, db: Db, keys: Keys, retrieval: Retrieval) -> Self {
        // To delete what is old is for the server.
        let usage = LedgerSettings { retention_days: 0, ..config.usage.clone() };
        let (ledger, unwritten) = Ledger::new(usage);
        unwritten.start(&ledger, db.clone());
        let budgets = Budgets::new(db.clone(), config.budgets);
        #[expect(clippy::disallowed_methods, reason = "`close` ends it")]
        let settling = tokio::spawn(budgets.clone().run());
        let entry = Entry { limits: KeyLimits::new(config.redis.clone()), budgets };
        let conversations = Conversations::new(db.clone(), config.conversation_tokens_max);
        Self {
            calls: Calls { models: Models::new(llm), ledger, entry, tools: Tools::default() },
            keys,
            sources: Sources { conversations, retrieval },
            config,
            db,
            settling,
        }
    }

    /// Who makes the calls of the command.
    pub(super) async fn caller(&self, arguments: &LocalArgs) -> Result<Caller, CliError> {
        let Calls { models, ledger, entry, .. } = self.calls.clone();
        let key = self.key(arguments.key.as_deref()).await?;
        let holder = key.map(|key| Holder { key, entry, head: None });
        let request_id = Uuid::now_v7().to_string();
        Ok(Caller::new(models, ledger, holder, Exchange::of_job(&request_id, None)))
    }

    async fn key(&self, key: Option<&str>) -> Result<Option<Arc<Key>>, CliError> {
        let text = match key {
            None if self.keys.are_needed() => return Err(CliError::WhoseDocuments),
            None | Some("") => return Ok(None),
            Some(text) => text,
        };
        // Somebody may have pasted the whole key.
        let shown = ShownKey::parse(text);
        let id = shown.as_ref().map_or(text, |shown| shown.id.as_str());
        let key = self.keys.of_id(id).await.map_err(CliError::Refused)?;
        match key.scopes.contains(Scope::Models) {
            true => Ok(Some(key)),
            false => Err(CliError::Refused(Refusal::Scope(Scope::Models.as_str().into()))),
        }
    }

    /// Writes what calls have used, and closes everything.
    pub(super) async fn close(self) {
        let Calls { ledger, entry, .. } = self.calls;
        self.settling.abort();
        let _ = self.settling.await;
        tokio::join!(entry.budgets.close(), ledger.close());
        self.sources.retrieval.close().await;
        self.db.close().await;
    }
}

//! The application: all routers over the services.

use alula::{App, Router};
use alula_llm::Llm;

use crate::{
    config::Config,
    db::{Db, DbError},
    dependencies::{WithoutKeys, this_machine},
    routers::{admin, anthropic, chat, conversations, health, jobs as jobs_router, openai},
    services::{
        conversations::Conversations,
        jobs::Jobs,
        keys::{Keys, Plans},
        models::Models,
    },
};

/// What endpoints work with.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) models: Models,
    pub(crate) db: Db,
    pub(crate) conversations: Conversations,
    pub(crate) jobs: Jobs,
    pub(crate) keys: Keys,
    pub(crate) without_keys: WithoutKeys,
}

impl Services {
    /// Reads what is kept.
    pub(crate) async fn open(
        db: Db,
        llm: Llm,
        plans: Plans,
        config: &Config,
        jobs: Jobs,
    ) -> Result<Self, DbError> {
        Ok(Self {
            models: Models::new(llm),
            conversations: Conversations::new(db.clone(), config.conversation_tokens_max),
            jobs,
            keys: Keys::open(db.clone(), plans, config.keys_stale).await?,
            without_keys: WithoutKeys::ThisMachine,
            db,
        })
    }
}

/// Builds the application over its services.
pub(crate) fn app(services: Services) -> App {
    let Services { models, db, conversations, jobs, keys, without_keys } = services;
    let beside = (db.clone(), jobs.clone(), keys.clone());
    App::new("Alula", env!("CARGO_PKG_VERSION"))
        .description(
            "One API in front of language models. Ask with `/chat`, stream with `/chat/stream`, \
             ask many at once with `/batch`.",
        )
        .describe_tag("Chat", "Ask a model.")
        .describe_tag("Conversations", "Ask a model that knows what was said before.")
        .describe_tag("OpenAI", "For clients of OpenAI, whoever the provider is.")
        .describe_tag("Anthropic", "For clients of Anthropic, whoever the provider is.")
        .describe_tag("Admin", "Look after the server; takes the scope `admin`.")
        .describe_tag("Jobs", "Answers that come later.")
        .describe_tag("Health", "Whether the server works.")
        .state(models)
        .state(db)
        .state(conversations)
        .state(jobs)
        .state(keys)
        .state(without_keys)
        .lifespan(|startup| async move {
            let (db, jobs, keys) = beside;
            jobs.start();
            #[expect(clippy::disallowed_methods, reason = "the shutdown ends it")]
            let watch = tokio::spawn(keys.watch());
            Ok(startup.on_shutdown(async move {
                watch.abort();
                jobs.close();
                db.close().await;
            }))
        })
        .depends::<this_machine>()
        .include(Router::new().tag("Health").routes(health::routes()))
        // Numbers and booleans are read as FastAPI reads them; a field that nobody knows is still
        // refused, as it is more likely a typing mistake than a wish to be ignored.
        .include(Router::new().tag("Chat").lax().routes(chat::routes()))
        .include(Router::new().tag("Conversations").lax().routes(conversations::routes()))
        .include(Router::new().tag("Jobs").routes(jobs_router::routes()))
        .include(openai::router())
        .include(anthropic::router())
        .include(admin::router())
}

//! The application: all routers over the services.

use std::time::Duration;

use alula::{App, HttpError, Result, Router, Shutdown, Startup, otel::Telemetry};
use alula_llm::Llm;
use futures_util::future::{BoxFuture, join_all};
use tokio::task::JoinHandle;

use crate::{
    db::Db,
    dependencies::{WithoutKeys, this_machine},
    routers::{
        admin, anthropic, batches, chat, conversations, documents as documents_router, files,
        health, jobs as jobs_router,
        mcp::{self, McpServing},
        metrics, openai, search, vector_stores,
    },
    services::{
        admission::{Calls, Entry},
        budgets::Budgets,
        chat::Sources,
        conversations::Conversations,
        documents::{DocumentSettings, Documents, Indexing},
        exchange::ObserveLayer,
        idempotency::{Idempotency, Idempotent},
        jobs::{Answering, Hands, Jobs, RUNNING_MAX, WorkerSettings},
        keys::Keys,
        limits::KeyLimits,
        metrics::{LlmMetrics, QueueGauges, describe_process, watch_ledger},
        models::Models,
        readiness::Health,
        reload::{Hangup, Reload, Start},
        retrieval::Retrieval,
        tools::Tools,
        usage::{Ledger, Unwritten},
        vector_stores::VectorStores,
    },
};

/// How often it is looked how the queues are doing.
const QUEUES_INTERVAL: Duration = Duration::from_secs(5);

/// What endpoints work with.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) models: Models,
    pub(crate) db: Db,
    pub(crate) conversations: Conversations,
    pub(crate) jobs: Jobs,
    pub(crate) retrieval: Retrieval,
    pub(crate) documents: Documents,
    vector_stores: VectorStores,
    pub(crate) keys: Keys,
    pub(crate) without_keys: WithoutKeys,
    pub(crate) ledger: Ledger,
    unwritten: Unwritten,
    pub(crate) reload: Reload,
    tools: Tools,
    hangup: Hangup,
    pub(crate) entry: Entry,
    pub(crate) idempotency: Idempotency,
    pub(crate) worker: WorkerSettings,
    pub(crate) mcp: McpServing,
}

/// What is kept, and has been opened.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) db: Db,
    pub(crate) keys: Keys,
    pub(crate) jobs: Jobs,
    pub(crate) retrieval: Retrieval,
    pub(crate) documents: Documents,
}

impl Services {
    /// What there is when the server starts.
    pub(crate) fn new(
        stores: Stores,
        llm: Llm,
        start: Start,
        hangup: Hangup,
        shutdown: Shutdown,
    ) -> Self {
        let Stores { db, keys, jobs, retrieval, documents } = stores;
        let config = start.config();
        let limits = config.vector_stores.clone();
        let vector_stores = VectorStores::new(&db, &documents, &retrieval, &jobs, limits);
        let models = Models::new(llm);
        let (ledger, unwritten) = Ledger::new(config.usage.clone());
        let tools = start.tools();
        Self {
            conversations: Conversations::new(db.clone(), config.conversation_tokens_max),
            worker: WorkerSettings { running_max: RUNNING_MAX, drain: config.limits.drain },
            idempotency: Idempotency::new(db.clone(), config.idempotency, shutdown),
            mcp: McpServing { origins: config.mcp_origins.clone(), ..McpServing::default() },
            jobs,
            retrieval,
            documents,
            vector_stores,
            without_keys: WithoutKeys::ThisMachine,
            ledger,
            unwritten,
            entry: Entry {
                limits: KeyLimits::new(config.redis.clone()),
                budgets: Budgets::new(db.clone(), config.budgets),
            },
            reload: Reload::new(start, models.clone(), keys.clone(), tools.clone()),
            tools,
            hangup,
            models,
            keys,
            db,
        }
    }
}

/// The application over its services: it answers requests, and does jobs beside them.
pub(crate) fn app(services: Services, telemetry: Option<Telemetry>, shutdown: Shutdown) -> App {
    let once = Idempotent::new(services.idempotency.clone());
    let batch_bytes_max = services.jobs.batch_bytes_max();
    let documents = services.documents.settings().clone();
    let serving = services.mcp.clone();
    let app = described(base(services, telemetry, shutdown));
    mcp::offered(with_routes(app, once, batch_bytes_max, &documents), serving)
}

/// What the document says of the whole.
fn described(app: App) -> App {
    app.description(
        "One API in front of language models. Ask with `/chat`, stream with `/chat/stream`, \
             ask many at once with `/batch`, and thousands with `/batches`.",
    )
    .describe_tag("Chat", "Ask a model.")
    .describe_tag("Conversations", "Ask a model that knows what was said before.")
    .describe_tag("OpenAI", "For clients of OpenAI, whoever the provider is.")
    .describe_tag("Anthropic", "For clients of Anthropic, whoever the provider is.")
    .describe_tag("Documents", "Bring documents, search them, and have answers from them.")
    .describe_tag("Admin", "Look after the server; takes the scope `admin`.")
    .describe_tag("Jobs", "Answers that come later.")
    .describe_tag("Batches", "Thousands of answers that come later.")
    .describe_tag("Health", "Whether the server works.")
}

/// All routers. A batch may have so many bytes, and documents what their settings say.
fn with_routes(
    app: App,
    once: Idempotent,
    batch_bytes_max: usize,
    documents: &DocumentSettings,
) -> App {
    // Numbers and booleans are read as FastAPI reads them; a field that nobody knows is still
    // refused, as it is more likely a typing mistake than a wish to be ignored.
    app.include(Router::new().tag("Chat").lax().layer(once.clone()).routes(chat::routes()))
        .include(
            Router::new()
                .tag("Conversations")
                .lax()
                .layer(once.clone())
                .routes(conversations::routes()),
        )
        .include(
            Router::new()
                .tag("Documents")
                .lax()
                .routes(search::routes())
                .routes(documents_router::routes(documents)),
        )
        .include(Router::new().tag("Jobs").routes(jobs_router::routes()))
        .include(
            Router::new()
                .tag("Batches")
                .lax()
                .layer(once.clone())
                .routes(batches::routes(batch_bytes_max)),
        )
        .include(openai::router().layer(once.clone()))
        .include(files::router(documents))
        .include(vector_stores::router().layer(once.clone()))
        .include(anthropic::router().layer(once))
        .include(admin::router())
        .include(metrics::router())
}

/// The same for a process that does jobs only: others see whether it works, and what it counts.
pub(crate) fn worker(services: Services, telemetry: Option<Telemetry>, shutdown: Shutdown) -> App {
    base(services, telemetry, shutdown).include(metrics::router())
}

/// The same for a program that speaks MCP over the input and output of this process.
pub(crate) fn stdio(services: Services, telemetry: Option<Telemetry>, shutdown: Shutdown) -> App {
    let serving = services.mcp.clone();
    mcp::offered(base(services, telemetry, shutdown), serving)
}

/// What every process has, with the jobs that it does.
fn base(services: Services, telemetry: Option<Telemetry>, shutdown: Shutdown) -> App {
    let Services { models, db, conversations, jobs, retrieval, keys, ledger, reload, .. } =
        services;
    let calls = Calls {
        models: models.clone(),
        ledger: ledger.clone(),
        entry: services.entry,
        tools: services.tools.clone(),
    };
    let sources = Sources { conversations: conversations.clone(), retrieval: retrieval.clone() };
    let answering =
        Answering { calls: calls.clone(), keys: keys.clone(), sources: sources.clone() };
    let (documents, vector_stores) = (services.documents, services.vector_stores);
    let indexing =
        Indexing { documents: documents.clone(), calls: calls.clone(), keys: keys.clone() };
    let gauges = QueueGauges::default();
    gauges.register();
    let beside = Beside {
        hands: Hands { answering: Some(answering), indexing },
        models: models.clone(),
        vector_stores: vector_stores.clone(),
        db: db.clone(),
        jobs: jobs.clone(),
        retrieval: retrieval.clone(),
        keys: keys.clone(),
        ledger: ledger.clone(),
        budgets: calls.entry.budgets.clone(),
        reload: reload.clone(),
        tools: services.tools,
        hangup: services.hangup,
        idempotency: services.idempotency.clone(),
        gauges,
        worker: services.worker,
        shutdown: shutdown.clone(),
    };
    let unwritten = services.unwritten;
    describe_process();
    watch_ledger(&ledger);
    LlmMetrics::watch(&models);
    let health = Health::new(db.clone(), models.clone(), documents.clone(), shutdown);
    let observed = ObserveLayer::new(telemetry.is_some());
    let app = App::new("Alula", env!("CARGO_PKG_VERSION"))
        .state(health)
        .state(models)
        .state(db)
        .state(conversations)
        .state(sources)
        .state(jobs)
        .state(retrieval)
        .state(documents)
        .state(vector_stores)
        .state(keys)
        .state(services.without_keys)
        .state(reload)
        .state(calls)
        .state(services.idempotency)
        .lifespan(|startup| async move { beside.start(startup, unwritten) })
        .depends::<this_machine>()
        .include(Router::new().tag("Health").routes(health::routes()))
        // The outermost, whose line takes the place of the usual one.
        .layer(observed)
        .access_log(false);
    match telemetry {
        Some(telemetry) => app.telemetry(telemetry),
        None => app,
    }
}

/// What goes on beside the requests.
struct Beside {
    db: Db,
    jobs: Jobs,
    retrieval: Retrieval,
    keys: Keys,
    ledger: Ledger,
    budgets: Budgets,
    reload: Reload,
    tools: Tools,
    hangup: Hangup,
    idempotency: Idempotency,
    gauges: QueueGauges,
    hands: Hands,
    models: Models,
    vector_stores: VectorStores,
    worker: WorkerSettings,
    shutdown: Shutdown,
}

impl Beside {
    /// Begins with it, and ends it after the last request: first all that writes, then the database.
    fn start(self, startup: Startup, unwritten: Unwritten) -> Result<Startup> {
        let Self { db, jobs, retrieval, keys, ledger, budgets, reload, hangup, tools, .. } = self;
        let documents = self.hands.indexing.documents.clone();
        let worker = jobs.work(self.hands, &self.worker, &self.shutdown);
        let worker = worker.map_err(|error| HttpError::internal(error.to_string()))?;
        unwritten.start(&ledger, db.clone());
        let watches: [BoxFuture<'static, ()>; 7] = [
            Box::pin(keys.watch()),
            Box::pin(reload.watch(hangup)),
            Box::pin(budgets.clone().run()),
            Box::pin(self.idempotency.sweep()),
            Box::pin(watch_queues(jobs.clone(), self.gauges)),
            Box::pin(documents.watch(self.models)),
            Box::pin(self.vector_stores.watch()),
        ];
        #[expect(clippy::disallowed_methods, reason = "the shutdown ends them")]
        let watches = watches.map(tokio::spawn);
        Ok(startup.on_shutdown(async move {
            watches.iter().for_each(JoinHandle::abort);
            // Jobs that are given back at the last moment have calls to account for.
            if let Some(stopped) = worker {
                let _ = stopped.await;
            }
            // What the watches were at is given up before it is settled.
            join_all(watches).await;
            // Beside each other: what the one waits for is no time that the other has lost.
            tokio::join!(budgets.close(), ledger.close(), tools.close());
            jobs.close().await;
            retrieval.close().await;
            db.close().await;
        }))
    }
}

/// Looks how the queues are doing, for the metrics.
async fn watch_queues(jobs: Jobs, gauges: QueueGauges) {
    loop {
        match jobs.stats().await {
            Ok(stats) => gauges.set(stats),
            Err(error) => {
                tracing::debug!(%error, "the queues cannot be counted");
                // What was true before is worse than nothing.
                gauges.set(Vec::new());
            }
        }
        tokio::time::sleep(QUEUES_INTERVAL).await;
    }
}

//! What the environment says. It is read once, here.

mod documents;
mod file;
mod idempotency;
mod jobs;
mod limits;
mod mcp;
mod mcp_servers;
mod retrieval;
mod source;
mod unknown;
mod vector_stores;

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    str::FromStr,
    time::Duration,
};

use alula::{Limits, Secret};
use alula_llm::{ApiKey, BreakerPolicy, Deadlines, ModelSize, Proxies, Redis, RetryPolicy};

pub(crate) use self::{
    file::{FileError, Located, usual_prices},
    source::Source,
    unknown::{unknown_variables, warn_of_unknown},
};
use crate::{
    db::DatabaseUrl,
    logging::{LogFilter, LogFormat},
    services::{
        budgets::BudgetSettings,
        documents::DocumentSettings,
        idempotency::IdempotencySettings,
        jobs::{JobLimits, WebhookSettings},
        llm::{HOSTED, Hosted},
        retrieval::RetrievalSettings,
        tools::ToolLimits,
        usage::LedgerSettings,
        vector_stores::VectorStoreLimits,
    },
};

/// The most bytes of a request body by default: a long conversation with a few pictures.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most tokens of a conversation by default, whatever the model could read.
const CONVERSATION_TOKENS_MAX: u64 = 128_000;
/// How long keys are good by default while the database is away, and nobody knows which are revoked.
const KEYS_STALE: Duration = Duration::from_secs(300);

/// How long a process is believed to make its calls without a word.
const BUDGET_LEASE: Duration = Duration::from_secs(60);
/// How long a call waits for Redis each time it asks.
const REDIS_TIMEOUT: Duration = Duration::from_millis(100);
/// How long Redis believes what it was told of a process that has said nothing since.
const REDIS_LEASE: Duration = Duration::from_secs(15);
/// A model of unknown size is as large as the largest that many providers have.
const UNKNOWN_MODEL: ModelSize = ModelSize { input: 1_048_576, output: 131_072 };

/// The settings of the server.
#[derive(Debug)]
pub(crate) struct Config {
    /// The providers with keys, in the order in which they are asked.
    pub(crate) hosted: Vec<(&'static Hosted, Upstream)>,
    /// Where Ollama listens; `None` for its usual place.
    /// It may hold a password.
    pub(crate) ollama_host: Option<Secret<String>>,
    /// Where keys and usage are kept.
    pub(crate) database: DatabaseUrl,
    /// Where limits are shared with other processes; else each has its own.
    pub(crate) redis: Option<Redis>,
    /// How budgets of keys are kept.
    pub(crate) budgets: BudgetSettings,
    /// The most tokens of a conversation that a model gets, its answer included.
    pub(crate) conversation_tokens_max: u64,
    /// How long keys are good while the database is away.
    pub(crate) keys_stale: Duration,
    /// How the ledger is kept.
    pub(crate) usage: LedgerSettings,
    /// The model of requests that name none.
    pub(crate) model: Option<String>,
    pub(crate) deadlines: Deadlines,
    pub(crate) retry: RetryPolicy,
    pub(crate) breaker: BreakerPolicy,
    /// The proxies through which providers are called, but for those on this machine.
    pub(crate) proxies: Proxies,
    /// Answers that come later, and how many of them.
    pub(crate) jobs: JobLimits,
    /// How their ends are told.
    pub(crate) webhooks: WebhookSettings,
    pub(crate) idempotency: IdempotencySettings,
    /// How documents are kept.
    pub(crate) documents: DocumentSettings,
    /// How many vector stores there may be.
    pub(crate) vector_stores: VectorStoreLimits,
    /// How documents are searched.
    pub(crate) retrieval: RetrievalSettings,
    /// The origins of pages that may use MCP.
    pub(crate) mcp_origins: Vec<String>,
    /// What answers with tools of MCP servers are held to.
    pub(crate) tools: ToolLimits,
    /// What a client may hold.
    pub(crate) limits: Limits,
    /// The most bytes of a request body.
    pub(crate) body_bytes_max: usize,
    pub(crate) log: LogFilter,
    pub(crate) log_format: LogFormat,
    /// Whether traces and metrics are sent to a collector, which OpenTelemetry's own variables name.
    pub(crate) has_collector: bool,
}

/// A provider's key and address.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    pub(crate) key: Option<ApiKey>,
    /// It may hold a password.
    pub(crate) base_url: Option<Secret<String>>,
}

/// What a key with a budget may do with models whose price nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnknownPrices {
    Refuse,
    Allow,
}

impl FromStr for UnknownPrices {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "allow" => Ok(Self::Allow),
            _ => Err("expected `refuse` or `allow`"),
        }
    }
}

/// What is wrong with the configuration.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// Variables with a value that cannot be used; all of them.
    Variables(Vec<String>),
    /// The file has a mistake.
    File(FileError),
    /// The providers cannot be set up.
    Llm(alula_llm::Error),
    /// The collector cannot be set up.
    Telemetry(alula::otel::Error),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variables(mistakes) => {
                f.write_str("the environment has mistakes:")?;
                mistakes.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
            }
            Self::File(error) => error.fmt(f),
            Self::Llm(error) => write!(f, "the providers cannot be set up: {error}"),
            Self::Telemetry(error) => error.fmt(f),
        }
    }
}

impl From<FileError> for ConfigError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<alula_llm::Error> for ConfigError {
    fn from(error: alula_llm::Error) -> Self {
        Self::Llm(error)
    }
}

impl From<alula::otel::Error> for ConfigError {
    fn from(error: alula::otel::Error) -> Self {
        Self::Telemetry(error)
    }
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// All variables whose values cannot be used.
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        Self::read(variable)
    }

    /// What there is where nothing is set, and the database is gone with the process.
    pub(crate) fn in_memory() -> Result<Self, ConfigError> {
        Self::read(|name| (name == "DATABASE_URL").then(|| "sqlite::memory:".to_owned()))
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut variables = Variables { variable, mistakes: Vec::new() };
        let defaults = Deadlines::default();
        let deadlines = Deadlines::default()
            .connect(variables.seconds("ALULA_CONNECT_SECONDS", defaults.connect))
            .first_token(variables.seconds("ALULA_FIRST_TOKEN_SECONDS", defaults.first_token))
            .answer(variables.seconds("ALULA_ANSWER_SECONDS", defaults.answer))
            .idle(variables.seconds("ALULA_IDLE_SECONDS", defaults.idle))
            .total(variables.seconds("ALULA_TOTAL_SECONDS", defaults.total));
        let retry = RetryPolicy::default();
        let attempts = variables.parsed("ALULA_ATTEMPTS").map_or(retry.attempts, NonZeroU32::get);
        let retry = retry.attempts(attempts);
        let breaker = BreakerPolicy::default();
        let failures = variables.parsed("ALULA_BREAKER_FAILURES").unwrap_or(breaker.failures);
        let breaker = breaker.failures(failures);
        let database = variables.secret("DATABASE_URL").unwrap_or_default();
        let config = Self {
            documents: variables.documents(&database),
            proxies: variables.proxies(),
            jobs: variables.jobs(),
            webhooks: variables.webhooks(),
            idempotency: variables.idempotency(),
            retrieval: variables.retrieval(),
            mcp_origins: variables.mcp_origins(),
            vector_stores: variables.vector_stores(),
            tools: variables.tools(),
            limits: variables.limits(),
            body_bytes_max: variables.count("ALULA_BODY_BYTES_MAX", BODY_BYTES_MAX),
            hosted: HOSTED.iter().map(|hosted| (hosted, variables.upstream(hosted))).collect(),
            ollama_host: variables.text("OLLAMA_HOST").map(Secret::new),
            database,
            redis: variables.redis(),
            budgets: variables.budgets(),
            conversation_tokens_max: variables
                .parsed::<NonZeroU64>("ALULA_CONVERSATION_TOKENS_MAX")
                .map_or(CONVERSATION_TOKENS_MAX, NonZeroU64::get),
            keys_stale: variables.seconds("ALULA_KEYS_STALE_SECONDS", KEYS_STALE),
            usage: variables.usage(),
            model: variables.text("ALULA_MODEL"),
            deadlines,
            retry,
            breaker,
            log: variables.parsed("ALULA_LOG").unwrap_or_default(),
            log_format: variables.parsed("ALULA_LOG_FORMAT").unwrap_or_default(),
            has_collector: variables.names_collector(),
        };
        match variables.mistakes.is_empty() {
            true => Ok(config),
            false => Err(ConfigError::Variables(variables.mistakes)),
        }
    }
}

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads variables")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// What the environment says of clouds, by the usual names: credentials, regions, addresses.
#[cfg(feature = "cloud")]
pub(crate) fn cloud_variables() -> impl Iterator<Item = (String, String)> {
    let variables = std::env::vars_os();
    let variables = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let of_cloud = |name: &str| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|it| name.starts_with(it));
    let variables = variables.filter(move |(name, _)| of_cloud(name));
    variables.filter_map(|(name, value)| Some((name, value.into_string().ok()?)))
}

/// Reads variables and gathers what is wrong with them.
struct Variables<F> {
    variable: F,
    mistakes: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// A variable that is set and not empty.
    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.mistakes.push(format!("{name}={text}: {error}"))).ok()
    }

    /// The same for what may hold a password.
    fn secret<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.mistakes.push(format!("{name}: {error}"))).ok()
    }

    /// A time in seconds, up to a day, or 0 for none.
    fn seconds_or_none(&mut self, name: &str, default: Duration) -> Duration {
        match self.text(name).as_deref() {
            Some("0") => Duration::ZERO,
            _ => self.seconds(name, default),
        }
    }

    /// A time in seconds, up to a day.
    fn seconds(&mut self, name: &str, default: Duration) -> Duration {
        const SECONDS_MAX: f64 = 86_400.0;
        let Some(seconds) = self.parsed::<f64>(name) else { return default };
        if !(seconds > 0.0 && seconds <= SECONDS_MAX) {
            self.mistakes.push(format!("{name}={seconds}: more than 0 and at most {SECONDS_MAX}"));
            return default;
        }
        Duration::from_secs_f64(seconds)
    }

    /// Where limits are shared. The address may hold a password.
    fn redis(&mut self) -> Option<Redis> {
        let timeout = self.seconds("ALULA_REDIS_TIMEOUT_SECONDS", REDIS_TIMEOUT);
        let lease = self.seconds("ALULA_REDIS_LEASE_SECONDS", REDIS_LEASE);
        let url = self.text("REDIS_URL")?;
        let redis = Redis::new(&url);
        let wrong = |_| "REDIS_URL: expected redis[s]://[USER][:PASSWORD@]HOST[:PORT][/DATABASE]";
        let redis = redis.map_err(|error| self.mistakes.push(wrong(error).to_owned())).ok()?;
        Some(redis.timeout(timeout).lease(lease))
    }

    fn budgets(&mut self) -> BudgetSettings {
        let unknown_model = ModelSize {
            input: self.tokens("ALULA_UNKNOWN_MODEL_INPUT_TOKENS", UNKNOWN_MODEL.input),
            output: self.tokens("ALULA_UNKNOWN_MODEL_OUTPUT_TOKENS", UNKNOWN_MODEL.output),
        };
        let prices = self.parsed("ALULA_UNKNOWN_PRICES").unwrap_or(UnknownPrices::Refuse);
        BudgetSettings {
            lease: self.seconds("ALULA_BUDGET_LEASE_SECONDS", BUDGET_LEASE),
            unknown_model,
            allows_unknown_prices: prices == UnknownPrices::Allow,
        }
    }

    fn tokens(&mut self, name: &str, default: u64) -> u64 {
        self.parsed::<NonZeroU64>(name).map_or(default, NonZeroU64::get)
    }

    /// A number from 1.
    fn count(&mut self, name: &str, default: usize) -> usize {
        let count = self.parsed::<NonZeroUsize>(name);
        count.map_or(default, NonZeroUsize::get)
    }

    fn usage(&mut self) -> LedgerSettings {
        let default = LedgerSettings::default();
        let spill_bytes_max = self.parsed::<NonZeroU64>("ALULA_USAGE_SPILL_BYTES_MAX");
        LedgerSettings {
            queue_rows_max: self.count("ALULA_USAGE_QUEUE", default.queue_rows_max),
            spill_dir: self.text("ALULA_USAGE_SPILL_DIR").map_or(default.spill_dir, Into::into),
            spill_bytes_max: spill_bytes_max.map_or(default.spill_bytes_max, NonZeroU64::get),
            retention_days: self
                .parsed("ALULA_USAGE_RETENTION_DAYS")
                .unwrap_or(default.retention_days),
        }
    }

    /// As OpenTelemetry's SDKs have it, but for their collector on this machine by default.
    fn names_collector(&self) -> bool {
        let is_off =
            self.text("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        !is_off && self.text("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
    }

    /// What other programs know as well. `HTTP_PROXY` is not read: it can be a header of a client.
    fn proxies(&self) -> Proxies {
        let either = |name: &str| self.text(name).or_else(|| self.text(&name.to_lowercase()));
        let mut proxies = Proxies::default();
        if let Some(url) = either("HTTPS_PROXY") {
            proxies = proxies.https(url);
        }
        if let Some(url) = either("ALL_PROXY") {
            proxies = proxies.all(url);
        }
        if let Some(hosts) = either("NO_PROXY") {
            proxies = proxies.except(hosts);
        }
        proxies
    }

    fn upstream(&mut self, hosted: &Hosted) -> Upstream {
        let (key_name, url_name) =
            (format!("{}_API_KEY", hosted.prefix), format!("{}_BASE_URL", hosted.prefix));
        let key = self.text(&key_name).or_else(|| self.text(hosted.other_key?));
        let base_url = self.text(&url_name);
        if hosted.needs_url && key.is_some() && base_url.is_none() {
            self.mistakes.push(format!("{url_name} is missing, which goes with {key_name}"));
        }
        Upstream { key: key.map(ApiKey::new), base_url: base_url.map(Secret::new) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Config::read(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn key<'a>(config: &'a Config, prefix: &str) -> Option<&'a ApiKey> {
        let mut hosted = config.hosted.iter();
        hosted.find(|(hosted, _)| hosted.prefix == prefix)?.1.key.as_ref()
    }

    #[test]
    fn nothing_is_needed() {
        let config = read(&[("OPENAI_API_KEY", " ")]).unwrap();
        assert!(key(&config, "OPENAI").is_none());
        assert_eq!(config.deadlines, Deadlines::default());
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let error = read(&[
            ("ALULA_FIRST_TOKEN_SECONDS", "soon"),
            ("ALULA_IDLE_SECONDS", "0"),
            ("ALULA_TOTAL_SECONDS", "NaN"),
            ("ALULA_LOG_FORMAT", "xml"),
            ("ALULA_CONNECTIONS_MAX", "0"),
            ("ALULA_LOG", "alula=loud"),
            ("AZURE_OPENAI_API_KEY", "k"),
        ]);
        let text = error.unwrap_err().to_string();
        let names = ["FIRST_TOKEN_SECONDS=soon", "IDLE_SECONDS=0", "TOTAL_SECONDS=NaN"];
        let more =
            ["FORMAT=xml", "CONNECTIONS_MAX=0", "LOG=alula=loud", "OPENAI_BASE_URL is missing"];
        for part in names.into_iter().chain(more) {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let config = read(&[
            ("ANTHROPIC_API_KEY", "sk-canary"),
            ("HTTPS_PROXY", "http://user:canary@proxy.example"),
            ("OPENAI_BASE_URL", "https://user:canary@llm.example/v1?key=canary"),
            ("OLLAMA_HOST", "http://user:canary@ollama.example"),
        ])
        .unwrap();
        assert!(!format!("{config:?}").contains("canary"));
        assert!(key(&config, "ANTHROPIC").is_some());
    }

    #[test]
    fn proxies_are_those_that_other_programs_use() {
        let config = read(&[
            ("https_proxy", "http://a.example"),
            ("ALL_PROXY", "http://b.example"),
            ("HTTP_PROXY", "http://c.example"),
            ("NO_PROXY", "internal.example, 10.0.0.0/8"),
        ]);
        let expected = Proxies::default()
            .https("http://a.example")
            .all("http://b.example")
            .except("internal.example, 10.0.0.0/8");
        assert_eq!(config.unwrap().proxies, expected);
    }

    #[test]
    fn a_key_may_have_two_names() {
        for (name, provider, known) in [
            ("GEMINI_API_KEY", "GEMINI", true),
            ("GOOGLE_API_KEY", "GEMINI", true),
            ("GEMINI_BASE_URL", "GEMINI", false),
            ("CO_API_KEY", "COHERE", true),
            ("XAI_API_KEY", "XAI", true),
        ] {
            assert_eq!(key(&read(&[(name, "x")]).unwrap(), provider).is_some(), known, "{name}");
        }
    }
}

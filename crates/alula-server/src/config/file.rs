//! `alula.toml`: providers beside those of the environment, their limits, and the models that have
//! a name here.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use alula::Secret;
use alula_llm::{
    Anthropic, ApiKey, Cohere, Gemini, LlmBuilder, OpenAi, OpenAiResponses, Prices, RateLimit,
    Route,
};
use serde::{Deserialize, de::IgnoredAny};

use super::mcp_servers::McpServerTable;
use crate::services::{
    keys::{Plan, Plans},
    tools::ServerSettings,
};

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    /// The model of requests that name none.
    pub(crate) default_model: Option<String>,
    providers: BTreeMap<String, ProviderTable>,
    models: BTreeMap<String, ModelTable>,
    plans: BTreeMap<String, PlanTable>,
    mcp_servers: BTreeMap<String, McpServerTable>,
    /// What providers charge. It is read from the text, so that a mistake has its line.
    prices: Vec<IgnoredAny>,
}

/// The limits of keys; what is absent has none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanTable {
    requests_per_minute: Option<NonZeroU64>,
    tokens_per_minute: Option<NonZeroU64>,
    concurrent_streams: Option<NonZeroUsize>,
}

/// A provider of one's own, or the limits of one that the environment connects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderTable {
    /// What it speaks.
    kind: Option<Kind>,
    /// It may hold a password.
    base_url: Option<Secret<String>>,
    /// The variable that holds the key.
    api_key_env: Option<String>,
    requests_per_minute: Option<NonZeroU64>,
    tokens_per_minute: Option<NonZeroU64>,
    /// How many calls may be on their way at once.
    concurrent: Option<NonZeroUsize>,
    /// How long a call may wait for its turn.
    wait_seconds: Option<f64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
    Cohere,
}

/// A name for models that stand in for each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelTable {
    targets: Vec<TargetEntry>,
    #[serde(default)]
    fallbacks: Vec<TargetEntry>,
    /// How long the whole answer of one may take while another one is left to ask.
    answer_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a model, or a table of `model`, `weight`, `requests_per_minute`, \
                 `tokens_per_minute`, `concurrent` and `wait_seconds`"
)]
enum TargetEntry {
    Model(String),
    Limited(TargetTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetTable {
    model: String,
    /// 1 if it is absent; fallbacks have none.
    weight: Option<u32>,
    requests_per_minute: Option<NonZeroU64>,
    tokens_per_minute: Option<NonZeroU64>,
    concurrent: Option<NonZeroUsize>,
    wait_seconds: Option<f64>,
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// Without the line itself, which may hold a key.
    #[error("{}: line {line}: {message}", path.display())]
    Malformed { path: PathBuf, line: usize, message: String },
    /// The place, and what is wrong there.
    #[error("{}: {place}: {reason}", path.display())]
    Mistake { path: PathBuf, place: String, reason: String },
}

/// A file, and where it is.
#[derive(Debug)]
pub(crate) struct Located {
    path: PathBuf,
    pub(crate) file: File,
    /// All prices there are, those of the file before others.
    prices: Prices,
}

/// What costs nothing: models on this machine.
const LOCAL: &str = r#"
provider = [
  { name = "demo", as_of = "2026-11-26", source = "built in", prices = [{ models = ["*"], free = true }] },
  { name = "ollama", as_of = "2026-11-26", source = "built in", prices = [{ models = ["*"], free = true }] },
]
"#;

/// The prices that are there without a file.
pub(crate) fn usual_prices() -> Result<Prices, alula_llm::Error> {
    Prices::builtin().with_toml(LOCAL)
}

impl Located {
    /// Reads what a file says.
    pub(super) fn parse(path: PathBuf, text: &str) -> Result<Self, FileError> {
        let file = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
                let message = error.message().to_owned();
                return Err(FileError::Malformed { path, line, message });
            }
        };
        let prices = usual_prices().and_then(|prices| prices.with_toml_list(text, "prices"));
        match prices {
            Ok(prices) => Ok(Self { path, file, prices }),
            Err(error) => {
                let (place, reason) = ("prices".to_owned(), error.message().to_owned());
                Err(FileError::Mistake { path, place, reason })
            }
        }
    }

    /// Adds the providers, limits and models. `key` reads a variable.
    pub(crate) fn apply(
        &self,
        mut llm: LlmBuilder,
        key: impl Fn(&str) -> Option<String>,
    ) -> Result<LlmBuilder, FileError> {
        for (name, table) in &self.file.providers {
            let place = format!("providers.{name}");
            if table.kind.is_some() {
                llm = table.provider(name, llm, &key).map_err(|it| self.mistake(&place, it))?;
            } else if table.base_url.is_some() || table.api_key_env.is_some() {
                return Err(self.mistake(&place, "kind is missing, which says what it speaks"));
            }
            if let Some(limit) = table.rate().map_err(|it| self.mistake(&place, it))? {
                llm = llm.rate_limit(name, limit);
            }
            if let Some(calls) = table.concurrent {
                llm = llm.concurrency(name, calls.get());
            }
        }
        llm = llm.prices(self.prices.clone());
        for (name, table) in &self.file.models {
            let route = table.route().map_err(|it| self.mistake(&format!("models.{name}"), it))?;
            llm = llm.route(name, route);
        }
        Ok(llm)
    }

    /// The usual plans, and those of the file in their place and beside them.
    pub(crate) fn plans(&self) -> Plans {
        let mut plans = Plans::default();
        for (name, table) in &self.file.plans {
            plans.set(Plan {
                name: name.as_str().into(),
                requests_per_minute: table.requests_per_minute,
                tokens_per_minute: table.tokens_per_minute,
                concurrent_streams: table.concurrent_streams,
            });
        }
        plans
    }

    /// The MCP servers whose tools models may call. `variable` reads a variable.
    pub(crate) fn mcp_servers(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, ServerSettings>, FileError> {
        let servers = self.file.mcp_servers.iter().map(|(name, table)| {
            let settings = table.settings(name, &variable);
            let mistake = |reason| self.mistake(&format!("mcp_servers.{name}"), reason);
            settings.map(|settings| (name.clone(), settings)).map_err(mistake)
        });
        servers.collect()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names that it gives to models.
    pub(crate) fn model_names(&self) -> impl Iterator<Item = &String> {
        self.file.models.keys()
    }

    /// The variables that hold keys of its providers, and what its MCP servers get.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &String> {
        let keys = self.file.providers.values().filter_map(|table| table.api_key_env.as_ref());
        keys.chain(self.file.mcp_servers.values().flat_map(McpServerTable::variables))
    }

    /// Whether it connects providers of its own.
    pub(crate) fn has_providers(&self) -> bool {
        self.file.providers.values().any(|table| table.kind.is_some())
    }

    /// Its own providers: what each of them speaks, and whether a key goes with it.
    pub(crate) fn providers(&self) -> impl Iterator<Item = (&str, &'static str, bool)> {
        let providers = self.file.providers.iter();
        providers.filter_map(|(name, table)| {
            Some((name.as_str(), table.kind?.name(), table.api_key_env.is_some()))
        })
    }

    fn mistake(&self, place: &str, reason: impl Into<String>) -> FileError {
        FileError::Mistake {
            path: self.path.clone(),
            place: place.to_owned(),
            reason: reason.into(),
        }
    }
}

impl ProviderTable {
    fn provider(
        &self,
        name: &str,
        llm: LlmBuilder,
        key: impl Fn(&str) -> Option<String>,
    ) -> Result<LlmBuilder, String> {
        let url = self.base_url.as_ref().ok_or("base_url is missing")?.expose().as_str();
        let found = |variable: &String| {
            let value = key(variable).filter(|value| !value.trim().is_empty());
            // Its name is not shown: somebody may have written the key itself there.
            value.ok_or("api_key_env: there is no variable of this name, or it is empty")
        };
        let key = self.api_key_env.as_ref().map(found).transpose()?.map(ApiKey::new);
        let or_none = || key.clone().unwrap_or_else(|| ApiKey::new(""));
        Ok(match self.kind {
            Some(Kind::Anthropic) => {
                llm.provider(Anthropic::new(or_none()).name(name).base_url(url))
            }
            Some(Kind::Cohere) => llm.provider(Cohere::new(or_none()).name(name).base_url(url)),
            Some(Kind::Gemini) => llm.provider(match key {
                Some(key) => Gemini::compatible(name, url).key(key),
                None => Gemini::compatible(name, url),
            }),
            Some(Kind::Responses) => llm.provider(match key {
                Some(key) => OpenAiResponses::compatible(name, url).key(key),
                None => OpenAiResponses::compatible(name, url),
            }),
            Some(Kind::OpenAi) | None => llm.provider(match key {
                Some(key) => OpenAi::compatible(name, url).key(key),
                None => OpenAi::compatible(name, url),
            }),
        })
    }

    /// The limit of requests and tokens, if there is one.
    fn rate(&self) -> Result<Option<RateLimit>, String> {
        rate(self.requests_per_minute, self.tokens_per_minute, self.wait_seconds)
    }
}

fn rate(
    requests: Option<NonZeroU64>,
    tokens: Option<NonZeroU64>,
    wait_seconds: Option<f64>,
) -> Result<Option<RateLimit>, String> {
    if requests.is_none() && tokens.is_none() && wait_seconds.is_none() {
        return Ok(None);
    }
    let mut limit = RateLimit::default();
    limit.requests = requests.map(NonZeroU64::get);
    limit.tokens = tokens.map(NonZeroU64::get);
    if let Some(seconds) = wait_seconds {
        let wait = Duration::try_from_secs_f64(seconds);
        limit.wait_max = wait.map_err(|error| format!("wait_seconds: {error}"))?;
    }
    Ok(Some(limit))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
        }
    }
}

impl ModelTable {
    fn route(&self) -> Result<Route, String> {
        if self.targets.is_empty() {
            return Err("targets is empty".to_owned());
        }
        if let Some(name) = self.fallbacks.iter().find_map(TargetEntry::weighted) {
            return Err(format!("{name}: fallbacks have no weight, as they come last"));
        }
        let mut route = Route::default();
        if let Some(seconds) = self.answer_seconds {
            let answer = Duration::try_from_secs_f64(seconds).ok().filter(|it| !it.is_zero());
            route = route.answer(answer.ok_or("answer_seconds: expected more than 0")?);
        }
        let mut limited = HashSet::new();
        let targets = self.targets.iter().map(|target| (target, target.weight()));
        let fallbacks = self.fallbacks.iter().map(|target| (target, 0));
        targets.chain(fallbacks).try_fold(route, |route, (target, weight)| {
            let TargetEntry::Limited(table) = target else {
                return Ok(route.share(target.model(), weight));
            };
            let wrong = |reason: &str| format!("{}: {reason}", table.model);
            let rate = table.rate().map_err(|reason| wrong(&reason))?;
            if (rate.is_some() || table.concurrent.is_some()) && !limited.insert(&table.model) {
                return Err(wrong("it has limits twice"));
            }
            Ok(table.limit(rate, route.share(&table.model, weight)))
        })
    }
}

impl TargetEntry {
    fn model(&self) -> &str {
        match self {
            Self::Model(model) => model,
            Self::Limited(table) => &table.model,
        }
    }

    fn weight(&self) -> u32 {
        match self {
            Self::Model(_) => 1,
            Self::Limited(table) => table.weight.unwrap_or(1),
        }
    }

    /// Its model, if it says how often that is to be asked.
    fn weighted(&self) -> Option<&str> {
        match self {
            Self::Limited(TargetTable { model, weight: Some(_), .. }) => Some(model),
            Self::Model(_) | Self::Limited(_) => None,
        }
    }
}

impl TargetTable {
    fn rate(&self) -> Result<Option<RateLimit>, String> {
        rate(self.requests_per_minute, self.tokens_per_minute, self.wait_seconds)
    }

    fn limit(&self, rate: Option<RateLimit>, mut route: Route) -> Route {
        if let Some(rate) = rate {
            route = route.rate_limit(&self.model, rate);
        }
        match self.concurrent {
            Some(calls) => route.concurrency(&self.model, calls.get()),
            None => route,
        }
    }
}

#[cfg(test)]
mod tests {
    use alula_llm::{Anthropic, Llm, OpenAi};

    use super::*;

    /// The prices that the book shows.
    #[test]
    fn the_prices_of_the_book_can_be_used() {
        let page = include_str!("../../../../docs/how-to/keys-and-limits.md");
        let text = page.split("```toml\n").nth(2).unwrap().split("```").next().unwrap();
        let prices = Located::parse("alula.toml".into(), text).unwrap().prices;
        let usage = alula_llm::Usage { input: 1_000_000, ..alula_llm::Usage::default() };
        let cost = |provider, model| prices.cost(provider, model, &usage).unwrap().total().get();
        assert_eq!(cost("gpu", "llama-3"), 0);
        assert_eq!(cost("gpu", "other"), 200_000);
        assert_eq!(cost("ollama", "llama3.2"), 0);
        assert_eq!(cost("openai", "gpt-4o-mini"), 150_000);
    }

    /// The plans that the book shows.
    #[test]
    fn the_plans_of_the_book_can_be_used() {
        let page = include_str!("../../../../docs/how-to/keys-and-limits.md");
        let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let plans = Located::parse("alula.toml".into(), text).unwrap().plans();
        assert_eq!(plans.names().collect::<Vec<_>>(), ["free", "pro", "team", "unlimited"]);
        let team = plans.get("team").unwrap();
        assert_eq!(team.requests_per_minute.map(NonZeroU64::get), Some(120));
        assert_eq!(team.concurrent_streams, None);
    }

    #[test]
    fn a_name_has_some_time_for_an_answer() {
        let route = |seconds| {
            let table = format!("targets = [\"a/m\"]\nanswer_seconds = {seconds}");
            toml::from_str::<ModelTable>(&table).unwrap().route()
        };
        for seconds in ["0", "-1", "nan", "1e300"] {
            assert!(route(seconds).unwrap_err().contains("answer_seconds"), "{seconds}");
        }
        let expected = Route::to("a/m").answer(Duration::from_millis(1500));
        assert_eq!(route("1.5"), Ok(expected));
    }

    #[test]
    fn a_limit_of_nothing_is_a_mistake() {
        for line in ["requests_per_minute = 0", "concurrent_streams = -1", "tokens = 5"] {
            let error = toml::from_str::<File>(&format!("[plans.none]\n{line}"));
            assert!(error.is_err(), "{line}");
        }
    }

    /// The file that the book shows.
    #[test]
    fn the_file_of_the_book_can_be_used() {
        let page = include_str!("../../../../docs/how-to/name-models.md");
        let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let located = Located::parse("alula.toml".into(), text).unwrap();
        let builder = Llm::builder().provider(OpenAi::new("k")).provider(Anthropic::new("k"));
        let key = |name: &str| (name == "GPU_API_KEY").then(|| "k".to_owned());
        let llm = located.apply(builder, key).unwrap().build().unwrap();
        assert_eq!(llm.models()[0].0, "fast");
        assert_eq!(llm.providers().collect::<Vec<_>>(), ["openai", "anthropic", "gpu"]);
    }
}

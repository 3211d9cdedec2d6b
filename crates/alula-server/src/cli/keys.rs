//! `alula keys`: making, listing, changing and revoking keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CliError, say, table, tell, values};
use crate::{
    config::{Config, ConfigError, Source},
    db::{DatabaseUrl, Db},
    services::keys::{
        Budget, By, KeyChange, KeyError, KeyId, KeyInfo, KeyRecord, KeyWish, Period, Plans, Scope,
        Status, create, revoke, update,
    },
    time::Timestamp,
};

pub(super) const EXAMPLES: &str = "\
They are in the database that DATABASE_URL names. A server that runs knows of a change within a
second. From the first key on every request needs one.

Examples:
  KEY=$(alula keys create --name laptop --plan unlimited --scopes models,admin)
  alula keys create --name team --plan pro --budget-usd-per-day 5 --expires 30d
  alula keys update Vb2NqLr8sKqA --plan free --expires never
  alula keys revoke Vb2NqLr8sKqA";

/// How many keys are read at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
    /// Where plans are named, in TOML; alula.toml if that is there.
    #[arg(long, global = true, env = "ALULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a key. It alone is printed to stdout, once and never again.
    Create(Create),
    /// List the keys, the newest first.
    List {
        /// Revoked keys as well.
        #[arg(long)]
        all: bool,
        /// Print JSON, a list of objects.
        #[arg(long)]
        json: bool,
    },
    /// Change a key. What is not named stays as it is.
    Update(Update),
    /// Revoke keys for good.
    Revoke {
        /// The part of each that is not secret.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What people shall call it.
    #[arg(long)]
    name: String,
    /// The plan, which limits it: free, pro, unlimited, or one of alula.toml.
    #[arg(long, default_value = "free")]
    plan: String,
    /// What it opens, with commas between: models, admin, tools.
    #[arg(long, value_delimiter = ',', default_value = "models")]
    scopes: Vec<Scope>,
    #[command(flatten)]
    budget: BudgetArgs,
    /// When it ends: a time from now such as 30d (m, h, d, w and y), or never.
    #[arg(long, value_name = "TIME", default_value = "never", value_parser = values::later)]
    expires: Expiry,
}

#[derive(Debug, Args)]
struct Update {
    /// The part of the key that is not secret.
    id: String,
    /// What people shall call it.
    #[arg(long)]
    name: Option<String>,
    /// The plan, which limits it.
    #[arg(long)]
    plan: Option<String>,
    /// What it opens, with commas between: models, admin, tools.
    #[arg(long, value_delimiter = ',')]
    scopes: Option<Vec<Scope>>,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Let it spend without a bound.
    #[arg(long, conflicts_with = "budget")]
    no_budget: bool,
    /// When it ends: a time from now such as 30d (m, h, d, w and y), or never.
    #[arg(long, value_name = "TIME", value_parser = values::later)]
    expires: Option<Expiry>,
}

/// Nothing for never. A name of its own, so that clap takes the value as one.
type Expiry = Option<Timestamp>;

#[derive(Debug, Args)]
#[group(id = "budget", multiple = false)]
struct BudgetArgs {
    /// The most that it may spend in a day of UTC.
    #[arg(long, value_name = "USD", value_parser = values::micro_usd)]
    budget_usd_per_day: Option<u64>,
    /// The most that it may spend in a month of UTC.
    #[arg(long, value_name = "USD", value_parser = values::micro_usd)]
    budget_usd_per_month: Option<u64>,
    /// The most that it may ever spend.
    #[arg(long, value_name = "USD", value_parser = values::micro_usd)]
    budget_usd_total: Option<u64>,
}

impl BudgetArgs {
    fn budget(&self) -> Option<Budget> {
        let of = |sum: Option<u64>, period| sum.map(|micro_usd| Budget { micro_usd, period });
        of(self.budget_usd_per_day, Period::Day)
            .or(of(self.budget_usd_per_month, Period::Month))
            .or(of(self.budget_usd_total, Period::Total))
    }
}

/// Runs a command.
pub(super) async fn run(arguments: KeysArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    if matches!(config.database, DatabaseUrl::Memory) {
        return Err(CliError::KeysInMemory);
    }
    let source = Source::new(arguments.config.as_deref());
    let file = source.load().map_err(ConfigError::File)?;
    let plans = file.map(|(_, file)| file.plans()).unwrap_or_default();
    let db = Db::open(&config.database).await?;
    let done = match arguments.command {
        KeysCommand::Create(arguments) => create_key(&db, &plans, arguments).await,
        KeysCommand::List { all, json } => list_keys(&db, all, json).await,
        KeysCommand::Update(arguments) => update_key(&db, &plans, arguments).await,
        KeysCommand::Revoke { ids } => revoke_keys(&db, &ids).await,
    };
    db.close().await;
    done
}

async fn create_key(db: &Db, plans: &Plans, arguments: Create) -> Result<(), CliError> {
    let is_first = !db.has_keys().await?;
    let Create { name, plan, scopes, budget, expires } = arguments;
    let scopes = scopes.into_iter().collect();
    let wish = KeyWish { name, plan, scopes, budget: budget.budget(), expires_at: expires };
    let (record, text) = create(db, plans, wish, By::CommandLine).await?;
    say(text.expose());
    tell(&format!("Made the key {}; it cannot be shown again.\n{}", record.id, lines_of(&record)));
    if is_first {
        tell("It is the first key: from now on every request needs one.");
    }
    Ok(())
}

async fn list_keys(db: &Db, all: bool, json: bool) -> Result<(), CliError> {
    let now = Timestamp::now();
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = db.list_keys(after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|key| key.id);
        keys.extend(page.into_iter().filter(|key| all || key.status(now) != Status::Revoked));
        if is_last {
            break;
        }
    }
    if json {
        let keys: Vec<_> = keys.into_iter().map(KeyInfo::from).collect();
        let text = serde_json::to_string_pretty(&keys).map_err(std::io::Error::other)?;
        say(&text);
    } else if keys.is_empty() {
        tell("There are no keys.");
    } else {
        say(&table::of_texts(&rows(&keys, now)));
    }
    Ok(())
}

async fn update_key(db: &Db, plans: &Plans, arguments: Update) -> Result<(), CliError> {
    let Update { id, name, plan, scopes, budget, no_budget, expires } = arguments;
    let budget = budget.budget().map(Some).or(no_budget.then_some(None));
    let scopes = scopes.map(|scopes| scopes.into_iter().collect());
    let change = KeyChange { name, plan, scopes, budget, expires_at: expires };
    let record = update(db, plans, id_of(&id)?, change, By::CommandLine).await?;
    tell(&format!("Changed the key {}.\n{}", record.id, lines_of(&record)));
    Ok(())
}

/// Revokes those that there are, and says of each other one that there is none.
async fn revoke_keys(db: &Db, ids: &[String]) -> Result<(), CliError> {
    let mut failed = None;
    for id in ids {
        let revoked = async { revoke(db, id_of(id)?, By::CommandLine).await };
        match revoked.await {
            Ok(record) => tell(&format!("Revoked the key {} ({}).", record.id, record.name)),
            Err(error @ KeyError::Missing(_)) if failed.is_none() => failed = Some(error),
            Err(error @ KeyError::Missing(_)) => tell(&error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn id_of(text: &str) -> Result<KeyId, KeyError> {
    KeyId::parse(text).ok_or_else(|| KeyError::missing(text))
}

fn lines_of(key: &KeyRecord) -> String {
    format!(
        "  name    {}\n  plan    {}\n  scopes  {}\n  budget  {}\n  expires {}",
        key.name,
        key.plan,
        key.scopes,
        budget_text(key.budget),
        key.expires_at.map_or_else(|| "never".to_owned(), |end| end.to_string()),
    )
}

fn budget_text(budget: Option<Budget>) -> String {
    let Some(Budget { micro_usd, period }) = budget else { return "none".to_owned() };
    let (dollars, rest) = (micro_usd / 1_000_000, micro_usd % 1_000_000);
    let decimals = format!("{rest:06}");
    let decimals = match decimals.trim_end_matches('0') {
        decimals if decimals.len() < 2 => format!("{decimals:0<2}"),
        decimals => decimals.to_owned(),
    };
    let per = match period {
        Period::Day => " per day",
        Period::Month => " per month",
        Period::Total => " in total",
    };
    format!("${dollars}.{decimals}{per}")
}

fn rows(keys: &[KeyRecord], now: Timestamp) -> Vec<Vec<String>> {
    let head = ["ID", "NAME", "STATUS", "PLAN", "SCOPES", "BUDGET", "CREATED", "EXPIRES"];
    let rows = keys.iter().map(|key| {
        let day = |moment: Timestamp| moment.to_string().chars().take(10).collect::<String>();
        vec![
            key.id.to_string(),
            key.name.clone(),
            key.status(now).as_str().to_owned(),
            key.plan.clone(),
            key.scopes.to_string(),
            budget_text(key.budget),
            day(key.created_at),
            key.expires_at.map_or_else(|| "never".to_owned(), day),
        ]
    });
    std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_written_as_money() {
        let text = |micro_usd| budget_text(Some(Budget { micro_usd, period: Period::Day }));
        assert_eq!(text(5_000_000), "$5.00 per day");
        assert_eq!(text(250_000), "$0.25 per day");
        assert_eq!(text(1), "$0.000001 per day");
        assert_eq!(budget_text(None), "none");
    }
}

//! `alula usage`.

use alula::HttpError;
use clap::{Args, ValueEnum};

use super::{CliError, say, table};
use crate::{
    config::Config,
    db::{
        Db,
        usage::{Filter, Group, Status},
    },
    services::usage::{
        csv,
        report::{self, UsageLine, Wanted},
    },
    time::Timestamp,
};

/// Lines that are read at a time.
const LINES: u32 = 10_000;

pub(super) const EXAMPLES: &str = "\
Days and times are in UTC. It reads the database of DATABASE_URL; the server need not run.
Calls of which nobody knows the cost are counted apart, and are in no cost.

Examples:
  alula usage                              the last 30 days, day by day
  alula usage --by key,model --from 2026-11-01 --to 2026-11-30
  alula usage --by day,key --csv > usage.csv";

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// What to add up by, with commas between: day, key, model, provider, operation, status.
    #[arg(long, value_name = "GROUPS", default_value = "day")]
    by: String,
    /// The first day, as 2026-11-01, or a time, as 2026-11-01T12:00:00Z; 30 days ago if absent.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day, or the time at which to end; now if absent.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Only calls of the key with this id; empty for calls without one.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only calls of this model, in the words of its provider.
    #[arg(long)]
    model: Option<String>,
    /// Only calls that this provider answered; empty for calls that reached none.
    #[arg(long)]
    provider: Option<String>,
    /// Only calls that ended like this.
    #[arg(long)]
    status: Option<StatusArg>,
    /// Print CSV, with all columns.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print a JSON object in each line.
    #[arg(long)]
    json: bool,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusArg {
    Answered,
    Failed,
    Abandoned,
}

pub(super) async fn usage(arguments: UsageArgs) -> Result<(), CliError> {
    let config = Config::from_env()?;
    let UsageArgs { by, from, to, key, model, provider, status, csv, json } = arguments;
    let status = status.map(|status| match status {
        StatusArg::Answered => Status::Answered,
        StatusArg::Failed => Status::Failed,
        StatusArg::Abandoned => Status::Abandoned,
    });
    let groups = report::groups(&by).map_err(CliError::Usage)?;
    let wanted = Wanted { from, to, key, model, provider, status };
    let filter = wanted.filter(Timestamp::now()).map_err(CliError::Usage)?;
    let db = Db::open(&config.database).await?;
    let lines = read(&db, &groups, &filter).await.map_err(CliError::Report)?;
    if csv {
        let rows: String = lines.iter().map(csv::row).collect();
        // Without the line end, which is printed behind it.
        say((csv::head(&UsageLine::empty(&groups)) + &rows).trim_end());
    } else if json {
        lines.iter().for_each(|line| say(&serde_json::json!(line).to_string()));
    } else {
        let total = report::total(&db, &filter).await.map_err(CliError::Report)?;
        let total = UsageLine { sums: total, ..UsageLine::default() };
        say(&lines_of(&groups, &lines, &total));
    }
    db.close().await;
    Ok(())
}

async fn read(db: &Db, groups: &[Group], filter: &Filter) -> Result<Vec<UsageLine>, HttpError> {
    let (mut lines, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let part = report::lines(db, groups, filter, cursor.as_deref(), LINES).await?;
        lines.extend(part.items);
        cursor = part.next;
        if cursor.is_none() {
            return Ok(lines);
        }
    }
}

/// The columns that most people look for, and the total in the last line.
fn lines_of(groups: &[Group], lines: &[UsageLine], total: &UsageLine) -> String {
    let names = groups
        .iter()
        .map(|group| group.as_str())
        .chain(["calls", "failed", "unpriced", "input", "output", "usd"]);
    let mut rows: Vec<Vec<String>> = vec![names.map(str::to_owned).collect()];
    rows.extend(lines.iter().map(|line| cells(groups, line)));
    let mut last = cells(groups, total);
    if let Some(first) = last.first_mut() {
        "total".clone_into(first);
    }
    rows.push(last);
    table::with_numbers(&rows, groups.len())
}

fn cells(groups: &[Group], line: &UsageLine) -> Vec<String> {
    let group = |group: &Group| match group {
        Group::Day => line.day.clone(),
        // People know the name, if the key has one.
        Group::Key => line.key_name.clone().filter(|name| !name.is_empty()).or(line.key.clone()),
        Group::Model => line.model.clone(),
        Group::Provider => line.provider.clone(),
        Group::Operation => line.operation.clone(),
        Group::Status => line.status.clone(),
    };
    let sums = &line.sums;
    let mut cells: Vec<String> = groups.iter().map(|it| group(it).unwrap_or_default()).collect();
    let numbers = [
        sums.calls,
        sums.failed_calls,
        sums.calls_without_cost,
        sums.input_tokens,
        sums.output_tokens,
    ];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.push(sums.cost_usd.clone().unwrap_or_else(|| "?".to_owned()));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::usage::report::UsageSums;

    #[test]
    fn a_table_has_its_numbers_under_each_other() {
        let line = |model: &str, calls| UsageLine {
            model: Some(model.to_owned()),
            sums: UsageSums { calls, ..UsageSums::default() },
            ..UsageLine::default()
        };
        let lines = [line("gpt\u{1b}[2J", 5), line("m", 1_000)];
        let total = UsageLine { sums: UsageSums::default(), ..UsageLine::default() };
        assert_eq!(
            lines_of(&[Group::Model], &lines, &total),
            "model    calls  failed  unpriced  input  output  usd\n\
             gpt\u{fffd}[2J      5       0         0      0       0    ?\n\
             m         1000       0         0      0       0    ?\n\
             total        0       0         0      0       0    ?"
        );
    }
}

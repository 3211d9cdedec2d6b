//! What was found.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;

/// How it stands with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// The server works, though perhaps not as is meant.
    Warn,
    /// The server does not work, or not all of it.
    Fail,
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    status: Status,
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn ok(&mut self, name: impl Into<String>, message: impl Into<String>) {
        self.add(name.into(), Status::Ok, message.into(), None);
    }

    pub(super) fn warn(
        &mut self,
        name: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(name.into(), Status::Warn, message.into(), Some(advice.into()));
    }

    pub(super) fn fail(
        &mut self,
        name: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(name.into(), Status::Fail, message.into(), Some(advice.into()));
    }

    fn add(&mut self, name: String, status: Status, message: String, advice: Option<String>) {
        self.checks.push(Check { name, status, message, advice });
    }

    /// How many checks failed.
    pub(crate) fn failures(&self) -> usize {
        self.count(Status::Fail)
    }

    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        let worst = self.checks.iter().map(|check| check.status).max();
        serde_json::json!({ "status": worst.unwrap_or(Status::Ok), "checks": self.checks })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        for Check { name, status, message, advice } in &self.checks {
            writeln!(f, "{status:<4}  {name:<width$}  {message}")?;
            if let Some(advice) = advice {
                writeln!(f, "{:<4}  {:<width$}  -> {advice}", "", "")?;
            }
        }
        let mut sum = String::new();
        for (status, what) in
            [(Status::Ok, "ok"), (Status::Warn, "warnings"), (Status::Fail, "failed")]
        {
            let comma = if sum.is_empty() { "" } else { ", " };
            write!(sum, "{comma}{} {what}", self.count(status))?;
        }
        f.write_str(&sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_table_with_what_to_do() {
        let mut report = Report::default();
        report.ok("clock", "it is right");
        report.fail("database", "it does not answer", "start it");
        let table = "ok    clock     it is right\n\
                     FAIL  database  it does not answer\n\
                     \x20               -> start it\n\
                     1 ok, 0 warnings, 1 failed";
        assert_eq!(report.to_string(), table);
        assert_eq!(report.to_json()["status"], "fail");
    }
}

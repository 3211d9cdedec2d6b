//! Making, changing and revoking keys. Each change is a line in the log, of the target
//! `alula::audit`.

use std::fmt;

use alula::{ApiError, HttpError, Operation, Secret};

use super::{KeyChange, KeyId, KeyRecord, KeyWish, NewKey, Plans, secret::NoRandomness};
use crate::{
    db::{Db, DbError, KeyFound},
    time::Timestamp,
};

const NAME_LETTERS_MAX: usize = 100;

/// Who changes a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'a> {
    CommandLine,
    /// Whoever is on this machine, as long as there are no keys.
    ThisMachine,
    Key(&'a str),
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("the command line"),
            Self::ThisMachine => f.write_str("this machine"),
            Self::Key(id) => f.write_str(id),
        }
    }
}

/// Why a key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("there is no plan {name:?}, but there are {known}")]
    Plan { name: String, known: String },
    #[error("a name has 1 to {NAME_LETTERS_MAX} letters, none of them a control character")]
    Name,
    #[error("a key without a scope opens nothing")]
    NoScope,
    #[error("the end of the key is not in the future")]
    Expired,
    #[error("nothing is to be changed")]
    Nothing,
    #[error("there is no key {0:?}")]
    Missing(String),
    #[error("the key {0} is revoked, which is for good")]
    Revoked(KeyId),
    #[error(transparent)]
    Random(#[from] NoRandomness),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl KeyError {
    pub(crate) fn missing(id: impl fmt::Display) -> Self {
        Self::Missing(id.to_string())
    }
}

impl ApiError for KeyError {
    fn into_http(self) -> HttpError {
        let status = match self {
            Self::Plan { .. } | Self::Name | Self::NoScope | Self::Expired | Self::Nothing => 422,
            Self::Missing(_) => 404,
            Self::Revoked(_) => 409,
            Self::Random(_) => 500,
            Self::Db(error) => return error.into_http(),
        };
        HttpError::new(status, self.to_string())
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.error(&Self::Nothing.into_http(), "It asks for a key that cannot be.");
    }
}

/// Makes a key. Its text is not to be had again.
pub(crate) async fn create(
    db: &Db,
    plans: &Plans,
    wish: KeyWish,
    by: By<'_>,
) -> Result<(KeyRecord, Secret<String>), KeyError> {
    let created_at = Timestamp::now();
    let KeyWish { name, plan, scopes, budget, expires_at } = wish;
    let checked = KeyChange {
        name: Some(name.clone()),
        plan: Some(plan.clone()),
        scopes: Some(scopes),
        budget: Some(budget),
        expires_at: Some(expires_at),
    };
    check(&checked, plans, created_at)?;
    let key = NewKey::generate()?;
    let record = KeyRecord {
        id: key.id,
        name,
        plan,
        scopes,
        budget,
        created_at,
        expires_at,
        revoked_at: None,
    };
    db.add_key(&key, &record).await?;
    note("created", &record, by);
    Ok((record, key.text))
}

/// Changes a key.
pub(crate) async fn update(
    db: &Db,
    plans: &Plans,
    id: KeyId,
    change: KeyChange,
    by: By<'_>,
) -> Result<KeyRecord, KeyError> {
    if change.is_empty() {
        return Err(KeyError::Nothing);
    }
    check(&change, plans, Timestamp::now())?;
    match db.change_key(id, change).await? {
        KeyFound::Changed(record) => {
            note("changed", &record, by);
            Ok(record)
        }
        KeyFound::Revoked(_) => Err(KeyError::Revoked(id)),
        KeyFound::Missing => Err(KeyError::missing(id)),
    }
}

/// Revokes a key; one that is revoked stays so.
pub(crate) async fn revoke(db: &Db, id: KeyId, by: By<'_>) -> Result<KeyRecord, KeyError> {
    match db.revoke_key(id).await? {
        KeyFound::Changed(record) => {
            note("revoked", &record, by);
            Ok(record)
        }
        KeyFound::Revoked(record) => Ok(record),
        KeyFound::Missing => Err(KeyError::missing(id)),
    }
}

fn check(change: &KeyChange, plans: &Plans, now: Timestamp) -> Result<(), KeyError> {
    if let Some(name) = &change.name {
        let letters = name.chars().count();
        if letters == 0 || letters > NAME_LETTERS_MAX || name.chars().any(char::is_control) {
            return Err(KeyError::Name);
        }
    }
    if let Some(name) = change.plan.as_ref().filter(|name| plans.get(name).is_none()) {
        let known = plans.names().collect::<Vec<_>>().join(", ");
        return Err(KeyError::Plan { name: name.clone(), known });
    }
    if change.scopes.is_some_and(|scopes| scopes.is_empty()) {
        return Err(KeyError::NoScope);
    }
    match change.expires_at.flatten() {
        Some(end) if end <= now => Err(KeyError::Expired),
        _ => Ok(()),
    }
}

fn note(what: &str, key: &KeyRecord, by: By<'_>) {
    let KeyRecord { id, name, plan, scopes, budget, expires_at, .. } = key;
    let budget = budget.map(|budget| format!("{} per {}", budget.micro_usd, budget.period));
    tracing::info!(
        target: "alula::audit",
        key = %id,
        %by,
        name,
        plan,
        %scopes,
        budget_micro_usd = budget,
        expires_at = expires_at.map(tracing::field::display),
        "a key was {what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let plans = Plans::default();
        let refused = |change: KeyChange| {
            check(&change, &plans, Timestamp::from_millis(10)).map_err(|it| it.to_string())
        };
        let none = KeyChange::default;
        assert!(refused(none()).is_ok());
        let wrong_plan = KeyChange { plan: Some("gold".to_owned()), ..none() };
        let error = "there is no plan \"gold\", but there are free, pro, unlimited";
        assert_eq!(refused(wrong_plan), Err(error.to_owned()));
        for name in ["", "a\nb", &"a".repeat(101)] {
            assert!(
                refused(KeyChange { name: Some(name.to_owned()), ..none() }).is_err(),
                "{name}"
            );
        }
        assert!(refused(KeyChange { scopes: Some("".parse().unwrap()), ..none() }).is_err());
        assert!(
            refused(KeyChange { expires_at: Some(Some(Timestamp::from_millis(10))), ..none() })
                .is_err()
        );
        assert!(
            refused(KeyChange { expires_at: Some(Some(Timestamp::from_millis(11))), ..none() })
                .is_ok()
        );
        assert!(refused(KeyChange { expires_at: Some(None), ..none() }).is_ok());
    }
}

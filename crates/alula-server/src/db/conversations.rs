//! Conversations and their messages.

use super::{Db, DbError, reading, writing};
use crate::time::Timestamp;

/// A conversation, without its messages.
#[derive(Debug, Clone)]
pub(crate) struct ConversationRow {
    pub(crate) id: String,
    pub(crate) title: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) system_prompt: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// How many messages it has.
    pub(crate) messages: i64,
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MessageRow {
    /// From 1.
    pub(crate) position: i64,
    pub(crate) role: String,
    pub(crate) content: String,
    pub(crate) model: Option<String>,
    pub(crate) is_partial: bool,
    pub(crate) created_at: Timestamp,
    /// That of its turn.
    pub(crate) origin: Option<String>,
}

/// What is added to a conversation at once.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// What has asked for it, if that may ask again: the turn takes the place of its earlier one.
    pub(crate) origin: Option<String>,
    pub(crate) question: String,
    pub(crate) answer: String,
    /// Nothing if it is not known.
    pub(crate) model: Option<String>,
    pub(crate) is_partial: bool,
}

type Row = (String, Option<String>, Option<String>, Option<String>, i64, i64, i64);

impl From<Row> for ConversationRow {
    fn from((id, title, model, system_prompt, created, updated, messages): Row) -> Self {
        Self {
            id,
            title,
            model,
            system_prompt,
            created_at: Timestamp::from_millis(created),
            updated_at: Timestamp::from_millis(updated),
            messages,
        }
    }
}

/// The columns of [`Row`]. Positions have no gaps, so the last one is the count.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, title, model, system_prompt, created_at, updated_at, \
             COALESCE((SELECT MAX(position) FROM conversation_messages WHERE conversation = id), 0) \
             FROM conversations ",
            $rest
        )
    };
}

impl Db {
    pub(crate) async fn add_conversation(
        &self,
        owner: &str,
        conversation: &ConversationRow,
    ) -> Result<(), DbError> {
        let ConversationRow { id, title, model, system_prompt, created_at, .. } = conversation;
        let sql = "INSERT INTO conversations \
                   (id, owner, title, model, system_prompt, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $6)";
        writing!(self, |tx| {
            let query = sqlx::query(sql).bind(id).bind(owner).bind(title).bind(model);
            let query = query.bind(system_prompt).bind(created_at.as_millis());
            query.execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Of this owner, if it is one of his.
    pub(crate) async fn conversation(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<Option<ConversationRow>, DbError> {
        let sql = select!("WHERE owner = $1 AND id = $2");
        let row: Option<Row> = reading!(self, |pool| {
            sqlx::query_as(sql).bind(owner).bind(id).fetch_optional(pool).await?
        });
        Ok(row.map(Into::into))
    }

    /// The owner's, newest first, from the one that was made before `before`.
    pub(crate) async fn conversations(
        &self,
        owner: &str,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<ConversationRow>, DbError> {
        let sql = select!("WHERE owner = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3");
        let rows: Vec<Row> = reading!(self, |pool| {
            sqlx::query_as(sql).bind(owner).bind(before).bind(limit).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Removes a conversation with its messages. Whether it was there.
    pub(crate) async fn remove_conversation(&self, owner: &str, id: &str) -> Result<bool, DbError> {
        let sql = "DELETE FROM conversations WHERE owner = $1 AND id = $2";
        let removed = writing!(self, |tx| {
            sqlx::query(sql).bind(owner).bind(id).execute(&mut *tx).await?.rows_affected()
        });
        Ok(removed > 0)
    }

    /// The messages before a position, oldest first: the last `limit` of them, and of those no more
    /// than have so many characters, but for one.
    pub(crate) async fn messages(
        &self,
        conversation: &str,
        before: i64,
        limit: i64,
        chars_max: i64,
    ) -> Result<Vec<MessageRow>, DbError> {
        let sql = "SELECT position, role, content, model, partial, created_at, origin FROM ( \
                     SELECT conversation_messages.*, \
                       SUM(LENGTH(content)) OVER (ORDER BY position DESC) - LENGTH(content) AS later \
                     FROM conversation_messages WHERE conversation = $1 AND position < $2 \
                   ) AS counted WHERE later < $4 ORDER BY position DESC LIMIT $3";
        type Message = (i64, String, String, Option<String>, i64, i64, Option<String>);
        let rows: Vec<Message> = reading!(self, |pool| {
            let query = sqlx::query_as(sql).bind(conversation).bind(before).bind(limit);
            query.bind(chars_max).fetch_all(pool).await?
        });
        let message = |(position, role, content, model, partial, created, origin): Message| {
            let (is_partial, created_at) = (partial != 0, Timestamp::from_millis(created));
            MessageRow { position, role, content, model, is_partial, created_at, origin }
        };
        Ok(rows.into_iter().rev().map(message).collect())
    }

    /// Adds a question and its answer, both or neither; in the place of those of the same origin, if
    /// there are some. Whether the conversation is still there.
    pub(crate) async fn add_turn(&self, conversation: &str, turn: &Turn) -> Result<bool, DbError> {
        let now = Timestamp::now().as_millis();
        // Whoever adds to a conversation holds its row, so positions are given out one by one.
        let touch = "UPDATE conversations SET updated_at = $2 WHERE id = $1";
        let last = "SELECT COALESCE(MAX(position), 0) FROM conversation_messages \
                    WHERE conversation = $1";
        let earlier = "SELECT MIN(position) - 1 FROM conversation_messages \
                       WHERE conversation = $1 AND origin = $2";
        let add = "INSERT INTO conversation_messages \
                   (conversation, position, role, content, model, partial, created_at, origin) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                   ON CONFLICT (conversation, position) DO UPDATE SET content = excluded.content, \
                   model = excluded.model, partial = excluded.partial, \
                   created_at = excluded.created_at";
        let messages = [
            ("user", &turn.question, None, false),
            ("assistant", &turn.answer, turn.model.as_ref(), turn.is_partial),
        ];
        let is_there = writing!(self, |tx| {
            let touched = sqlx::query(touch).bind(conversation).bind(now).execute(&mut *tx).await?;
            let is_there = touched.rows_affected() > 0;
            if is_there {
                let earlier = sqlx::query_as(earlier).bind(conversation).bind(&turn.origin);
                let (last,) = match earlier.fetch_one(&mut *tx).await? {
                    (Some(before),) => (before,),
                    (None,) => sqlx::query_as(last).bind(conversation).fetch_one(&mut *tx).await?,
                };
                let last: i64 = last;
                for (position, (role, content, model, is_partial)) in (last + 1..).zip(messages) {
                    let query = sqlx::query(add).bind(conversation).bind(position).bind(role);
                    let query = query.bind(content).bind(model).bind(i64::from(is_partial));
                    query.bind(now).bind(&turn.origin).execute(&mut *tx).await?;
                }
            }
            is_there
        });
        Ok(is_there)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::try_join_all;

    use super::*;
    use crate::db::testing::on_each;

    fn row(id: &str) -> ConversationRow {
        ConversationRow {
            id: id.to_owned(),
            title: Some("Birds".to_owned()),
            model: None,
            system_prompt: None,
            created_at: Timestamp::from_millis(5),
            updated_at: Timestamp::from_millis(5),
            messages: 0,
        }
    }

    fn turn(question: &str) -> Turn {
        let model = Some("m".to_owned());
        let (question, answer) = (question.to_owned(), "a".to_owned());
        Turn { origin: None, question, answer, model, is_partial: true }
    }

    #[tokio::test]
    async fn a_conversation_belongs_to_its_owner() {
        on_each(async |db| {
            db.add_conversation("ada", &row("c1")).await?;
            assert!(db.conversation("bob", "c1").await?.is_none());
            assert!(!db.remove_conversation("bob", "c1").await?);
            assert!(db.conversations("bob", None, 9).await?.is_empty());
            assert_eq!(db.conversation("ada", "c1").await?.unwrap().messages, 0);
            assert!(db.remove_conversation("ada", "c1").await?);
            assert!(db.conversation("ada", "c1").await?.is_none());
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn pages_go_from_the_newest_to_the_oldest() {
        on_each(async |db| {
            for id in ["c1", "c2", "c3"] {
                db.add_conversation("", &row(id)).await?;
            }
            let ids = async |before| -> Result<Vec<String>, DbError> {
                let rows = db.conversations("", before, 2).await?;
                Ok(rows.into_iter().map(|row| row.id).collect())
            };
            assert_eq!(ids(None).await?, ["c3", "c2"]);
            assert_eq!(ids(Some("c2")).await?, ["c1"]);
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_turn_takes_the_place_of_an_earlier_one_of_its_origin() {
        on_each(async |db| {
            let of = |origin: &str, answer: &str| Turn {
                origin: Some(origin.to_owned()),
                answer: answer.to_owned(),
                ..turn("q")
            };
            for id in ["c1", "c2"] {
                db.add_conversation("", &row(id)).await?;
                for turn in [turn("q"), of("j1", "first"), of("j2", "other"), of("j1", "second")] {
                    assert!(db.add_turn(id, &turn).await?);
                }
            }
            let messages = db.messages("c1", i64::MAX, 100, 1_000).await?;
            let texts: Vec<_> = messages.iter().map(|message| &*message.content).collect();
            assert_eq!(texts, ["q", "a", "q", "second", "q", "other"]);
            assert_eq!(messages.last().and_then(|it| it.origin.as_deref()), Some("j2"));
            Ok(())
        })
        .await;
    }

    #[tokio::test]
    async fn turns_that_are_added_at_once_stay_together() {
        on_each(async |db| {
            db.add_conversation("", &row("c1")).await?;
            let questions: Vec<_> = (0..8).map(|number| turn(&number.to_string())).collect();
            let added = try_join_all(questions.iter().map(|turn| db.add_turn("c1", turn))).await?;
            assert_eq!(added, [true; 8]);
            assert!(!db.add_turn("gone", &turn("q")).await?);
            let messages = db.messages("c1", i64::MAX, 100, 1_000).await?;
            let positions: Vec<_> = messages.iter().map(|message| message.position).collect();
            assert_eq!(positions, (1..=16).collect::<Vec<_>>());
            assert!(messages.chunks(2).all(|turn| turn[0].role == "user" && turn[1].is_partial));
            let middle = db.messages("c1", 5, 2, 1_000).await?;
            assert_eq!(middle, messages[2..4]);
            // Each has a character.
            let few = db.messages("c1", i64::MAX, 100, 3).await?;
            assert_eq!(few, messages[13..]);
            Ok(())
        })
        .await;
    }
}

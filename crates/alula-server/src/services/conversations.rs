//! Conversations with stored history.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alula::{ApiError, HttpError};
use alula_llm::{ChatRequest, Message, model::Role};
use uuid::Uuid;

use crate::{
    db::{ConversationRow, Db, DbError, MessageRow, Turn},
    time::Timestamp,
};

/// How many messages of the history are looked at: more do not fit into any model.
const HISTORY_MESSAGES_MAX: i64 = 2_000;
/// How many characters a token has at most, but for runs of blanks.
const CHARS_PER_TOKEN: i64 = 8;
/// How many characters of messages are shown at once.
const SHOWN_CHARS_MAX: i64 = 4_000_000;
/// What is set aside for an answer without a limit, in tokens.
const ANSWER_TOKENS: u64 = 4_096;

/// All conversations. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Conversations {
    db: Db,
    /// The most tokens of a request with its history and its answer.
    tokens_max: u64,
}

/// What a conversation is made of.
#[derive(Debug, Default)]
pub(crate) struct NewConversation {
    pub(crate) title: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) system_prompt: Option<String>,
}

impl Conversations {
    pub(crate) fn new(db: Db, tokens_max: u64) -> Self {
        Self { db, tokens_max }
    }

    pub(crate) async fn create(
        &self,
        owner: &str,
        new: NewConversation,
    ) -> Result<ConversationRow, DbError> {
        let now = Timestamp::now();
        let row = ConversationRow {
            // The time comes first, so that ids sort; the rest cannot be guessed.
            id: format!("conv_{}", Uuid::now_v7().simple()),
            title: new.title.map(storable),
            model: new.model.map(storable),
            system_prompt: new.system_prompt.map(storable),
            created_at: now,
            updated_at: now,
            messages: 0,
        };
        self.db.add_conversation(owner, &row).await?;
        Ok(row)
    }

    /// The owner's, newest first.
    pub(crate) async fn list(
        &self,
        owner: &str,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<ConversationRow>, DbError> {
        // What is no id comes before all of them.
        let before = before.map(|id| if is_id(id) { id } else { "" });
        self.db.conversations(owner, before, limit).await
    }

    /// One of the owner's.
    ///
    /// # Errors
    ///
    /// 404 for one of somebody else, as for one that is not there.
    pub(crate) async fn get(&self, owner: &str, id: &str) -> Result<ConversationRow, HttpError> {
        if !is_id(id) {
            return Err(not_found(id));
        }
        let found = self.db.conversation(owner, id).await.map_err(ApiError::into_http)?;
        found.ok_or_else(|| not_found(id))
    }

    /// The last messages before a position, oldest first.
    pub(crate) async fn messages(
        &self,
        id: &str,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<MessageRow>, DbError> {
        self.db.messages(id, before.unwrap_or(i64::MAX), limit, SHOWN_CHARS_MAX).await
    }

    /// Removes a conversation with its messages.
    ///
    /// # Errors
    ///
    /// 404 if it is not the owner's.
    pub(crate) async fn remove(&self, owner: &str, id: &str) -> Result<(), HttpError> {
        if !is_id(id) {
            return Err(not_found(id));
        }
        match self.db.remove_conversation(owner, id).await.map_err(ApiError::into_http)? {
            true => Ok(()),
            false => Err(not_found(id)),
        }
    }

    /// Takes a conversation up where it stands, but for what was said by the same origin before.
    ///
    /// # Errors
    ///
    /// 404 if it is not the owner's.
    pub(crate) async fn resume(
        &self,
        owner: &str,
        id: &str,
        origin: Option<&str>,
    ) -> Result<Resumed, HttpError> {
        let mut conversation = self.get(owner, id).await?;
        let tokens_max = i64::try_from(self.tokens_max).unwrap_or(i64::MAX);
        let chars_max = tokens_max.saturating_mul(CHARS_PER_TOKEN);
        let history = self.db.messages(id, i64::MAX, HISTORY_MESSAGES_MAX, chars_max).await;
        let mut history = history.map_err(ApiError::into_http)?;
        if origin.is_some() {
            let read = history.len();
            history.retain(|message| message.origin.as_deref() != origin);
            let own = i64::try_from(read - history.len()).unwrap_or_default();
            conversation.messages -= own;
        }
        Ok(Resumed {
            db: self.db.clone(),
            tokens_max: self.tokens_max,
            conversation,
            history,
            origin: origin.map(str::to_owned),
        })
    }
}

/// Whether it looks like an id that was made here.
fn is_id(text: &str) -> bool {
    let hex = text.strip_prefix("conv_").unwrap_or_default();
    !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Postgres keeps no NUL.
fn storable(text: String) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text,
    }
}

fn not_found(id: &str) -> HttpError {
    HttpError::new(404, format!("there is no conversation {id:?}"))
}

/// A conversation that is about to go on.
#[derive(Debug)]
pub(crate) struct Resumed {
    db: Db,
    tokens_max: u64,
    pub(crate) conversation: ConversationRow,
    history: Vec<MessageRow>,
    origin: Option<String>,
}

impl Resumed {
    /// What was said last before this.
    pub(crate) fn last_question(&self) -> Option<&str> {
        let mut questions = self.history.iter().rev().filter(|row| row.role == "user");
        questions.next().map(|row| row.content.as_str())
    }

    /// Puts the history before the question of a request, as much of it as fits into a model that
    /// reads so many tokens: the oldest turns are left out first, and always whole.
    pub(crate) fn recall(
        self,
        request: &mut ChatRequest,
        question: String,
        reads: Option<u64>,
    ) -> Recording {
        let answer = request.max_tokens.unwrap_or(ANSWER_TOKENS);
        let window = reads.map_or(self.tokens_max, |reads| reads.min(self.tokens_max));
        let mut room = window.saturating_sub(answer).saturating_sub(request.estimate_tokens());
        let mut kept = self.history.len();
        for turn in self.history.rchunks(2) {
            let size = turn.iter().map(|message| tokens(&request.model, message)).sum();
            let Some(left) = room.checked_sub(size) else { break };
            room = left;
            kept -= turn.len();
        }
        // The oldest of a long conversation have not even been read.
        let messages = usize::try_from(self.conversation.messages).unwrap_or_default();
        let unread = messages.saturating_sub(self.history.len());
        let instructions =
            request.messages.iter().take_while(|message| message.role == Role::System).count();
        // An answer without text, such as one that thought for too long, is nothing to a provider.
        let recalled = self.history.iter().skip(kept).filter(|row| !row.content.is_empty());
        let recalled = recalled.map(message);
        drop(request.messages.splice(instructions..instructions, recalled));
        Recording(Arc::new(Recorder {
            db: self.db,
            id: self.conversation.id,
            left_out: unread.saturating_add(kept),
            turn: Mutex::new(Some(Turn {
                origin: self.origin,
                question: storable(question),
                answer: String::new(),
                model: None,
                is_partial: true,
            })),
        }))
    }
}

fn message(row: &MessageRow) -> Message {
    match row.role.as_str() {
        "assistant" => Message::assistant(&*row.content),
        _ => Message::user(&*row.content),
    }
}

/// About how many tokens a message has.
fn tokens(model: &str, row: &MessageRow) -> u64 {
    ChatRequest::new(model).message(message(row)).estimate_tokens()
}

/// A turn that is being taken, to be kept once. Clones are the same turn.
#[derive(Debug, Clone)]
pub(crate) struct Recording(Arc<Recorder>);

#[derive(Debug)]
struct Recorder {
    db: Db,
    id: String,
    left_out: usize,
    /// Nothing once it is kept.
    turn: Mutex<Option<Turn>>,
}

impl Recording {
    /// The conversation.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// How many messages of the history the model did not get, as they did not fit.
    pub(crate) fn left_out(&self) -> usize {
        self.0.left_out
    }

    /// The answer goes on with this.
    pub(crate) fn push(&self, text: &str) {
        if let Some(turn) = &mut *self.turn() {
            turn.answer.push_str(text);
        }
    }

    /// The answer comes from this model.
    pub(crate) fn answered_by(&self, model: &str) {
        if let Some(turn) = self.turn().as_mut().filter(|_| !model.is_empty()) {
            turn.model = Some(storable(model.to_owned()));
        }
    }

    /// Keeps the turn with its whole answer. Returns whether it is kept: an answer that has been
    /// paid for is not lost to its reader because it cannot be.
    pub(crate) async fn keep(&self) -> bool {
        if let Some(turn) = &mut *self.turn() {
            turn.is_partial = false;
        }
        self.add().await
    }

    /// Keeps what there is of an answer that broke off, unless the turn is kept already.
    pub(crate) async fn keep_part(&self) {
        let is_empty = self.turn().as_ref().is_none_or(|turn| turn.answer.is_empty());
        if !is_empty {
            self.add().await;
        }
    }

    /// Whoever waits for it may leave meanwhile: then the turn is still to be kept.
    async fn add(&self) -> bool {
        let Some(mut turn) = self.turn().clone() else { return true };
        turn.answer = storable(turn.answer);
        match self.0.db.add_turn(self.id(), &turn).await {
            Ok(is_there) => {
                *self.turn() = None;
                is_there
            }
            Err(error) => {
                tracing::error!(%error, conversation = self.id(), "a turn could not be kept");
                false
            }
        }
    }

    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::DatabaseUrl;

    async fn recalled(turns: usize, tokens_max: u64) -> (ChatRequest, Recording) {
        let db = Db::open(&DatabaseUrl::Memory).await.unwrap();
        let conversations = Conversations::new(db, tokens_max);
        let id = conversations.create("ada", NewConversation::default()).await.unwrap().id;
        for number in 0..turns {
            let turn = Turn {
                origin: None,
                question: format!("question {number}"),
                answer: "feather ".repeat(100),
                model: Some("m".to_owned()),
                is_partial: false,
            };
            assert!(conversations.db.add_turn(&id, &turn).await.unwrap());
        }
        let mut request = ChatRequest::new("m").system("be brief").user("and now?");
        let resumed = conversations.resume("ada", &id, None).await.unwrap();
        let recording = resumed.recall(&mut request, "and now?".to_owned(), None);
        (request, recording)
    }

    fn texts(request: &ChatRequest) -> Vec<String> {
        request.messages.iter().map(Message::text).collect()
    }

    #[tokio::test]
    async fn the_history_comes_between_the_instructions_and_the_question() {
        let (request, recording) = recalled(2, 100_000).await;
        let texts = texts(&request);
        assert_eq!((texts.len(), recording.left_out()), (6, 0));
        assert_eq!([&*texts[0], &*texts[1], &*texts[5]], ["be brief", "question 0", "and now?"]);
    }

    #[tokio::test]
    async fn who_asks_again_does_not_hear_of_the_first_time() {
        let (_, recording) = recalled(2, 100_000).await;
        let conversations = Conversations::new(recording.0.db.clone(), 100_000);
        for answer in ["once", "twice"] {
            let resumed = conversations.resume("ada", recording.id(), Some("job_1")).await.unwrap();
            let mut request = ChatRequest::new("m").user("and now?");
            let recording = resumed.recall(&mut request, "and now?".to_owned(), None);
            assert_eq!((texts(&request).len(), recording.left_out()), (5, 0));
            recording.push(answer);
            assert!(recording.keep().await);
        }
        let kept = recording.0.db.messages(recording.id(), i64::MAX, 99, 100_000).await.unwrap();
        assert_eq!((kept.len(), &*kept[5].content), (6, "twice"));
    }

    #[tokio::test]
    async fn the_oldest_turns_are_left_out_whole() {
        let (request, recording) = recalled(20, ANSWER_TOKENS + 1_000).await;
        let texts = texts(&request);
        let kept = 40 - recording.left_out();
        assert!((2..40).contains(&kept) && kept % 2 == 0, "{kept}");
        assert_eq!(texts.len(), kept + 2);
        assert_eq!(texts[1], format!("question {}", 20 - kept / 2));
        assert!(request.estimate_tokens() <= 1_000);
    }

    #[tokio::test]
    async fn without_room_there_is_the_question_alone() {
        let (request, recording) = recalled(3, 10).await;
        assert_eq!((texts(&request).len(), recording.left_out()), (2, 6));
    }

    #[test]
    fn what_no_database_can_keep_is_replaced_or_no_id() {
        assert_eq!(storable("a\0b".to_owned()), "a\u{fffd}b");
        for id in ["", "conv_", "conv_\0", "conv_a'b", "other"] {
            assert!(!is_id(id), "{id:?}");
        }
        assert!(is_id("conv_019abc"));
    }

    #[tokio::test]
    async fn a_turn_is_kept_once_and_a_part_of_it_only_if_it_broke_off() {
        let (_, recording) = recalled(0, 1_000).await;
        recording.push("half an ");
        recording.push("answer");
        recording.keep_part().await;
        recording.keep_part().await;
        assert!(recording.keep().await);
        let kept = recording.0.db.messages(recording.id(), i64::MAX, 9, 1_000).await.unwrap();
        assert_eq!(
            (kept.len(), &*kept[1].content, kept[1].is_partial),
            (2, "half an answer", true)
        );
    }
}

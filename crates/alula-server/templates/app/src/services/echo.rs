//! A model that needs no network.

use std::time::Duration;

use futures_util::{StreamExt as _, stream, stream::BoxStream};

use super::Model;
use crate::error::Error;

/// Repeats what it is told, word by word.
#[derive(Debug)]
pub struct Echo {
    /// The most words of an answer.
    pub words_max: usize,
}

/// About the pace of a real model.
const PAUSE: Duration = Duration::from_millis(30);

impl Model for Echo {
    fn answer(&self, message: String) -> Result<BoxStream<'static, String>, Error> {
        let answer = format!("You said: {message}");
        let words = answer.split_inclusive(' ').take(self.words_max).map(str::to_owned);
        let words: Vec<String> = words.collect();
        let words = stream::iter(words).then(|word| async {
            tokio::time::sleep(PAUSE).await;
            word
        });
        Ok(words.boxed())
    }
}

//! HTML, read tag by tag.
//!
//! No tree is built: the text comes out in its order, so that the time is in proportion to the
//! length, and neither depth nor missing ends matter. All three readers of trees that were tried
//! took half a minute for 200,000 nested `div`s, and one overflowed the stack.

mod attributes;
mod blocks;

use std::cell::RefCell;

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

use self::{attributes::ATTRIBUTES_MAX, blocks::Blocks};
use super::{
    ExtractLimits, Unreadable,
    writer::{Writer, utf8},
};
use crate::Extracted;

/// How much is read at once; between two pieces it may be given up.
const PIECE_BYTES: usize = 32 << 10;

pub(super) fn parse(document: &[u8], limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    let text = utf8(document)?;
    if attributes::are_too_many(document) {
        return Err(Unreadable::too_large("tag", ATTRIBUTES_MAX as u64, "attributes"));
    }
    let blocks = read(text, Blocks::new(Writer::new(limits), true))?;
    // Navigation without an end would take the rest with it.
    if blocks.is_skipping() {
        return read(text, Blocks::new(Writer::new(limits), false))?.finish();
    }
    blocks.finish()
}

fn read(text: &str, blocks: Blocks) -> Result<Blocks, Unreadable> {
    let sink = Sink(RefCell::new(Reader { blocks, failure: None }));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let queue = BufferQueue::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(rest.ceil_char_boundary(PIECE_BYTES));
        queue.push_back(StrTendril::from_slice(piece));
        // It stops at the end of each script, for those who would run it.
        while !queue.is_empty() {
            let _ = tokenizer.feed(&queue);
        }
        if tokenizer.sink.0.borrow().failure.is_some() {
            break;
        }
        rest = next;
    }
    tokenizer.end();
    let reader = tokenizer.sink.0.into_inner();
    match reader.failure {
        Some(failure) => Err(failure),
        None => Ok(reader.blocks),
    }
}

/// What takes the tokens, as the tokenizer wants to have it.
struct Sink(RefCell<Reader>);

struct Reader {
    blocks: Blocks,
    /// Why nothing more is read.
    failure: Option<Unreadable>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let reader = &mut *self.0.borrow_mut();
        let state = match &token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => raw(tag),
            _ => TokenSinkResult::Continue,
        };
        if reader.failure.is_none() {
            reader.failure = take(&mut reader.blocks, token).err();
        }
        state
    }
}

fn take(blocks: &mut Blocks, token: Token) -> Result<(), Unreadable> {
    match token {
        Token::CharacterTokens(text) => {
            blocks.text(&text);
            Ok(())
        }
        Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
            let attribute = |name: &str| {
                let found = tag.attrs.iter().find(|attribute| *attribute.name.local == *name);
                found.map(|attribute| &*attribute.value)
            };
            blocks.start(&tag.name, &attribute)
        }
        Token::TagToken(tag) => blocks.end(&tag.name),
        _ => Ok(()),
    }
}

/// How what follows a tag is to be read: in some elements there are no tags.
fn raw(tag: &Tag) -> TokenSinkResult<()> {
    match &*tag.name {
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

#[cfg(test)]
mod tests;

//! What is sent, and when: from a turn to bytes.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};

use super::{Fault, answer, api::Asked, frames::Frames, turn::Written};
use crate::{Result, testing::server::Cut};

/// All that a client gets to see of an answer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) begin: Begin,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) chunks: Vec<Bytes>,
    /// The time between two chunks.
    pub(super) every: Duration,
    pub(super) end: End,
}

/// What comes before the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    After(Duration),
    Never,
    Cut(Cut),
}

/// What comes after the last chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    Never,
    Cut(Cut),
}

impl Plan {
    /// What a turn answers to a request; `number` tells the answers apart.
    pub(super) fn of(turn: &Written, asked: &Asked, number: usize) -> Result<Self> {
        let error = turn.faults.iter().find_map(|fault| answer::error(fault, asked));
        let (status, frames) = match error {
            Some((status, body)) => (status, Frames::json(&body)),
            None => (200, answer::frames(turn, asked, number)?),
        };
        let mut plan = Self::sending(status, frames, &turn.faults);
        plan.headers.extend(turn.headers.iter().cloned());
        if !turn.every.is_zero() {
            plan.every = turn.every;
        }
        Ok(plan)
    }

    /// Sends these frames, spoiled by the faults.
    pub(super) fn sending(status: u16, mut frames: Frames, faults: &[Fault]) -> Self {
        let content_type =
            if frames.is_stream() { "text/event-stream" } else { "application/json" };
        let mut plan = Self {
            begin: Begin::After(Duration::ZERO),
            status,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
            chunks: Vec::new(),
            every: Duration::ZERO,
            end: End::Whole,
        };
        let whole = frames.bytes();
        frames.spoil(faults);
        faults.iter().for_each(|fault| plan.fail(fault));
        // Who breaks off has promised more.
        let length = if plan.end == End::Whole { frames.bytes() } else { whole };
        if faults.contains(&Fault::WrongLength) {
            plan.headers.insert(CONTENT_LENGTH, (length + 1).into());
        } else if !frames.is_stream() {
            plan.headers.insert(CONTENT_LENGTH, length.into());
        }
        plan.chunks = frames.chunks(faults);
        plan
    }

    /// Does what a fault says about all but the bytes of the body.
    fn fail(&mut self, fault: &Fault) {
        match fault {
            Fault::Stall => self.begin = Begin::Never,
            Fault::Close => self.begin = Begin::Cut(Cut::Close),
            Fault::Reset => self.begin = Begin::Cut(Cut::Reset),
            Fault::SlowHeaders(time) => self.begin = Begin::After(*time),
            Fault::StallAfter(_) => self.end = End::Never,
            Fault::CloseAfter(_) | Fault::WrongLength => self.end = End::Cut(Cut::Close),
            Fault::ResetAfter(_) => self.end = End::Cut(Cut::Reset),
            Fault::Drip(time) => self.every = *time,
            Fault::Redirect(url) => self.set(LOCATION, url),
            Fault::Html => self.set(CONTENT_TYPE, "text/html"),
            Fault::ContentType(content_type) => self.set(CONTENT_TYPE, content_type),
            _ => self.headers.extend(fault.retry_after().map(|value| (RETRY_AFTER, value))),
        }
    }

    /// Sets a header to a value of the test, unless HTTP cannot send it.
    fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
    }
}

//! Streams whose events are lost, repeated and out of order.

use alula_llm::{Accumulator, ChatEvent, model::Protocol};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::streams::{decode, whole};

proptest! {
    /// The answer may be nonsense, but it is one, and it can be written and read again.
    #[test]
    fn any_order_of_events_gives_an_answer(picked in vec(any::<Index>(), 0..60)) {
        let known = whole();
        let (last, rest) = known.split_last().unwrap();
        let mut events: Vec<_> = picked.iter().map(|index| index.get(rest).clone()).collect();
        events.push(last.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let items = runtime.block_on(decode(&events));
        let stopped = matches!(items.last(), Some(Ok(ChatEvent::Stop { .. })));
        prop_assert!(stopped);
        let mut answer = Accumulator::new();
        for item in items {
            answer.push(item.unwrap());
        }
        let answer = answer.finish();
        let written = Protocol::OpenAiResponses.response_to_json(&answer).unwrap();
        let read = Protocol::OpenAiResponses.response_from_json(written.clone()).unwrap();
        prop_assert_eq!(Protocol::OpenAiResponses.response_to_json(&read).unwrap(), written);
        // What only the last event tells is always there.
        prop_assert_eq!(read.tool_calls().count(), 1);
        prop_assert!(!read.text().is_empty());
    }
}

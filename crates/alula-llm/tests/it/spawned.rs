//! Calls in tasks of their own.

use std::time::Duration;

use alula_llm::{ChatRequest, Demo, EmbedRequest, Llm, RelayRequest, model::Protocol};
use tokio::task::JoinSet;

/// That it compiles is most of the test: futures with closures in them easily cannot be sent.
#[tokio::test]
async fn every_call_can_be_spawned() {
    let llm = Llm::builder().provider(Demo::new().delay(Duration::ZERO)).build().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let request = ChatRequest::new("demo").user("a");
        let body = r#"{"model": "demo", "messages": [{"role": "user", "content": "a"}]}"#;
        let relayed = RelayRequest::new(Protocol::OpenAiChat, body)?;
        llm.count_tokens(request.clone()).await?;
        llm.chat(request.clone()).await?;
        llm.stream(request).await?.accumulate().await?;
        llm.relay(relayed.clone()).await?;
        drop(llm.relay_stream(relayed).await?);
        llm.embed(EmbedRequest::new("demo").text("a")).await
    });
    let answer = tasks.join_next().await.unwrap().unwrap();
    assert_eq!(answer.unwrap().vectors.len(), 1);
}

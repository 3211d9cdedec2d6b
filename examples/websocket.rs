//! A WebSocket: a conversation with typed messages in both directions.

use alula::prelude::*;

/// What a client sends.
#[derive(Deserialize, JsonSchema, Validate)]
struct Say {
    #[schemars(length(min = 1, max = 500))]
    text: String,
}

/// What it reads.
#[derive(Serialize, JsonSchema)]
struct Heard {
    room: String,
    from: String,
    text: String,
}

/// The caller, checked before the connection opens: a 401 is a real 401.
#[dependency]
async fn user(token: Bearer) -> String {
    token.into_inner()
}

/// Repeats what the client says, until it leaves.
#[ws("/rooms/{room}")]
async fn chat(mut socket: WebSocket, Path(room): Path<String>, user: Depends<user>) -> Result<()> {
    while let Some(message) = socket.recv_json::<Say>().await {
        let Say { text } = message?;
        let heard = Heard { room: room.clone(), from: user.to_string(), text };
        socket.send_json(&heard).await?;
    }
    Ok(())
}

pub(crate) fn app() -> App {
    App::new("WebSocket", "1.0.0").routes(routes![chat])
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    app().serve("127.0.0.1:8000").await
}

//! MCP servers to be used.

use std::{fs, path::PathBuf};

use alula::{Limits, Server, Shutdown, prelude::*};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Add two numbers.
#[tool(read_only)]
async fn add(
    /// The first one.
    a: i64,
    /// The second one.
    b: i64,
) -> i64 {
    a + b
}

/// Fails.
#[tool]
async fn fail() -> Result<String> {
    Err(HttpError::conflict("The disk is full"))
}

/// So many letters.
#[tool]
async fn letters(count: usize) -> String {
    "x".repeat(count)
}

/// The notes.
#[resource("notes://all", mime_type = "text/plain")]
async fn notes() -> &'static str {
    "Buy ferns."
}

/// Explain a word.
#[prompt]
async fn explain(word: String) -> String {
    format!("Explain {word}.")
}

/// A server at an address, which wants a token if it has one.
pub(super) struct Notes {
    shutdown: Shutdown,
    serving: JoinSet<()>,
    pub(super) url: String,
}

#[dependency]
async fn secret(token: Bearer) -> Result<String> {
    let token = token.into_inner();
    if token == "secret" { Ok(token) } else { Err(HttpError::unauthorized("Bearer")) }
}

/// Says the token.
#[tool]
async fn token(token: Depends<secret>) -> String {
    String::clone(&token)
}

impl Notes {
    pub(super) async fn start() -> Self {
        let app = App::new("Notes", "1.2.3").mcp("/mcp").tool(add).tool(fail).tool(letters);
        let app = app.tool(token).resource(notes).prompt(explain);
        let shutdown = Shutdown::new();
        let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
        let url = format!("http://{}/mcp", server.local_addr());
        let app = app.serve_on(server, shutdown.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { app.await.unwrap() });
        Self { shutdown, serving, url }
    }

    pub(super) async fn stop(mut self) {
        self.shutdown.trigger();
        self.serving.join_next().await.unwrap().unwrap();
    }
}

/// A program that is a server of an older revision. It notes its starts and its ends in a file. One
/// of its tools says what it finds in its environment, the other one is its end.
pub(super) struct Program {
    pub(super) dir: TempDir,
}

const SCRIPT: &str = r#"
echo start >> "$1"
say() { printf '{"jsonrpc":"2.0","id":%s,"%s":%s}\n' "$id" "$1" "$2"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"server/discover"'*) say error '{"code":-32601,"message":"Method not found"}' ;;
    *'"initialize"'*) say result '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"shell","version":"1"}}' ;;
    *'"tools/list"'*) say result '{"tools":[{"name":"env","description":"Says.","inputSchema":{"type":"object"}},{"name":"other","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/call"'*'"other"'*) echo 'the key is sk-canary-of-the-program' >&2; exit 3 ;;
    *'"tools/call"'*) say result '{"content":[{"type":"text","text":"key='"$OPENAI_API_KEY"' own='"$OWN"' home='"${HOME:+set}"'"}]}' ;;
  esac
done
echo end >> "$1"
"#;

impl Program {
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("server.sh"), SCRIPT).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// How it is started from a shell.
    pub(super) fn command_line(&self) -> String {
        format!("sh '{}' '{}'", self.path("server.sh"), self.path("log"))
    }

    /// The same in `alula.toml`.
    pub(super) fn table(&self, name: &str) -> String {
        let [script, log] = [self.path("server.sh"), self.path("log")];
        format!("[mcp_servers.{name}]\ncommand = \"sh\"\nargs = [{script:?}, {log:?}]\n")
    }

    /// Its starts and its ends.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(super) fn file(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("alula.toml");
        fs::write(&path, text).unwrap();
        path
    }
}

//! The client, against our server and against programs that are none of ours.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alula::{
    Limits, Server, Shutdown, StartError,
    mcp::{Client, McpSettings, client::ClientError},
    prelude::*,
};
use serde_json::{Map, Value, json};
use tokio::{
    io::{duplex, split},
    sync::Notify,
    task::JoinSet,
};

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it comes soon")
}

/// Add.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Reads a region from a header, too.
#[tool]
async fn of_region(
    /// Where.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
) -> String {
    region
}

/// Says how far it is.
#[tool]
async fn slow(context: McpContext) -> Result<String> {
    context.progress(1.0, 2.0, "half").await;
    Err(HttpError::conflict("It cannot be done"))
}

/// So many letters.
#[tool]
async fn letters(count: usize) -> String {
    "a".repeat(count)
}

#[derive(Default)]
struct Hanging {
    begun: Notify,
    ended: Arc<Notify>,
}

struct Ended(Arc<Notify>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Never ends by itself.
#[tool]
async fn hang(hanging: State<Hanging>) {
    let _ended = Ended(hanging.ended.clone());
    hanging.begun.notify_one();
    std::future::pending::<()>().await;
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct Name {
    name: String,
}

/// Asks for a name.
#[tool]
async fn greet(context: McpContext) -> Result<String> {
    let name = context.elicit::<Name>("Who?").await?;
    Ok(name.accepted().map_or_else(|| "nobody".to_owned(), |name| name.name))
}

/// A page.
#[resource("docs://{id}", mime_type = "text/markdown")]
async fn page(id: u32) -> String {
    format!("# {id}")
}

/// The first page.
#[resource("docs://first")]
async fn first() -> &'static str {
    "first"
}

/// Explain a sum.
#[prompt]
async fn explain(a: i64, b: i64) -> String {
    format!("Why is {a} + {b} = {}?", a + b)
}

fn app(hanging: Hanging) -> App {
    App::new("Calculator", "1.2.3")
        .mcp("/mcp")
        .mcp_settings(McpSettings::new().instructions("Add.").page_size(2).sessions_max(1))
        .state(hanging)
        .tool(add)
        .tool(of_region)
        .tool(slow)
        .tool(letters)
        .tool(hang)
        .tool(greet)
        .resource(page)
        .resource(first)
        .prompt(explain)
}

/// A server, over a pipe or over HTTP.
struct Running {
    shutdown: Shutdown,
    /// No task of the shutdown, which would wait for it.
    serving: JoinSet<Result<(), StartError>>,
    /// Those over pipes; each ends with its client, or with this.
    pipes: Mutex<JoinSet<Result<(), StartError>>>,
    hanging: Hanging,
    url: String,
}

impl Running {
    async fn new() -> Self {
        let (shutdown, hanging) = (Shutdown::new(), Hanging::default());
        let shared = Hanging { ended: hanging.ended.clone(), ..Hanging::default() };
        let server = Server::bind("127.0.0.1:0", Limits::default()).await.unwrap();
        let url = format!("http://{}/mcp", server.local_addr());
        let mut serving = JoinSet::new();
        serving.spawn(app(shared).serve_on(server, shutdown.clone()));
        Self { shutdown, serving, pipes: Mutex::default(), hanging, url }
    }

    fn http(&self) -> alula::mcp::client::ClientBuilder {
        Client::http(&self.url)
    }

    fn pipe(&self) -> alula::mcp::client::ClientBuilder {
        let shared = Hanging { ended: self.hanging.ended.clone(), ..Hanging::default() };
        let (ours, theirs) = duplex(1_000);
        let (input, output) = split(theirs);
        let serving = app(shared).serve_stdio_on(input, output, Shutdown::new());
        self.pipes.lock().unwrap().spawn(serving);
        let (input, output) = split(ours);
        Client::over(input, output)
    }

    async fn stop(mut self) {
        self.shutdown.trigger();
        // Half of the time that it would wait for what goes on.
        let ended = tokio::time::timeout(Duration::from_secs(10), self.serving.join_next());
        ended.await.expect("nothing goes on").unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn everything_can_be_used_in_each_revision_over_each_transport() {
    let server = Running::new().await;
    for (version, expected) in [
        (None, "2026-07-28"),
        (Some("2025-11-25"), "2025-11-25"),
        (Some("2024-11-05"), "2024-11-05"),
    ] {
        for builder in [server.http(), server.pipe()] {
            let builder = match version {
                Some(version) => builder.protocol(version),
                None => builder,
            };
            let told = Arc::new(Mutex::new(Vec::new()));
            let notes = told.clone();
            let builder = builder.on_notification(move |method, params| {
                notes.lock().unwrap().push((method.to_owned(), params["message"].clone()));
            });
            let client = soon(builder.connect()).await.unwrap();
            use_all(&client, expected).await;
            let told = std::mem::take(&mut *told.lock().unwrap());
            assert_eq!(told, [("notifications/progress".to_owned(), json!("half"))], "{expected}");
            soon(client.close()).await;
        }
    }
    server.stop().await;
}

async fn use_all(client: &Client, protocol: &str) {
    let about = client.server();
    assert_eq!((about.name.as_str(), about.version.as_str()), ("Calculator", "1.2.3"));
    assert_eq!((about.protocol, about.instructions.as_deref()), (protocol, Some("Add.")));
    let tools = client.tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["add", "of_region", "slow", "letters", "hang", "greet"]);
    assert_eq!(tools[0].input_schema["properties"]["a"]["type"], "integer");
    let sum = client.call("add", json!({ "a": 1, "b": 2 })).await.unwrap();
    assert_eq!((sum.text().as_str(), sum.is_error), ("3", false));
    assert_eq!(sum.structured_content, Some(json!({ "result": 3 })));
    let region = client.call("of_region", json!({ "region": "São Paulo" })).await.unwrap();
    assert_eq!(region.text(), "São Paulo");
    let failed = client.call("slow", json!({})).await.unwrap();
    assert_eq!((failed.text().as_str(), failed.is_error), ("It cannot be done", true));
    let unknown = client.call("nothing", json!({})).await.unwrap_err();
    assert!(matches!(unknown, ClientError::Refused { code: -32602, .. }), "{unknown:?}");
    let resources = client.resources().await.unwrap();
    assert_eq!(resources[0].uri, "docs://first");
    let templates = client.resource_templates().await.unwrap();
    assert_eq!(templates[0].uri_template, "docs://{id}");
    let page = client.read("docs://7").await.unwrap();
    assert_eq!(page[0].text.as_deref(), Some("# 7"));
    assert_eq!(page[0].mime_type.as_deref(), Some("text/markdown"));
    let prompts = client.prompts().await.unwrap();
    assert_eq!((prompts[0].name.as_str(), prompts[0].arguments.len()), ("explain", 2));
    let arguments = Map::from_iter([("a".to_owned(), json!("1")), ("b".to_owned(), json!("2"))]);
    let prompt = client.prompt("explain", arguments).await.unwrap();
    assert_eq!(prompt.messages[0]["content"]["text"], "Why is 1 + 2 = 3?");
    // There is nobody to ask: the server learns it, or we do.
    match client.call("greet", json!({})).await {
        Ok(result) => assert!(result.is_error, "{result:?}"),
        Err(ClientError::Refused { .. } | ClientError::NeedsInput) => {}
        Err(error) => panic!("{error}"),
    }
}

/// The list of tools may be unknown, or another one by now.
#[tokio::test]
async fn headers_that_a_tool_wants_are_found_when_it_is_called() {
    let server = Running::new().await;
    let client = server.http().connect().await.unwrap();
    let region = client.call("of_region", json!({ "region": "west" })).await.unwrap();
    assert_eq!(region.text(), "west");
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends_at_the_server() {
    let server = Running::new().await;
    for version in ["2026-07-28", "2025-11-25"] {
        for builder in [server.http(), server.pipe()] {
            let builder = builder.protocol(version).request_timeout(Duration::from_millis(200));
            let client = builder.connect().await.unwrap();
            let late = client.call("hang", json!({})).await.unwrap_err();
            assert_eq!(late, ClientError::Timeout(Duration::from_millis(200)));
            soon(server.hanging.ended.notified()).await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_the_server_has_forgotten_is_begun_again() {
    let server = Running::new().await;
    let first = server.http().protocol("2025-11-25").connect().await.unwrap();
    // There is room for one.
    let second = server.http().protocol("2025-11-25").connect().await.unwrap();
    for client in [&first, &second, &first] {
        let sum = client.call("add", json!({ "a": 1, "b": 2 })).await.unwrap();
        assert_eq!(sum.text(), "3");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_message_has_a_limit() {
    let server = Running::new().await;
    for builder in [server.http(), server.pipe()] {
        let client = builder.max_message(20_000).connect().await.unwrap();
        assert!(client.call("letters", json!({ "count": 100 })).await.is_ok());
        let large = client.call("letters", json!({ "count": 20_000 })).await.unwrap_err();
        assert_eq!(large, ClientError::TooLarge(20_000));
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_server_is_told_apart() {
    let server = Running::new().await;
    let other = server.url.replace("/mcp", "/nothing");
    let status = Client::http(other).connect().await.unwrap_err();
    assert_eq!(status.to_string(), "the MCP server answered with status 404: Not Found");
    let nobody = Client::http("http://127.0.0.1:1/mcp").connect().await.unwrap_err();
    assert!(matches!(nobody, ClientError::Unreachable(_)), "{nobody:?}");
    let no_url = Client::http("nonsense").connect().await.unwrap_err();
    assert!(matches!(no_url, ClientError::Unreachable(_)), "{no_url:?}");
    let unknown = server.http().protocol("2020-01-01").connect().await.unwrap_err();
    assert!(matches!(unknown, ClientError::Unreachable(_)), "{unknown:?}");
    let shown = format!("{:?}", server.http().bearer("canary"));
    assert!(!shown.contains("canary"), "{shown}");
    server.stop().await;
}

#[cfg(unix)]
mod programs {
    use tokio::process::Command;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// One of an older revision, which ends at anything but a handshake.
    const OLD: &str = r#"
        read line
        case "$line" in *'"initialize"'*) ;; *) exit 1 ;; esac
        echo 'hello, this is no message'
        echo '{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2024-11-05",
          "capabilities":{"tools":{}},"serverInfo":{"name":"old","version":"0"}}}' | tr -d '\n'
        echo
        echo '{"jsonrpc":"2.0","id":"p","method":"ping"}'
        while read line; do
          case "$line" in *'"id":"p"'*) pong=1 ;; *tools/list*) asked=1 ;; esac
          if [ "$pong$asked" = 11 ]; then
            echo '{"jsonrpc":"2.0","id":3,"result":{"tools":[]}}'
            asked=
          fi
        done
        echo over >&2
    "#;

    #[tokio::test]
    async fn a_program_of_an_older_revision_is_started_again_and_answered() {
        let client = soon(Client::command(shell(OLD)).connect()).await.unwrap();
        let about = client.server();
        assert_eq!((about.name.as_str(), about.protocol), ("old", "2024-11-05"));
        // It answers only once its own question is.
        assert_eq!(soon(client.tools()).await.unwrap(), []);
        soon(client.close()).await;
        let gone = client.tools().await.unwrap_err();
        assert_eq!(
            gone.to_string(),
            "the MCP server is gone: the program ended with exit status: 0; it said: over"
        );
    }

    #[tokio::test]
    async fn a_program_that_ends_says_why() {
        let ended = Client::command(shell("echo canary >&2; exit 3")).connect().await.unwrap_err();
        assert_eq!(
            ended,
            ClientError::Closed(
                "the program ended with exit status: 3; it said: canary".to_owned()
            )
        );
        let nothing = Client::command(Command::new("no-such-program")).connect().await;
        let nothing = nothing.unwrap_err().to_string();
        assert!(nothing.contains("`no-such-program` cannot be started"), "{nothing}");
    }

    #[tokio::test]
    async fn a_program_that_says_nothing_is_not_waited_for_and_killed() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        // It ends neither with its input nor when it is asked to, and has a child.
        let script = format!("trap '' TERM; sh -c 'echo $$ > {}; sleep 600'", pid.display());
        let limit = Duration::from_millis(500);
        let silent = Client::command(shell(&script)).connect_timeout(limit).connect().await;
        assert_eq!(silent.unwrap_err(), ClientError::Timeout(limit));
        let runs = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            // Whoever adopts it may leave it there for a while.
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        soon(async {
            loop {
                let pid = std::fs::read_to_string(&pid).unwrap_or_default();
                if !pid.trim().is_empty() && !runs(pid.trim()) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

/// A value that is no object is no arguments.
#[tokio::test]
async fn arguments_are_an_object() {
    let server = Running::new().await;
    let client = server.pipe().connect().await.unwrap();
    let refused = client.call("add", Value::from(1)).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { code: -32602, .. }), "{refused:?}");
    server.stop().await;
}

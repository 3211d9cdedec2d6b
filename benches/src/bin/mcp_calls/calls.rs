//! Calls over HTTP.

use std::time::Duration;

use alula_benches::{
    http::{Connection, post_json},
    load::{self, Outcome, Plan},
    machine,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::systems::{Programs, System};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A function.
    Tool,
    /// An endpoint, by plain HTTP.
    Endpoint,
    /// The same endpoint over MCP.
    EndpointAsTool,
}

impl Target {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Endpoint => "endpoint",
            Self::EndpointAsTool => "endpoint as tool",
        }
    }

    /// Only Alula has endpoints.
    pub(crate) fn is_of(self, system: System) -> bool {
        self == Self::Tool || system == System::Alula
    }

    fn request(self) -> Vec<u8> {
        let name = match self {
            Self::Tool => "add",
            Self::EndpointAsTool => "add_1",
            Self::Endpoint => return post_json("/add/1", &[], r#"{"a":2,"b":3}"#),
        };
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
        ];
        let body = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": name,
                "arguments": { "a": 2, "b": 3 },
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let body = body.to_string();
        // `post_json` says `accept: */*`, which rmcp takes for neither of both.
        let request = post_json("/mcp", &headers, &body);
        let text = String::from_utf8_lossy(&request);
        text.replacen("accept: */*", "accept: application/json, text/event-stream", 1).into_bytes()
    }

    /// The sum in an answer.
    fn sum(self, answer: &Value) -> Option<i64> {
        match self {
            Self::Endpoint => answer.get("sum")?.as_i64(),
            Self::Tool | Self::EndpointAsTool => {
                answer.pointer("/result/structuredContent/sum")?.as_i64()
            }
        }
    }
}

/// What is measured in the same way.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) target: Target,
    pub(crate) tools: usize,
    pub(crate) connections: usize,
    pub(crate) samples: Vec<(System, Sample)>,
}

/// A server under load, once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// Processor time of the server for each call, in microseconds.
    pub(crate) cpu_us: Option<f64>,
    /// What the load used of its core: near 1 it is the load that limits.
    pub(crate) load_cpu_share: Option<f64>,
    /// Memory after the first call and after the last.
    pub(crate) idle_bytes: Option<u64>,
    pub(crate) after_bytes: Option<u64>,
}

impl Case {
    pub(crate) fn new(target: Target, tools: usize, connections: usize) -> Self {
        Self { target, tools, connections, samples: Vec::new() }
    }

    /// Puts load on a fresh server, once it has answered rightly.
    pub(crate) async fn measure(
        &self,
        system: System,
        programs: &Programs,
        plan: Plan,
    ) -> Result<Sample> {
        let server = programs.http(system, self.tools)?;
        let request = self.target.request();
        let answer = {
            let mut connection = Connection::open(server.address()).await?;
            let response = connection.send(&request).await?;
            let text = String::from_utf8_lossy(response.body).into_owned();
            let name = system.name();
            ensure!(response.status == 200, "{name} answers {}: {text}", response.status);
            let json: Value = serde_json::from_str(&text)
                .with_context(|| format!("{name} answers no JSON: {text}"))?;
            ensure!(self.target.sum(&json) == Some(5), "{name} cannot add: {text}");
            text.len()
        };
        // What is made for the first call only is there by now.
        let idle_bytes = server.memory_bytes();
        let cpu_times = || (server.cpu_time(), machine::own_cpu_time());
        let mut before = (None, None);
        let counting = || before = cpu_times();
        let expected = move |body: &[u8]| body.len() == answer;
        let outcome = load::run(server.address(), request, expected, plan, counting).await;
        let outcome = outcome.with_context(|| {
            format!("{}, {} with {} tools", system.name(), self.target.name(), self.tools)
        })?;
        let after = cpu_times();
        let used = |before: Option<Duration>, after: Option<Duration>| {
            Some(after?.saturating_sub(before?).as_secs_f64())
        };
        #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^52")]
        let calls = outcome.requests as f64;
        Ok(Sample {
            outcome,
            cpu_us: used(before.0, after.0).map(|seconds| seconds * 1e6 / calls),
            load_cpu_share: used(before.1, after.1).map(|used| used / plan.time.as_secs_f64()),
            idle_bytes,
            after_bytes: server.memory_bytes(),
        })
    }
}

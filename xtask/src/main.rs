//! The project's own commands. `cargo xtask --help` lists them.
//!
//! A task is a module with a `run` function and a row in [`TASKS`]. This crate stays light, so
//! that it builds in seconds: a task that needs a crate of the workspace runs it with `cargo run`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a developer's command prints, and reads its own environment"
)]

mod bench;
mod chaos;
mod corpus;
mod deny;
mod differential;
mod features;
mod fuzz;
mod generated;
mod mcp;
mod node;
mod process;
mod python;
mod recordings;
mod schemathesis;
mod tally;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

/// A command of `cargo xtask`.
struct Task {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<()>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: "[--quick] [--no-install]",
        about: "Install what the tests need, then run every check and every test.\n\
                --quick: install nothing, and leave out the longer checks.\n\
                --no-install: install nothing; tests without their tool are skipped.",
        run: test::run,
    },
    Task {
        name: "tidy",
        arguments: "",
        about: "Check the rules of the project that rustc and clippy do not know.",
        run: tidy::run,
    },
    Task {
        name: "differential",
        arguments: "[--pin]",
        about: "Send the same requests to a FastAPI application and to its twin; exit 1 on a\n\
                difference that docs/differences-from-fastapi.md does not list.\n\
                --pin: write down anew what both answer where they differ.",
        run: differential::run,
    },
    Task {
        name: "features",
        arguments: "",
        about: "Check that every crate builds with none, each and all of its features.",
        run: features::run,
    },
    Task {
        name: "generated",
        arguments: "[--count N] [--seed S]",
        about: "Send N requests (1000000) made from our own OpenAPI document, in process: no panic,\n\
                no 5xx, no status that the document lacks.",
        run: generated::run,
    },
    Task {
        name: "fuzz",
        arguments: "[--seconds N] [TARGET...]",
        about: "Fuzz what reads bytes from the network, N seconds (60) each; on stable Rust.\n\
                A finding is kept in fuzz/artifacts.",
        run: fuzz::run,
    },
    Task {
        name: "schemathesis",
        arguments: "[--cases N] [APP...]",
        about: "Test applications (examples, twin, server) against their OpenAPI documents, from outside:\n\
                all phases of schemathesis, N cases (1000) for each operation.",
        run: schemathesis::run,
    },
    Task {
        name: "bench",
        arguments: "framework [--rounds N] [--seconds S] [--connections N]\n\
                    \x20     | gateway [--only NAME,...] [--quick] [--rounds N] [--seconds S]\n\
                    \x20     | jobs [--only NAME,...] [--quick] [--rounds N] [--jobs N]\n\
                    \x20     | mcp [--rounds N] [--seconds S] [--starts N]\n\
                    \x20     | retrieval [--others CHUNKS]\n\
                    \x20     | streams [--streams N] | sse [--rounds N] | keys [--pairs N]",
        about: "Compare with peers, in one run on this machine; figures go to target/bench/.\n\
                framework: a JSON echo in Alula, in plain axum and in FastAPI.\n\
                gateway: Alula and six others between the same load and a mock of a provider.\n\
                jobs: durable jobs on SQLite and Postgres, next to Celery and apalis.\n\
                mcp: calls of a tool in Alula, in rmcp and in FastMCP, and their start over stdio.\n\
                retrieval: at which places what answers a question is found, by words, by vectors\n\
                and by both.\n\
                streams: the memory of the server for each idle stream.\n\
                sse: how fast events are decoded, next to the crate that most clients use.\n\
                keys: whether the time that a wrong key takes tells how much of it is right.",
        run: bench::run,
    },
    Task {
        name: "chaos",
        arguments: "jobs [--store sqlite|postgres] [--kills N] [--seed S] [--lease-ms N]\n\
                    \x20     | server [--store ...] [--kills N] [--seed S] [--lease-ms N]\n\
                    \x20     | stops [--store ...] [--rounds N] [--count N] [--lease-ms N]\n\
                    \x20     | webhooks [--store ...] [--count N] [--seed S] [--lease-ms N]\n\
                    \x20     | contention [--store ...] [--seconds N]",
        about: "Kill or stop what works on jobs, and count what was lost; exit 1 on any loss.\n\
                jobs: enqueuers and workers are killed N times (1000) at random.\n\
                server: the same of `alula serve` and `alula worker`, with clients and webhooks.\n\
                stops: a worker stands still past its leases, and goes on.\n\
                webhooks: N of them (10000), while their workers are killed.\n\
                contention: how long a claim takes beside four processes that enqueue.",
        run: chaos::run,
    },
    Task {
        name: "corpus",
        arguments: "DIR",
        about: "Gather real documents of all kinds below DIR, from packages of Debian and of Python;\n\
                with apt and pip.",
        run: corpus::run,
    },
    Task {
        name: "mcp",
        arguments: "",
        about: "Test the MCP server from outside: the official conformance suite for both eras of the\n\
                protocol, the Inspector, and the clients of FastMCP and of the Python SDK.",
        run: mcp::run,
    },
    Task {
        name: "recordings",
        arguments: "DIR",
        about: "Put every cassette below DIR through the adapters; exit 1 if anything is lost.",
        run: recordings::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", help());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprint!("xtask: no task is called `{name}`\n\n{}", help());
        return ExitCode::from(2);
    };
    if rest.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{}", describe(task));
        return ExitCode::SUCCESS;
    }
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let tasks: String = TASKS.iter().map(describe).collect();
    format!("Usage: cargo xtask TASK\n\n{tasks}")
}

fn describe(task: &Task) -> String {
    let about = task.about.replace('\n', "\n    ");
    format!("{} {}\n    {about}\n", task.name, task.arguments)
}

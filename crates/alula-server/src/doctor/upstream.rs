//! What the server talks to.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alula_llm::{Error, ErrorKind, Llm, Redis};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::{Report, machine};
use crate::{
    config::{Config, Located},
    db::{DatabaseUrl, Db, DbError},
    services::{
        documents::{StorageUrl, probe},
        llm::Environment,
        retrieval::try_model,
    },
};

/// How long each may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The provider that needs nothing.
const DEMO: &str = "demo";

/// Sets the providers up, and asks each for its models, all at once.
pub(super) async fn providers(
    report: &mut Report,
    config: &Arc<Config>,
    file: Option<&Located>,
    offline: bool,
) {
    let llm = match Environment::find(config.clone()).await.connect(file, None) {
        Ok(llm) => llm,
        Err(error) => {
            return report.fail("providers", error.to_string(), "correct the setting it names");
        }
    };
    documents(report, config, &llm, offline).await;
    let names: Vec<&str> = llm.providers().collect();
    if names == [DEMO] {
        let advice = "set OPENAI_API_KEY or the key of another provider, or start Ollama";
        return report.warn("providers", "there is none: a demo answers, without a model", advice);
    }
    if offline {
        return report.ok("providers", format!("{} (not asked)", names.join(", ")));
    }
    let asked = join_all(names.iter().map(|name| ask(&llm, name))).await;
    for (name, (took, answer)) in names.iter().zip(asked) {
        let milliseconds = took.as_millis();
        match answer {
            Ok(Ok(())) => report.ok(*name, format!("it takes the key ({milliseconds} ms)")),
            Ok(Err(error)) => refused(report, name, &error),
            Err(_) => report.fail(
                *name,
                format!("it did not answer within {PATIENCE:?}"),
                "look at the network, the proxy and the address",
            ),
        }
    }
}

/// Has a vector made by the model that documents are searched by.
async fn documents(report: &mut Report, config: &Config, llm: &Llm, offline: bool) {
    const NAME: &str = "documents";
    let Some(model) = &config.retrieval.model else {
        return report.ok(NAME, "searched by words: ALULA_EMBEDDING_MODEL is not set");
    };
    if offline {
        return report.ok(NAME, format!("vectors are made by {model} (not asked)"));
    }
    let start = Instant::now();
    let made = timeout(PATIENCE, try_model(llm, model, config.retrieval.dimensions)).await;
    let milliseconds = start.elapsed().as_millis();
    let advice = "look at ALULA_EMBEDDING_MODEL, and whether its provider has embeddings; until \
                  then documents are searched by their words";
    match made {
        Ok(Ok((name, numbers))) => {
            report
                .ok(NAME, format!("{name} makes vectors of {numbers} numbers ({milliseconds} ms)"));
        }
        Ok(Err(error)) => report.fail(NAME, format!("no vectors: {error}"), advice),
        Err(_) => report.fail(NAME, format!("{model} made no vector within {PATIENCE:?}"), advice),
    }
}

async fn ask(
    llm: &Llm,
    name: &str,
) -> (Duration, Result<Result<(), Error>, tokio::time::error::Elapsed>) {
    let start = Instant::now();
    let answer = timeout(PATIENCE, llm.probe(name)).await;
    (start.elapsed(), answer)
}

fn refused(report: &mut Report, name: &str, error: &Error) {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::Auth => report.fail(name, message, "look at its key, and whom it belongs to"),
        ErrorKind::Connect | ErrorKind::Timeout { .. } => {
            report.fail(name, message, "look at the network, the proxy and the address");
        }
        // It is there, and may be asked all the same.
        ErrorKind::NotFound => {
            report.warn(name, "it answers, and has no list of models", "ask it once to be sure");
        }
        _ => report.warn(name, message, "try again; the server does so by itself"),
    }
}

/// Looks at the database without changing it. Returns whether there are keys in it, if it can be
/// used.
pub(super) async fn database(report: &mut Report, url: &DatabaseUrl) -> Option<bool> {
    let advice = "look at DATABASE_URL, and whether the database runs";
    let found = match timeout(PATIENCE, Db::look(url)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error @ DbError::Newer { .. })) => {
            report.fail("database", error.to_string(), "run the newest version of alula");
            return None;
        }
        Ok(Err(error)) => {
            report.fail("database", error.to_string(), advice);
            return None;
        }
        Err(_) => {
            report.fail("database", format!("it did not answer within {PATIENCE:?}"), advice);
            return None;
        }
    };
    match found {
        None => {
            report.ok("database", "it will be made at the first start");
            Some(false)
        }
        Some(found) => {
            let tables = match found.missing {
                0 => "its tables are up to date".to_owned(),
                missing => format!("the next start makes {missing} changes of its tables"),
            };
            report.ok("database", format!("{} {}: {tables}", found.name, found.version));
            Some(found.has_keys)
        }
    }
}

/// Asks Redis, where processes are to share their limits.
pub(super) async fn redis(report: &mut Report, redis: Option<&Redis>) {
    let Some(redis) = redis else {
        return report.ok("Redis", "none: each process holds to the limits by itself");
    };
    match redis.check().await {
        Ok(()) => report.ok("Redis", "it answers"),
        Err(error) => {
            let advice = "look at REDIS_URL; until it is there each process has its own limits";
            report.warn("Redis", error.to_string(), advice);
        }
    }
}

/// That files of documents can be written.
pub(super) async fn files(report: &mut Report, storage: &StorageUrl, offline: bool) {
    match storage {
        StorageUrl::Folder(path) => machine::folder(report, "files", path),
        StorageUrl::Memory => report.ok("files", "they are in memory, as the database is"),
        StorageUrl::Cloud(_) if offline => report.ok("files", format!("{storage} (not asked)")),
        StorageUrl::Cloud(_) => match probe(storage).await {
            Ok(()) => report.ok("files", format!("{storage} answers")),
            Err(error) => {
                let advice = "look at STORAGE_URL, and at the credentials of the bucket";
                report.fail("files", error.to_string(), advice);
            }
        },
    }
}

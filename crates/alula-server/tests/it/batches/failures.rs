//! A batch whose provider fails, and one whose server is killed.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{accepted, batch, crowded, ended, results, until};
use crate::{
    crowd::{Crowd, Mood},
    postgres::Postgres,
    process::Alula,
};

/// Follows a large batch whose provider is out of order for a while, and looks at its results.
async fn outage(count: usize, time: Duration) {
    let crowd = Crowd::start().await;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("jobs.db").display());
    let alula = crowded(&crowd).env("DATABASE_URL", database).listen();
    let url = accepted(&alula, &batch(0..count)).await;
    until("some are answered", async || crowd.answers() >= count / 4).await;
    crowd.set(Mood::Fails);
    // This is the outage itself: nothing is waited for.
    sleep(time).await;
    crowd.set(Mood::Answers);
    let before = crowd.answers();
    assert!(before < count && crowd.failures() > 0, "{before} {}", crowd.failures());
    is_complete(&alula, &crowd, &url, count).await;
}

/// Each question has its own answer, and was answered once.
async fn is_complete(alula: &Alula, crowd: &Crowd, url: &str, count: usize) {
    let ended = ended(alula, url).await;
    assert_eq!(ended["counts"]["succeeded"], count, "{ended}");
    let lines = results(alula, url).await;
    assert_eq!(lines.len(), count);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!((&line["index"], &line["status"]), (&json!(index), &json!("succeeded")));
        assert_eq!(line["response"]["response"], index.to_string());
    }
    let twice: Vec<_> = crowd.answered().into_iter().filter(|(_, times)| *times > 1).collect();
    assert_eq!((crowd.answers(), twice), (count, Vec::new()));
}

#[tokio::test]
async fn a_provider_that_fails_for_a_while_costs_no_answer() {
    outage(300, Duration::from_secs(1)).await;
}

#[tokio::test]
#[ignore = "it takes two minutes"]
async fn a_provider_that_fails_for_half_a_minute_costs_no_answer() {
    outage(1_000, Duration::from_secs(30)).await;
}

/// A server that is killed in the middle of a batch: the next one of the same database asks what
/// is missing, and nothing of what has been answered and kept.
async fn killed(database: &str, count: usize) {
    let crowd = Crowd::start().await;
    let serve = || {
        let start = crowded(&crowd).env("DATABASE_URL", database);
        start.env("ALULA_JOBS_LEASE_SECONDS", "1").listen()
    };
    let mut alula = serve();
    let url = accepted(&alula, &batch(0..count)).await;
    until("some are answered", async || crowd.answers() >= count / 4).await;
    crowd.set(Mood::Waits);
    let answered = crowd.answers();
    let kept =
        async |alula: &Alula| alula.get(&url).await.is(200)["counts"]["succeeded"] == answered;
    until("they are kept", async || kept(&alula).await).await;
    alula.signal("KILL");
    alula.ended();
    let alula = serve();
    assert!(kept(&alula).await, "what was kept is there");
    crowd.set(Mood::Answers);
    is_complete(&alula, &crowd, &url, count).await;
}

#[tokio::test]
async fn a_batch_survives_its_server_over_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    killed(&format!("sqlite://{}", folder.path().join("jobs.db").display()), 300).await;
}

#[tokio::test]
async fn a_batch_survives_its_server_over_postgres() {
    if let Some(postgres) = Postgres::start() {
        killed(&postgres.url(), 300).await;
    }
}

//! `alula.toml` is read again while the server runs.

#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use alula_llm::testing::FakeProvider;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    process::{Alula, PATIENCE, alula, serve},
    upstream::{STREAM_END, Upstream},
};

const READ_AGAIN: &str = "the configuration was read again";
const MISTAKE: &str = "the configuration has a mistake";

/// A folder with the file.
struct File {
    dir: TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let file = Self { dir: TempDir::new().unwrap() };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("alula.toml")
    }

    /// Puts another file in its place, as editors do.
    fn write(&self, text: &str) {
        let new = self.dir.path().join(".alula.toml.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn serve(&self) -> Alula {
        serve_file(&self.path(), &[])
    }
}

fn serve_file(path: &Path, more: &[&str]) -> Alula {
    let path = path.to_str().unwrap();
    alula(&[&["serve", "--port", "0", "--config", path], more].concat()).listen()
}

/// Waits until a text is in the log so often.
async fn logged(alula: &Alula, text: &str, times: usize) {
    let deadline = Instant::now() + PATIENCE;
    while alula.count_logged(text) < times {
        assert!(Instant::now() < deadline, "{text:?} is not {times} times in the log");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn names(alula: &Alula) -> Vec<String> {
    let overview = alula.get("/admin/providers").await.is(200);
    let models = overview["models"].as_array().unwrap();
    models.iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

fn named(name: &str) -> String {
    format!("[models.{name}]\ntargets = [\"demo/{name}\"]\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_mistake_changes_nothing_and_is_told() {
    let file = File::new(&named("one"));
    let alula = file.serve();
    assert_eq!(names(&alula).await, ["one"]);
    for (text, reason) in [
        (format!("{}[models.two]\ntargets = [\"nobody/x\"]", named("one")), "\"nobody/x\" names"),
        (format!("{}modles = 1", named("two")), "line 3"),
        ("[plans.free]\nrequests_per_minute = 0".to_owned(), "line 2"),
    ] {
        let before = alula.count_logged(MISTAKE);
        file.write(&text);
        logged(&alula, MISTAKE, before + 1).await;
        let overview = alula.get("/admin/providers").await.is(200);
        let told = overview["file"]["failed"]["reason"].as_str().unwrap();
        assert!(told.contains(reason) && told.contains("alula.toml"), "{told}");
        assert_eq!(names(&alula).await, ["one"]);
    }
    fs::remove_file(file.path()).unwrap();
    logged(&alula, MISTAKE, 4).await;
    assert_eq!(names(&alula).await, ["one"]);
    file.write(&format!("default_model = \"two\"\n{}", named("two")));
    logged(&alula, READ_AGAIN, 1).await;
    let overview = alula.get("/admin/providers").await.is(200);
    assert_eq!(overview["file"]["failed"], Value::Null);
    assert_eq!(overview["default_model"], "two");
    assert_eq!(names(&alula).await, ["two"]);
    alula.logged("models +two -one, default model two");
}

/// A `ConfigMap` of Kubernetes: the file is a link through a link, and the inner one is swapped.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_swapped_is_a_change() {
    let dir = TempDir::new().unwrap();
    let version = |name: &str| {
        let folder = dir.path().join(format!("..{name}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("alula.toml"), named(name)).unwrap();
        let link = dir.path().join("..data_tmp");
        symlink(folder.file_name().unwrap(), &link).unwrap();
        fs::rename(link, dir.path().join("..data")).unwrap();
    };
    version("one");
    let path = dir.path().join("alula.toml");
    symlink("..data/alula.toml", &path).unwrap();
    let alula = serve_file(&path, &[]);
    version("two");
    logged(&alula, READ_AGAIN, 1).await;
    assert_eq!(names(&alula).await, ["two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_later_is_read() {
    let dir = TempDir::new().unwrap();
    let alula = serve().within(dir.path()).listen();
    alula.signal("HUP");
    logged(&alula, READ_AGAIN, 1).await;
    assert!(names(&alula).await.is_empty());
    fs::write(dir.path().join("alula.toml"), named("late")).unwrap();
    logged(&alula, READ_AGAIN, 2).await;
    assert_eq!(names(&alula).await, ["late"]);
}

/// Questions from several clients, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(alula: &Arc<Alula>, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut set = JoinSet::new();
        for _ in 0..clients {
            let (alula, stop, answered) = (alula.clone(), stop.clone(), answered.clone());
            set.spawn(async move {
                while !stop.load(SeqCst) {
                    let answer = alula.post("/chat", &json!({"message": "Hi"})).await;
                    assert_eq!(answer.is(200)["response"], "Hello");
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        Self { stop, answered, clients: set }
    }

    async fn end(mut self) -> usize {
        self.stop.store(true, SeqCst);
        while let Some(client) = self.clients.join_next().await {
            client.expect("every request is answered");
        }
        self.answered.load(SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_under_load_lose_no_request() {
    let provider = FakeProvider::start().await;
    provider.always().says("Hello");
    let slow = Upstream::start();
    let text = |round: usize| {
        format!(
            "default_model = \"fast\"\n[providers.own]\nkind = \"openai\"\nbase_url = \"{}\"\n\
             concurrent = {}\n[providers.slow]\nkind = \"openai\"\nbase_url = \"{}/v1\"\n\
             [models.fast]\ntargets = [\"own/m{}\"]\n",
            provider.url(),
            16 + round % 5,
            slow.url(),
            round % 3
        )
    };
    let file = File::new(&text(0));
    let alula = Arc::new(file.serve());
    let question = json!({"message": "Hi", "model": "slow/m"});
    let answering = async {
        let mut call = slow.call().await;
        let first = crate::upstream::token("first");
        call.send(&format!("{}{first}", crate::upstream::STREAM_HEAD)).await;
        call
    };
    let (call, mut stream) = tokio::join!(answering, alula.stream(&question));
    let load = Load::start(&alula, 4);
    for round in 1..=200 {
        // One in ten is a change that is noticed, the others are asked for.
        match round % 10 {
            0 => file.write(&text(round)),
            _ => alula.signal("HUP"),
        }
        logged(&alula, READ_AGAIN, round).await;
    }
    let answered = load.end().await;
    assert!(answered > 200, "{answered}");
    call.answer(STREAM_END).await;
    assert_eq!(stream.next().await.unwrap().json(), json!({"token": "first"}));
    let rest = stream.rest().await;
    assert_eq!(rest.last().unwrap().data, "[DONE]");
    let alula = Arc::into_inner(alula).unwrap().end();
    assert_eq!(alula.code, Some(0));
    println!("{answered} requests during 200 reloads");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_called_counts_after_a_reload() {
    let provider = FakeProvider::start().await;
    provider.always().says("Hello");
    let text = |requests: u8, name: &str| {
        format!(
            "[providers.own]\nkind = \"openai\"\nbase_url = \"http://user:canary@{}\"\n\
             requests_per_minute = {requests}\nwait_seconds = 0\n[models.{name}]\n\
             targets = [{{ model = \"own/m\", requests_per_minute = 50, concurrent = 7 }}]\n",
            provider.url().trim_start_matches("http://")
        )
    };
    let file = File::new(&text(2, "one"));
    let alula = file.serve();
    let ask = async |model: &str| {
        let answer = alula.post("/chat", &json!({"message": "Hi", "model": model})).await;
        answer.status
    };
    assert_eq!([ask("one").await, ask("one").await], [200, 200]);
    file.write(&text(3, "two"));
    logged(&alula, READ_AGAIN, 1).await;
    // Two of the three that it may have now are taken.
    assert_eq!([ask("two").await, ask("two").await, ask("two").await], [200, 429, 429]);
    let overview = alula.get("/admin/providers").await;
    assert!(!overview.text.contains("canary"), "{}", overview.text);
    let overview = overview.is(200);
    let own = &overview["providers"][0];
    for (field, expected) in [
        ("name", json!("own")),
        ("kind", json!("openai")),
        ("from", json!("file")),
        ("base_url", json!(provider.url())),
        ("has_key", json!(false)),
        ("requests_per_minute", json!(3)),
        ("concurrent", Value::Null),
    ] {
        assert_eq!(own[field], expected, "{field} in {own}");
    }
    assert_eq!(
        own["targets"][0],
        json!({"model": "m", "breaker": "closed", "worked": 3, "failed": 0})
    );
    assert_eq!(
        overview["models"][0]["targets"][0],
        json!({"model": "own/m", "weight": 1, "requests_per_minute": 50,
            "tokens_per_minute": null, "concurrent": 7, "breaker": "closed"})
    );
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn each_worker_notices_a_change() {
    let file = File::new(&named("one"));
    let alula = serve_file(&file.path(), &["--workers", "2"]);
    logged(&alula, "worker listens worker=", 2).await;
    file.write(&named("two"));
    logged(&alula, READ_AGAIN, 2).await;
    assert_eq!(names(&alula).await, ["two"]);
}

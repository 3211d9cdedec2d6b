//! Making, listing, changing and revoking keys.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::{Answer, http},
    process::{Alula, Ended, Start, alula, serve},
};

/// A database in a file of its own.
pub(crate) struct Store {
    dir: TempDir,
    url: String,
}

impl Store {
    pub(crate) fn file() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("alula.db").display());
        Self { dir, url }
    }

    /// A Postgres in place of the file.
    pub(crate) fn at(url: String) -> Self {
        Self { url, ..Self::file() }
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A process over it, in its folder.
    pub(crate) fn over(&self, start: Start) -> Start {
        start.env("DATABASE_URL", &self.url).within(self.dir.path())
    }

    /// `alula keys …`, to its end.
    pub(crate) fn keys(&self, arguments: &[&str]) -> Ended {
        self.over(alula(&[&["keys"], arguments].concat())).end()
    }

    /// A new key with these options.
    #[track_caller]
    pub(crate) fn key(&self, options: &[&str]) -> String {
        let made = self.keys(&[&["create", "--name", "test"], options].concat());
        assert_eq!(made.code, Some(0), "{made:?}");
        made.stdout.trim_end().to_owned()
    }
}

/// The part of a key that is not secret.
pub(crate) fn id_of(key: &str) -> &str {
    key.strip_prefix("sk-alula-").unwrap().split('-').next().unwrap()
}

impl Alula {
    /// A request with a key, and with a body if there is one.
    pub(crate) async fn with_key(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = http().request(method, self.url(path)).bearer_auth(key);
        Answer::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }
}

#[test]
fn a_key_is_printed_alone_and_once() {
    let store = Store::file();
    let made = store.keys(&["create", "--name", "laptop", "--scopes", "models,admin"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = made.stdout.strip_suffix('\n').unwrap();
    let secret = key.strip_prefix("sk-alula-").and_then(|rest| rest.split_once('-')).unwrap().1;
    assert_eq!((id_of(key).len(), secret.len()), (12, 49), "{key}");
    assert!(key.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-'), "{key}");
    assert!(made.stderr.contains(id_of(key)) && made.stderr.contains("first key"), "{made:?}");
    assert!(!made.stderr.contains(secret), "{made:?}");

    let listed = store.keys(&["list"]);
    assert!(listed.stdout.contains(id_of(key)) && listed.stdout.contains("laptop"), "{listed:?}");
    let json = store.keys(&["list", "--json"]).stdout;
    assert!(!json.contains(secret), "{json}");
    let listed: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listed[0]["scopes"], json!(["models", "admin"]));
    assert_eq!(listed[0]["plan"], "free");
    assert_eq!(listed[0]["expires_at"], Value::Null);
}

#[test]
fn a_key_is_changed_and_revoked() {
    let store = Store::file();
    let key = store.key(&["--plan", "pro", "--budget-usd-per-month", "12.5", "--expires", "30d"]);
    let shown = || -> Value {
        let listed = store.keys(&["list", "--all", "--json"]).stdout;
        serde_json::from_str::<Value>(&listed).unwrap()[0].take()
    };
    let before = shown();
    assert_eq!(before["budget"], json!({"micro_usd": 12_500_000, "period": "month"}));
    assert!(
        before["expires_at"]
            .as_str()
            .is_some_and(|end| end > before["created_at"].as_str().unwrap())
    );

    let changes = ["--plan", "unlimited", "--no-budget", "--expires", "never", "--name", "new"];
    let changed = store.keys(&[&["update", id_of(&key)][..], &changes].concat());
    assert_eq!((changed.code, &*changed.stdout), (Some(0), ""), "{changed:?}");
    let after = shown();
    for (field, value) in [
        ("plan", json!("unlimited")),
        ("budget", Value::Null),
        ("expires_at", Value::Null),
        ("name", json!("new")),
        ("scopes", json!(["models"])),
        ("status", json!("active")),
    ] {
        assert_eq!(after[field], value, "{field} of {after}");
    }

    let other = store.key(&[]);
    let revoked = store.keys(&["revoke", id_of(&key), "nobody", id_of(&other)]);
    assert_eq!(revoked.code, Some(1), "one of them is not there: {revoked:?}");
    assert!(revoked.stderr.contains("there is no key \"nobody\""), "{revoked:?}");
    assert_eq!(store.keys(&["list"]).stdout, "", "both are revoked");
    let again = store.keys(&["update", id_of(&key), "--plan", "free"]);
    assert!(again.code == Some(1) && again.stderr.contains("revoked"), "{again:?}");
}

#[test]
fn what_makes_no_sense_is_said() {
    let store = Store::file();
    fs::write(store.dir().join("alula.toml"), "[plans.team]\nrequests_per_minute = 9\n").unwrap();
    store.key(&["--plan", "team"]);
    let key = store.key(&[]);
    let cases: [(&[&str], &str); 9] = [
        (
            &["--plan", "gold"],
            "there is no plan \"gold\", but there are free, pro, team, unlimited",
        ),
        (&["--scopes", "root"], "there is no scope \"root\", but there are models, admin, tools"),
        (&["--expires", "tomorrow"], "30d"),
        (&["--budget-usd-total=-1"], "--budget-usd-total"),
        (&["--budget-usd-total", "1e3"], "dollars"),
        (&["--budget-usd-total", "1", "--budget-usd-per-day", "1"], "cannot be used with"),
        (&["--name", ""], "a name has"),
        (&["--name", "a\nb"], "a name has"),
        (&["--no-budget", "--budget-usd-total", "1"], "cannot be used with"),
    ];
    for (options, says) in cases {
        let update = [&["update", id_of(&key)], options].concat();
        let ended = store.keys(&update);
        assert_eq!(ended.code, Some(2), "{options:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "no {says} in {ended:?}");
    }
    let nothing = store.keys(&["update", id_of(&key)]);
    assert!(nothing.code == Some(2) && nothing.stderr.contains("nothing is to be"), "{nothing:?}");

    let memory = alula(&["keys", "create", "--name", "a"]).end();
    assert_eq!(memory.code, Some(2), "{memory:?}");
    assert!(memory.stderr.contains("in memory"), "{memory:?}");
}

#[tokio::test]
async fn an_administrator_looks_after_keys() {
    let store = Store::file();
    let alula = store.over(serve()).listen();
    // Without keys, being on this machine is enough to make the first one.
    let body = json!({"name": "root", "scopes": ["admin"], "plan": "unlimited"});
    let root = alula.post("/admin/keys", &body).await.is(201);
    let root = root["key"].as_str().unwrap();
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        alula.with_key(root, method, path, body.as_ref()).await
    };
    alula.logged("alula::audit: a key was created key=");
    alula.logged("by=this machine");

    let budget = json!({"micro_usd": 5, "period": "day"});
    let body = json!({"name": "a", "budget": budget, "expires_at": "2100-01-01T00:00:00Z"});
    let made = ask("POST", "/admin/keys", Some(body)).await.is(201);
    alula.logged(&format!("by={}", id_of(root)));
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert_eq!((id_of(key), &made["budget"]), (id, &budget));
    let path = format!("/admin/keys/{id}");
    let shown = ask("GET", &path, None).await.is(200);
    assert_eq!(shown["expires_at"], "2100-01-01T00:00:00.000Z");
    assert_eq!(shown.get("key"), None, "it is shown once");
    alula.with_key(key, "GET", "/v1/models", None).await.is(200);

    let change = json!({"budget": null, "plan": "pro"});
    let changed = ask("PATCH", &path, Some(change)).await.is(200);
    assert_eq!((&changed["budget"], &changed["plan"]), (&Value::Null, &json!("pro")));
    assert_eq!(changed["expires_at"], shown["expires_at"], "what is absent stays");
    let change = json!({"expires_at": null});
    assert_eq!(ask("PATCH", &path, Some(change)).await.is(200)["expires_at"], Value::Null);

    for (wrong, status) in [
        (json!({"plan": "gold"}), 422),
        (json!({"colour": "red"}), 422),
        (json!({"scopes": []}), 422),
        (json!({"scopes": ["root"]}), 422),
        (json!({"name": ""}), 422),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}), 422),
        (json!({"expires_at": "soon"}), 422),
        (json!({"budget": {"micro_usd": -1, "period": "day"}}), 422),
        (json!({"budget": {"micro_usd": 1, "period": "week"}}), 422),
        (json!({}), 422),
    ] {
        let refused = ask("PATCH", &path, Some(wrong.clone())).await;
        assert_eq!(refused.status, status, "{wrong}: {refused:?}");
    }
    for _ in 0..2 {
        assert_eq!(ask("DELETE", &path, None).await.status, 204, "it can be said twice");
    }
    assert_eq!(ask("GET", &path, None).await.is(200)["status"], "revoked");
    assert_eq!(alula.with_key(key, "GET", "/v1/models", None).await.status, 401, "at once");
    ask("PATCH", &path, Some(json!({"name": "b"}))).await.detail(409);
    ask("GET", "/admin/keys/nobody", None).await.detail(404);
    ask("DELETE", "/admin/keys/AAAAAAAAAAAA", None).await.detail(404);
}

#[tokio::test]
async fn a_list_of_keys_comes_in_pages() {
    let store = Store::file();
    let root = store.key(&["--scopes", "admin"]);
    let alula = store.over(serve()).listen();
    for number in 0..4 {
        let body = json!({"name": number.to_string()});
        alula.with_key(&root, "POST", "/admin/keys", Some(&body)).await.is(201);
    }
    let (mut names, mut path) = (Vec::new(), "/admin/keys?limit=2".to_owned());
    loop {
        let page = alula.with_key(&root, "GET", &path, None).await.is(200);
        names.extend(page["data"].as_array().unwrap().iter().map(|key| key["name"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/admin/keys?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["3", "2", "1", "0", "test"].map(Value::from));
    for wrong in ["limit=0", "limit=1001", "limit=many"] {
        let path = format!("/admin/keys?{wrong}");
        assert_eq!(alula.with_key(&root, "GET", &path, None).await.status, 422, "{wrong}");
    }
    alula.with_key(&root, "GET", "/admin/keys?cursor=nobody", None).await.detail(404);
}

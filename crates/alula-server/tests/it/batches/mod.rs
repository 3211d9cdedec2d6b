//! Thousands of questions at once.

mod failures;

use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    crowd::{Crowd, Mood},
    jobs::commands_are_true,
    keyed::{keys, until},
    process::{Alula, Start, serve_openai},
    upstream::{Upstream, answer},
    webhooks::{SECRET, header, verified},
};

/// A batch with these messages.
fn batch<T: ToString>(messages: impl IntoIterator<Item = T>) -> Value {
    let requests = messages.into_iter().map(|it| json!({"message": it.to_string()}));
    json!({"requests": requests.collect::<Vec<_>>()})
}

/// Where a batch is that was accepted.
async fn accepted(alula: &Alula, batch: &Value) -> String {
    let accepted = alula.post("/batches", batch).await.is(202);
    accepted["url"].as_str().unwrap().to_owned()
}

/// A batch, once it has ended.
async fn ended(alula: &Alula, url: &str) -> Value {
    alula.follow(url, None).await.rest().await;
    alula.get(url).await.is(200)
}

/// The lines of the results of a batch.
async fn results(alula: &Alula, url: &str) -> Vec<Value> {
    let answer = alula.get(&format!("{url}/results")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/jsonl"));
    assert!(answer.text.is_empty() || answer.text.ends_with('\n'));
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn command(alula: &Alula, url: &str, name: &str) -> Answer {
    alula.post(&format!("{url}/{name}"), &json!({})).await
}

fn crowded(crowd: &Crowd) -> Start {
    serve_openai(crowd.url()).env("ALULA_ATTEMPTS", "1")
}

#[tokio::test]
async fn answers_and_errors_are_in_the_order_of_the_questions() {
    let crowd = Crowd::start().await;
    let alula = crowded(&crowd).listen();
    let answer = alula.post("/batches", &batch(["a", "wrong", "c"])).await;
    let accepted = answer.is(202);
    let id = accepted["batch_id"].as_str().unwrap();
    let url = format!("/batches/{id}");
    let expected = json!({"batch_id": id, "url": url, "status": "running", "total": 3,
        "durable": false});
    assert_eq!(accepted, expected);
    assert_eq!((answer.header("location"), answer.header("retry-after")), (&*url, "1"));

    let ended = ended(&alula, &url).await;
    assert_eq!((&ended["status"], &ended["url"]), (&json!("completed"), &json!(url)));
    assert_eq!(ended["progress"], json!({"done": 3, "total": 3}));
    let counts = json!({"queued": 0, "running": 0, "succeeded": 2, "failed": 1, "cancelled": 0});
    assert_eq!(ended["counts"], counts);
    for moment in ["created_at", "finished_at"] {
        assert!(ended[moment].as_str().unwrap().ends_with('Z'), "{ended}");
    }

    let lines = results(&alula, &url).await;
    let [first, wrong, last] = &lines[..] else { panic!("{lines:?}") };
    let plain = alula.post("/chat", &json!({"message": "a"})).await.is(200);
    let line = json!({"index": 0, "status": "succeeded", "attempts": 1, "http_status": 200,
        "response": plain});
    assert_eq!(*first, line);
    let plain = alula.post("/chat", &json!({"message": "wrong"})).await.is(400);
    let line = json!({"index": 1, "status": "failed", "attempts": 1, "http_status": 400,
        "error": plain});
    assert_eq!(*wrong, line);
    assert_eq!((&last["index"], &last["response"]["response"]), (&json!(2), &json!("c")));
}

#[tokio::test]
async fn the_page_of_the_book_is_true() {
    let page = include_str!("../../../../../docs/how-to/batches.md");
    assert_eq!(commands_are_true(page).await, 1);
}

#[tokio::test]
async fn batches_are_listed_apart_from_jobs() {
    let crowd = Crowd::start().await;
    let alula = crowded(&crowd).listen();
    let mut urls = Vec::new();
    for count in 1..=3 {
        urls.insert(0, accepted(&alula, &batch(0..count)).await);
        ended(&alula, &urls[0]).await;
    }
    crowd.set(Mood::Waits);
    urls.insert(0, accepted(&alula, &batch(["a"])).await);
    let job = alula.accepted("/chat", &json!({"message": "b"})).await;

    let list = async |query: &str| alula.get(&format!("/batches?{query}")).await.is(200);
    let listed = |page: &Value| -> Vec<String> {
        let batches = page["batches"].as_array().unwrap().iter();
        batches.map(|batch| batch["url"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("limit=3").await;
    assert_eq!(listed(&first), urls[..3]);
    assert_eq!(first["batches"][1]["progress"], json!({"done": 3, "total": 3}));
    let rest = list(&format!("limit=3&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!((listed(&rest), &rest["next"]), (urls[3..].to_vec(), &Value::Null));
    assert_eq!(listed(&list("status=running").await), urls[..1]);
    assert_eq!(listed(&list("status=completed").await), urls[1..]);
    for wrong in ["limit=0", "limit=101", "status=failed", "after=x"] {
        alula.get(&format!("/batches?{wrong}")).await.is(422);
    }

    let jobs = alula.get("/jobs").await.is(200);
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
    let (batch_id, job_id) = (&urls[0]["/batches/".len()..], &job["/jobs/".len()..]);
    assert_eq!(alula.get(&format!("/jobs/{batch_id}")).await.detail(404), "There is no such job");
    for url in [format!("/batches/{job_id}"), "/batches/x".to_owned()] {
        for below in ["", "/events", "/results"] {
            let answer = alula.get(&format!("{url}{below}")).await;
            assert_eq!(answer.detail(404), "There is no such batch");
        }
        for name in ["cancel", "retry"] {
            assert_eq!(command(&alula, &url, name).await.detail(404), "There is no such batch");
        }
    }
}

#[tokio::test]
async fn a_batch_is_followed_stopped_and_finished() {
    let crowd = Crowd::start().await;
    let alula = crowded(&crowd).env("ALULA_JOBS_RUNNING_MAX", "2").listen();
    let url = accepted(&alula, &batch(["wrong", "b"])).await;
    assert_eq!(ended(&alula, &url).await["counts"]["failed"], 1);
    crowd.set(Mood::Waits);
    let url = accepted(&alula, &batch(["a", "b", "wrong", "d", "e"])).await;
    until("two are asked", async || crowd.asked().len() == 4).await;
    let mut stream = alula.follow(&url, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!((&*first.name, &first.json()["progress"]["done"]), ("status", &json!(0)));
    let running = json!({"queued": 3, "running": 2, "succeeded": 0, "failed": 0, "cancelled": 0});
    assert_eq!(first.json()["counts"], running);
    assert_eq!(results(&alula, &url).await, [] as [Value; 0]);
    assert_eq!(command(&alula, &url, "retry").await.detail(409), "The batch is running");

    assert_eq!(command(&alula, &url, "cancel").await.is(200)["status"], "cancelled");
    let events = stream.rest().await;
    let last = events.last().unwrap();
    assert_eq!((&*last.name, &last.json()["counts"]["cancelled"]), ("status", &json!(5)));
    assert_eq!(command(&alula, &url, "cancel").await.is(200)["status"], "cancelled");
    let lines = results(&alula, &url).await;
    assert_eq!(lines[4], json!({"index": 4, "status": "cancelled", "attempts": 0}));

    // All are asked anew, and of those only what has failed again.
    crowd.set(Mood::Answers);
    assert_eq!(command(&alula, &url, "retry").await.is(202)["status"], "running");
    assert_eq!(ended(&alula, &url).await["counts"]["succeeded"], 4);
    command(&alula, &url, "retry").await.is(202);
    let once_more = ended(&alula, &url).await;
    assert_eq!(
        (&once_more["status"], &once_more["counts"]["failed"]),
        (&json!("completed"), &json!(1))
    );
    let asked = |question: &str| crowd.asked().iter().filter(|asked| *asked == question).count();
    assert_eq!((crowd.answered()["d"], asked("d")), (1, 1));
    assert_eq!(command(&alula, &url, "cancel").await.detail(409), "The batch is completed");

    let all = accepted(&alula, &batch(["x"])).await;
    ended(&alula, &all).await;
    let refused = command(&alula, &all, "retry").await;
    assert_eq!(refused.detail(409), "Every request of the batch has succeeded");
}

#[tokio::test]
async fn who_comes_back_hears_only_what_is_new() {
    let crowd = Crowd::start().await;
    let alula = crowded(&crowd).listen();
    crowd.set(Mood::Waits);
    let url = accepted(&alula, &batch(["a", "b"])).await;
    let mut stream = alula.follow(&url, None).await;
    let first = stream.next().await.unwrap();
    drop(stream);
    crowd.set(Mood::Answers);
    ended(&alula, &url).await;
    let rest = alula.follow(&url, Some(&first.id)).await.rest().await;
    let [last] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!((&*last.name, &last.json()["status"]), ("status", &json!("completed")));
    let events = http().get(alula.url(&format!("{url}/events")));
    let again = Answer::of(events.header("last-event-id", &last.id)).await;
    assert_eq!((again.status, &*again.text), (204, ""));
}

#[tokio::test]
async fn what_is_wrong_is_told_before_any_of_it_is_accepted() {
    let crowd = Crowd::start().await;
    crowd.set(Mood::Waits);
    let alula = crowded(&crowd)
        .env("ALULA_BATCH_REQUESTS_MAX", "5")
        .env("ALULA_BATCH_BYTES_MAX", "1000")
        .env("ALULA_JOBS_QUEUED_MAX", "6")
        .env("ALULA_JOBS_RUNNING_MAX", "0")
        .listen();
    let locs = |answer: &Answer| answer.is(422)["detail"][0]["loc"].clone();
    let ask = async |body: &Value| alula.post("/batches", body).await;
    assert_eq!(locs(&ask(&json!({"requests": []})).await), json!(["body", "requests"]));
    assert_eq!(locs(&ask(&json!([{"message": "a"}])).await), json!(["body"]));
    let many = ask(&batch(0..6)).await;
    let told = "List should have at most 5 items after validation, not 6";
    assert_eq!(many.is(422)["detail"][0]["msg"], told);
    let mut wrong = batch(0..3);
    wrong["requests"][1] = json!({"message": "a", "temperature": 9});
    let place = json!(["body", "requests", 1, "temperature"]);
    assert_eq!(locs(&ask(&wrong).await), place);
    wrong["requests"][1] = json!({"message": "a", "callback_url": "https://example.com"});
    let place = json!(["body", "requests", 1, "callback_url"]);
    assert_eq!(locs(&ask(&wrong).await), place);
    let mut told = batch(0..3);
    told["callback_url"] = json!("https://example.com");
    assert_eq!(locs(&ask(&told).await), json!(["body", "callback_url"]), "no secret is set");
    assert_eq!(ask(&batch(["x".repeat(1000)])).await.status, 413);
    let list = alula.get("/batches").await.is(200);
    assert_eq!(list, json!({"batches": [], "next": null}));

    // Each request is a job.
    ask(&batch(0..4)).await.is(202);
    let full = ask(&batch(0..3)).await;
    assert_eq!(full.detail(503), "Too many jobs wait for their turn");
    assert_ne!(full.header("retry-after"), "");
    ask(&batch(0..2)).await.is(202);
    let job = alula.later("/chat", &json!({"message": "a"}), "respond-async").await;
    assert_eq!(job.status, 503);
}

#[tokio::test]
async fn a_key_has_its_own_batches_and_so_many_jobs() {
    let crowd = Crowd::start().await;
    let alula = crowded(&crowd)
        .env("ALULA_JOBS_PER_KEY_MAX", "3")
        .env("ALULA_JOBS_RUNNING_MAX", "0")
        .listen();
    let wish = json!({"name": "a", "scopes": ["models"], "plan": "unlimited"});
    let [mine, other] = keys(&alula, [wish.clone(), wish]).await;
    let ask = async |key: &str, method: &str, path: &str, body: Option<Value>| {
        alula.with_key(key, method, path, body.as_ref()).await
    };
    let kept = ask(&mine, "POST", "/batches", Some(batch(0..2))).await.is(202);
    let refused = ask(&mine, "POST", "/batches", Some(batch(0..2))).await;
    assert_eq!(refused.detail(429), "This key may have 3 jobs that have not ended");
    let never = ask(&mine, "POST", "/batches", Some(batch(0..4))).await;
    assert_eq!(never.is(422)["detail"][0]["ctx"]["max_length"], 3);
    ask(&other, "POST", "/batches", Some(batch(0..3))).await.is(202);

    let url = kept["url"].as_str().unwrap();
    for below in ["", "/events", "/results"] {
        ask(&other, "GET", &format!("{url}{below}"), None).await.is(404);
    }
    for name in ["cancel", "retry"] {
        ask(&other, "POST", &format!("{url}/{name}"), None).await.is(404);
    }
    let listed = ask(&mine, "GET", "/batches", None).await.is(200);
    assert_eq!(listed["batches"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_that_is_sent_twice_is_one() {
    let crowd = Crowd::start().await;
    let alula = crowded(&crowd).listen();
    let send = async |body: &Value| {
        let request = http().post(alula.url("/batches")).header("idempotency-key", "monday");
        Answer::of(request.json(body)).await
    };
    let first = send(&batch(0..3)).await;
    let second = send(&batch(0..3)).await;
    assert_eq!((first.is(202), second.header("idempotency-replayed")), (second.is(202), "true"));
    assert_eq!(second.header("location"), first.header("location"));
    send(&batch(0..2)).await.is(422);
    let list = alula.get("/batches").await.is(200);
    assert_eq!(list["batches"].as_array().unwrap().len(), 1);
    ended(&alula, first.header("location")).await;
    assert_eq!(crowd.answers(), 3);
}

#[tokio::test]
async fn a_batch_that_is_forgotten_is_executed_when_it_is_sent_again() {
    let crowd = Crowd::start().await;
    let alula = crowded(&crowd).env("ALULA_JOBS_KEPT_SECONDS", "0.2").listen();
    let send = async || {
        let request = http().post(alula.url("/batches")).header("idempotency-key", "monday");
        Answer::of(request.json(&batch(["a"]))).await
    };
    let first = send().await;
    let url = first.header("location");
    until("it is forgotten", async || alula.get(url).await.status == 404).await;
    let second = send().await;
    assert_ne!((second.is(202), second.header("location")), (first.is(202), url));
    until("it is asked", async || crowd.answers() == 2).await;
}

#[tokio::test]
async fn the_end_of_a_batch_is_told_once_it_has_ended() {
    let (crowd, receiver) = (Crowd::start().await, Upstream::start());
    let alula = crowded(&crowd)
        .env("ALULA_WEBHOOK_SECRET", SECRET)
        .env("ALULA_WEBHOOK_ALLOW", "127.0.0.0/8")
        .listen();
    let mut asked = batch(["a", "wrong"]);
    asked["callback_url"] = json!(receiver.url());
    let url = accepted(&alula, &asked).await;
    let call = receiver.call().await;
    let message = verified(&call, SECRET);
    let seen = ended(&alula, &url).await;
    let data = json!({"batch_id": seen["batch_id"], "url": url, "status": "completed",
        "counts": seen["counts"]});
    let expected =
        json!({"type": "batch.completed", "timestamp": seen["finished_at"], "data": data});
    assert_eq!((message, &seen["counts"]["failed"]), (expected, &json!(1)));
    assert_eq!(seen["callback"], "pending");
    let first = header(&call, "webhook-id").to_owned();
    call.answer(&answer("200 OK", "{}")).await;
    // A new end is told anew.
    command(&alula, &url, "retry").await.is(202);
    let call = receiver.call().await;
    assert_ne!(header(&call, "webhook-id"), first);
    call.answer(&answer("200 OK", "{}")).await;
    until("it is told", async || alula.get(&url).await.is(200)["callback"] == "delivered").await;
}

/// Who waits for one answer does not wait for a batch that came before.
#[tokio::test]
async fn a_single_job_goes_before_those_of_a_batch() {
    let crowd = Crowd::start().await;
    crowd.set(Mood::Waits);
    let alula = crowded(&crowd).env("ALULA_JOBS_RUNNING_MAX", "1").listen();
    let url = accepted(&alula, &batch(["one", "two", "three"])).await;
    until("the first is asked", async || crowd.asked().len() == 1).await;
    alula.accepted("/chat", &json!({"message": "single"})).await;
    crowd.set(Mood::Answers);
    ended(&alula, &url).await;
    assert_eq!(crowd.asked(), ["one", "single", "two", "three"]);
}

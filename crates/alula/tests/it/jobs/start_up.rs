//! What stops an application with jobs from starting, and what it says then.

use alula::{
    Axum, ClientAddr, Operation, Rejection, RequestContext, SecurityScopes,
    jobs::{Args, JobContext, Jobs, Queue},
    prelude::*,
};

use super::queue;

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct Agent {
    user_agent: String,
}

/// An input of the program's own.
struct Tenant;

impl alula::Input for Tenant {
    type Plan = ();

    fn plan(operation: &mut Operation<'_>) {
        operation.needs_request("the header `x-tenant`");
    }

    async fn extract((): &(), _: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(Self)
    }
}

#[dependency]
async fn of_a_request(
    _: Header<Agent>,
    _: Option<Bearer>,
    _: Bytes,
    _: ClientAddr,
    _: ResponseHead,
    _: SecurityScopes,
    _: Axum<axum::extract::RawQuery>,
    _: Tenant,
) -> u32 {
    1
}

#[dependency(scopes = ["documents:write"])]
async fn behind_it(_: Depends<of_a_request>) -> u32 {
    2
}

#[job]
async fn embed(_: String, _store: Depends<behind_it>) {}

#[tokio::test]
async fn a_job_that_needs_a_request_is_named_with_all_that_it_reads() {
    let app = || App::new("x", "1").job(embed);
    let with_queue = app().jobs(queue().await).override_dependency::<of_a_request>(|| 3);
    let error = with_queue.openapi().unwrap_err().to_string();
    for what in [
        "Agent` from header parameters",
        "a credential",
        "a body",
        "the address of its client",
        "the head of its answer",
        "what its caller may do",
        "RawQuery`",
        "the header `x-tenant`",
    ] {
        let lines = error.lines().filter(|line| {
            line.contains("  - job `embed.v1`: it reads ")
                && line.ends_with(&format!("{what}, but a job has no request"))
        });
        assert_eq!(lines.count(), 1, "{what}: {error}");
    }
}

#[tokio::test]
async fn what_replaces_a_dependency_has_no_request_either() {
    #[dependency]
    async fn plain() -> u32 {
        1
    }
    #[job]
    async fn index(_: (), _: Depends<plain>) {}
    let app = App::new("x", "1").jobs(queue().await).job(index);
    let error = app.override_dependency_with::<plain, behind_it>().openapi().unwrap_err();
    assert!(
        error.to_string().contains("job `index.v1`: it reads the header `x-tenant`"),
        "{error}"
    );
}

#[tokio::test]
async fn two_jobs_of_one_name_stop_the_start() {
    mod old {
        #[alula::job(name = "embed.v1")]
        pub(super) async fn other(_: u32) {}
    }
    #[job]
    async fn embed(_: u32) {}
    let app = App::new("x", "1").jobs(queue().await).job(embed).job(old::other);
    let error = app.openapi().unwrap_err().to_string();
    assert!(error.contains("jobs: it has two handlers of the name `embed.v1`"), "{error}");
}

#[tokio::test]
async fn a_job_needs_a_queue_its_states_and_times_that_are_some() {
    #[job]
    async fn index(_: (), _: State<u64>) {}
    let error = App::new("x", "1").job(index).openapi().unwrap_err().to_string();
    assert!(error.contains("job `index.v1`: it uses `State<u64>`"), "{error}");
    assert!(error.contains("no queue for them; add `.jobs(queue)`"), "{error}");

    let app = App::new("x", "1").state(1_u64).jobs(queue().await).job(index);
    let app = app.job_schedule("index", "61 * * * *", index, ());
    let error = app.openapi().unwrap_err().to_string();
    assert!(error.contains("jobs: the times `61 * * * *` of its schedule `index`"), "{error}");
}

#[tokio::test]
async fn a_queue_may_come_with_the_lifespan() {
    #[job]
    async fn index(_: ()) {}
    let app = || {
        let app = App::new("x", "1").job(index);
        app.lifespan(|startup| async { Ok(startup.state(Jobs::new(queue().await))) })
    };
    app().openapi().unwrap();
    let client = app().client().await;
    let id = client.jobs().enqueue(index, ()).await.unwrap().id;
    client.jobs().run_all().await;
    assert!(super::get(&client, id).await.state.is_final());
}

#[tokio::test]
async fn inputs_of_jobs_are_for_jobs() {
    async fn here(_: JobContext) {}
    async fn there(_: Args<String>) {}
    let app = App::new("x", "1").route(get("/a", here)).route(get("/b", there));
    let error = app.openapi().unwrap_err().to_string();
    assert!(error.contains("GET /a: a `JobContext` is for functions with `#[job]`"), "{error}");
    assert!(error.contains("GET /b: `Args<T>` is for functions with `#[job]`"), "{error}");

    async fn enqueues(_: Jobs) {}
    let error = App::new("x", "1").route(get("/", enqueues)).openapi().unwrap_err();
    assert!(error.to_string().contains("jobs::enqueue::Jobs"), "{error}");
}

#[tokio::test]
async fn jobs_of_an_app_that_is_mounted_are_nobodys() {
    #[job]
    async fn index(_: ()) {}
    let mounted = App::new("inner", "1").jobs(queue().await).job(index);
    let error = App::new("x", "1").mount("/inner", mounted).openapi().unwrap_err().to_string();
    assert!(error.contains("the app mounted at `/inner` has jobs"), "{error}");
}

#[tokio::test]
async fn jobs_are_not_in_the_document() {
    #[job]
    async fn index(_: Agent) {}
    let without = App::new("x", "1").openapi().unwrap();
    let with = App::new("x", "1").jobs(queue().await).job(index).openapi().unwrap();
    assert_eq!(with, without);
}

#[tokio::test]
async fn a_worker_needs_a_job() {
    let queue: Queue = queue().await;
    let shutdown = alula::Shutdown::new();
    let error = App::new("x", "1").jobs(queue).run_worker_until(shutdown).await.unwrap_err();
    assert!(error.to_string().contains("the app has no job to do; add `.job(…)`"), "{error}");
}

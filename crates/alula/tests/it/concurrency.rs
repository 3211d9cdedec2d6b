//! Dependencies of which there are only so many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use alula::prelude::*;
use futures_util::{StreamExt as _, future::join_all, stream};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Count {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One of two, until its exit has run.
#[dependency(max_concurrency = 2)]
async fn gpu(count: State<Count>, scope: Scope) -> u8 {
    let now = count.now.fetch_add(1, SeqCst) + 1;
    count.most.fetch_max(now, SeqCst);
    scope.on_exit(|_| async move {
        tokio::task::yield_now().await;
        count.now.fetch_sub(1, SeqCst);
    });
    7
}

#[get("/embed")]
async fn embed(gpu: Depends<gpu>) -> Json<u8> {
    sleep(SECOND).await;
    Json(*gpu)
}

#[get("/also")]
async fn also(_gpu: Depends<gpu>, _again: Depends<gpu>) -> Json<u8> {
    sleep(SECOND).await;
    Json(1)
}

fn app(count: &Arc<Count>) -> App {
    App::new("Gpu", "1.0.0").shared_state(count.clone()).routes(routes![embed, also])
}

#[tokio::test(start_paused = true)]
async fn no_more_values_than_the_limit_live_at_a_time() {
    let count = Arc::new(Count::default());
    let client = app(&count).client().await;
    let start = Instant::now();
    let paths = ["/embed", "/also", "/embed", "/also", "/embed"];
    let responses = join_all(paths.map(|path| async { client.get(path).await })).await;
    assert!(responses.iter().all(|response| response.status() == 200));
    assert_eq!(count.most.load(SeqCst), 2, "the limit is that of the app, not of a route");
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_apps_share_nothing() {
    let count = Arc::new(Count::default());
    let (one, other) = (app(&count).client().await, app(&count).client().await);
    let start = Instant::now();
    let requests = [&one, &one, &other, &other].map(|client| async { client.get("/embed").await });
    join_all(requests).await;
    assert_eq!((count.most.load(SeqCst), start.elapsed().as_secs()), (4, 1));
}

#[dependency(max_concurrency = 1)]
async fn only_one() {}

#[tokio::test(start_paused = true)]
async fn a_stream_holds_its_slot_until_it_ends() {
    async fn ticks(only: Depends<only_one>) -> Sse<impl Stream<Item = u8>> {
        Sse::new(stream::iter(0..3).then(move |tick| {
            let only = only.clone();
            async move {
                sleep(SECOND).await;
                drop(only);
                tick
            }
        }))
    }
    let client = App::new("One", "1.0.0").route(get("/", ticks)).client().await;
    let start = Instant::now();
    tokio::join!(async { client.get("/").await }, async { client.get("/").await });
    assert_eq!(start.elapsed().as_secs(), 6);
}

/// An hour with the only one.
async fn long(_only: Depends<only_one>) {
    sleep(3600 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_bounds_the_wait() {
    let app = App::new("One", "1.0.0").route(get("/long", long));
    let client = app.route(get("/short", long).timeout(SECOND)).client().await;
    let first = client.get("/long").stream();
    let second = async {
        tokio::task::yield_now().await;
        let start = Instant::now();
        let response = client.get("/short").stream().await;
        (response.status().as_u16(), start.elapsed().as_secs())
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second, (504, 1));
    assert_eq!(first.status(), 204);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_gives_up_its_slot_or_its_place_in_the_queue() {
    let client = App::new("One", "1.0.0").route(get("/", long)).client().await;
    let start = Instant::now();
    let leave = |seconds: u32| tokio::time::timeout(seconds * SECOND, client.get("/").stream());
    let last = async {
        sleep(SECOND).await;
        client.get("/").await
    };
    let (holder, waiting, last) = tokio::join!(leave(3), leave(2), last);
    assert!(holder.is_err() && waiting.is_err());
    assert_eq!(last.status(), 204);
    assert_eq!(start.elapsed().as_secs(), 3603);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_gives_its_slot_back() {
    #[dependency(max_concurrency = 1)]
    async fn refused() -> Result<()> {
        Err(HttpError::forbidden("no"))
    }
    #[dependency(max_concurrency = 1)]
    async fn panics() {
        panic!("at the disco");
    }
    async fn one(_refused: Depends<refused>) {}
    async fn two(_panics: Depends<panics>) {}
    let app = App::new("One", "1.0.0").timeout(SECOND).route(get("/1", one));
    let client = app.route(get("/2", two)).client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/1").await.status(), 403);
        assert_eq!(client.get("/2").await.status(), 500);
    }
}

#[tokio::test(start_paused = true)]
async fn what_replaces_a_dependency_takes_no_slot_of_it() {
    let app = App::new("One", "1.0.0").route(get("/", long));
    let client = app.override_dependency::<only_one>(|| ()).client().await;
    let start = Instant::now();
    tokio::join!(async { client.get("/").await }, async { client.get("/").await });
    assert_eq!(start.elapsed().as_secs(), 3600);
}

#[test]
fn a_limit_of_zero_stops_the_start() {
    #[dependency(max_concurrency = 0)]
    async fn none() {}
    async fn handler(_none: Depends<none>) {}
    let error = App::new("None", "1.0.0").route(get("/", handler)).openapi().unwrap_err();
    assert!(error.to_string().contains("a `max_concurrency` of 0"), "{error}");
}

use alula_jobs::{NewBatch, StoreError, store::Filter};

use super::*;

async fn children_of(store: &dyn Store, parent: JobId) -> (u64, u64) {
    let filter = Filter { parent: Some(parent), ..Filter::default() };
    let counts = store.count(&filter).await.unwrap();
    (counts.ended(), counts.total())
}

#[tokio::test]
async fn what_follows_a_batch_waits_for_all_of_it() {
    on_each(async |store| {
        let children: Vec<NewJob> = ["a", "b", "c"].map(job).into();
        let batch = NewBatch::new(children).then(Step::new("join"), &"all").unwrap();
        store.enqueue_batch(&batch, NOW).await.unwrap();
        store.enqueue_batch(&batch, NOW).await.unwrap();
        let same = NewBatch::new(vec![job("a")]).with_id(batch.id());
        store.enqueue_batch(&same, NOW).await.unwrap();
        assert_eq!(state(store, batch.id()).await, JobState::Waiting);
        let claims = claim(store, "w", 9, NOW).await;
        assert_eq!(claims.len(), 3);
        finish(store, done(&claims[0], "1"), NOW).await;
        let failed = Next::Fail { error: "no".to_owned(), result: None };
        finish(store, End { claim: claims[1].clone(), next: failed }, NOW).await;
        assert_eq!(children_of(store, batch.id()).await, (2, 3));
        let failed = Filter { states: &[JobState::Failed], ..Filter::default() };
        assert!(store.list(&failed).await.unwrap().is_empty());
        let found = store.list(&Filter { with_children: true, ..failed }).await.unwrap();
        assert_eq!(found.iter().map(|job| job.id).collect::<Vec<_>>(), [claims[1].held.id]);
        assert!(claim(store, "w", 9, NOW).await.is_empty());
        finish(store, done(&claims[2], "3"), NOW).await;

        let join = claim_one(store, NOW).await;
        assert_eq!((join.held.id, join.step.name.as_str()), (batch.id(), "join"));
        assert_eq!(join.args.get(), "\"all\"");
        finish(store, done(&join, "joined"), NOW).await;
        assert_eq!(state(store, batch.id()).await, JobState::Succeeded);
    })
    .await;
}

#[tokio::test]
async fn the_last_two_that_end_together_let_the_batch_go_on() {
    on_each(async |store| {
        for _ in 0..20 {
            let batch = NewBatch::new(vec![job("a"), job("b")]);
            store.enqueue_batch(&batch, NOW).await.unwrap();
            let claims = claim(store, "w", 2, NOW).await;
            let ends = claims.iter().map(|claim| finish(store, done(claim, "x"), NOW));
            assert_eq!(futures_util::future::join_all(ends).await, [true, true]);
            assert_eq!(state(store, batch.id()).await, JobState::Succeeded);
        }
    })
    .await;
}

#[tokio::test]
async fn a_step_fans_out_and_goes_on_when_all_have_ended() {
    on_each(async |store| {
        let parent = job("a").then(Step::new("join"));
        store.enqueue(std::slice::from_ref(&parent), NOW).await.unwrap();
        let first = claim_one(store, NOW).await;
        let children = vec![job("b"), job("c")];
        let next = Next::Children { result: raw("out"), children };
        assert!(finish(store, End { claim: first, next }, NOW).await);
        assert_eq!(state(store, parent.id()).await, JobState::Waiting);
        let claims = claim(store, "w", 9, NOW).await;
        assert!(claims.iter().all(|claim| claim.parent == Some(parent.id())));
        let ends: Vec<End> = claims.iter().map(|claim| done(claim, "x")).collect();
        assert_eq!(store.finish(&ends, NOW).await.unwrap(), [true, true]);
        let join = claim_one(store, NOW).await;
        assert_eq!((join.step.name.as_str(), join.args.get(), join.number), ("join", "\"out\"", 1));
        finish(store, done(&join, "in"), NOW).await;
        assert_eq!(get(store, parent.id()).await.steps, (2, 2));
    })
    .await;
}

#[tokio::test]
async fn nothing_to_wait_for_is_no_wait() {
    on_each(async |store| {
        let parent = job("a");
        store.enqueue(std::slice::from_ref(&parent), NOW).await.unwrap();
        let claim = claim_one(store, NOW).await;
        let next = Next::Children { result: raw("none"), children: Vec::new() };
        finish(store, End { claim, next }, NOW).await;
        let seen = get(store, parent.id()).await;
        assert_eq!(seen.state, JobState::Succeeded);
        assert_eq!(seen.result::<String>().unwrap().as_deref(), Some("none"));

        let batch = NewBatch::new(Vec::new());
        store.enqueue_batch(&batch, NOW).await.unwrap();
        assert_eq!(state(store, batch.id()).await, JobState::Succeeded);
        // Nor is one for what is on its way for another one.
        store.enqueue(&[job("b").unique("b")], NOW).await.unwrap();
        let batch = NewBatch::new(vec![job("b").unique("b")]).then(Step::new("join"), &1).unwrap();
        store.enqueue_batch(&batch, NOW).await.unwrap();
        assert_eq!(state(store, batch.id()).await, JobState::Queued);
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_cancelled_and_tried_again_as_a_whole() {
    on_each(async |store| {
        let batch = NewBatch::new(vec![job("a"), job("b"), job("c")]);
        store.enqueue_batch(&batch, NOW).await.unwrap();
        let claims = claim(store, "w", 2, NOW).await;
        finish(store, done(&claims[0], "1"), NOW).await;
        assert_eq!(cancel(store, batch.id()).await, Some(JobState::Waiting));
        assert!(!finish(store, done(&claims[1], "late"), NOW).await);
        assert_eq!(children_of(store, batch.id()).await, (3, 3));
        assert!(claim(store, "w", 9, NOW).await.is_empty());

        assert_eq!(store.retry(batch.id(), NOW).await.unwrap(), Some(JobState::Cancelled));
        assert_eq!(children_of(store, batch.id()).await, (1, 3));
        for claim in claim(store, "w", 9, NOW).await {
            finish(store, done(&claim, "x"), NOW).await;
        }
        assert_eq!(state(store, batch.id()).await, JobState::Succeeded);
    })
    .await;
}

#[tokio::test]
async fn of_a_batch_only_what_failed_is_tried_again() {
    on_each(async |store| {
        let batch = NewBatch::new(vec![job("a"), job("b")]);
        store.enqueue_batch(&batch, NOW).await.unwrap();
        let claims = claim(store, "w", 2, NOW).await;
        let failed = Next::Fail { error: "no".to_owned(), result: Some(raw("why")) };
        finish(store, End { claim: claims[0].clone(), next: failed }, NOW).await;
        finish(store, done(&claims[1], "2"), NOW).await;
        assert_eq!(state(store, batch.id()).await, JobState::Succeeded);

        store.retry(batch.id(), NOW).await.unwrap();
        assert_eq!(state(store, batch.id()).await, JobState::Waiting);
        assert!(get(store, claims[0].held.id).await.result.is_none(), "it has none any more");
        let again = claim_one(store, NOW).await;
        assert_eq!(again.held.id, claims[0].held.id);
        finish(store, done(&again, "1"), NOW).await;
        assert_eq!(state(store, batch.id()).await, JobState::Succeeded);
        // There is nothing more to try.
        store.retry(batch.id(), NOW).await.unwrap();
        assert_eq!(state(store, batch.id()).await, JobState::Succeeded);
    })
    .await;
}

#[tokio::test]
async fn of_a_family_all_that_failed_is_tried_again() {
    on_each(async |store| {
        let fails = |claim: &Arc<Claim>| End {
            claim: claim.clone(),
            next: Next::Fail { error: "no".to_owned(), result: None },
        };
        let has = |children: Vec<NewJob>| Next::Children { result: raw("x"), children };
        // One child has children and no step after them, the other has one.
        let batch = NewBatch::new(vec![job("a"), job("b").then(Step::new("join"))]);
        store.enqueue_batch(&batch, NOW).await.unwrap();
        let [first, second] = &claim(store, "w", 2, NOW).await[..] else { panic!() };
        for (claim, names) in [(first, ["a", "b"]), (second, ["c", "c"])] {
            let next = has(names.map(job).into());
            finish(store, End { claim: claim.clone(), next }, NOW).await;
        }
        let claims = claim(store, "w", 4, NOW).await;
        let ends =
            [done(&claims[0], "x"), fails(&claims[1]), fails(&claims[2]), done(&claims[3], "x")];
        assert_eq!(store.finish(&ends, NOW).await.unwrap(), [true; 4]);
        let join = claim_one(store, NOW).await;
        finish(store, fails(&join), NOW).await;
        let states = async || {
            [batch.id(), first.held.id, second.held.id].map(async |id| state(store, id).await)
        };
        let states = async || futures_util::future::join_all(states().await).await;
        use JobState::{Failed, Queued, Succeeded, Waiting};
        assert_eq!(states().await, [Succeeded, Succeeded, Failed]);

        assert_eq!(store.retry(batch.id(), NOW).await.unwrap(), Some(Succeeded));
        assert_eq!(states().await, [Waiting; 3]);
        let again = claim(store, "w", 9, NOW).await;
        let ids = |claims: &[Arc<Claim>]| claims.iter().map(|it| it.held.id).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&claims[1..3]), "only those that failed");
        let ends: Vec<End> = again.iter().map(|claim| done(claim, "x")).collect();
        store.finish(&ends, NOW).await.unwrap();
        assert_eq!(states().await, [Waiting, Succeeded, Queued]);
        let join = claim_one(store, NOW).await;
        assert_eq!((join.held.id, &*join.step.name), (second.held.id, "join"));
        finish(store, done(&join, "x"), NOW).await;
        assert_eq!(states().await, [Succeeded; 3]);
    })
    .await;
}

#[tokio::test]
async fn a_child_whose_key_is_taken_is_not_tried_again() {
    on_each(async |store| {
        let children = ["a", "b", "b", "c"].map(|name| job(name).unique(name));
        let children = [&children[..2], &[job("b")], &children[3..]].concat();
        let batch = NewBatch::new(children.clone());
        store.enqueue_batch(&batch, NOW).await.unwrap();
        cancel(store, batch.id()).await;
        let other = job("a").unique("a");
        store.enqueue(std::slice::from_ref(&other), NOW).await.unwrap();
        assert_eq!(store.retry(batch.id(), NOW).await.unwrap(), Some(Cancelled));
        let states = async || {
            let states = children.iter().map(|child| state(store, child.id()));
            futures_util::future::join_all(states).await
        };
        use JobState::{Cancelled, Queued, Succeeded};
        assert_eq!(states().await, [Cancelled, Queued, Queued, Queued]);
        for claim in claim(store, "w", 9, NOW).await {
            if claim.held.id != other.id() {
                finish(store, done(&claim, "x"), NOW).await;
            }
        }
        assert_eq!(state(store, batch.id()).await, Succeeded);
        // Nothing of it can begin now, and then it can.
        let taken = store.retry(batch.id(), NOW).await;
        assert!(matches!(taken, Err(StoreError::Taken)), "{taken:?}");
        cancel(store, other.id()).await;
        store.retry(batch.id(), NOW).await.unwrap();
        assert_eq!(states().await, [Queued, Succeeded, Succeeded, Succeeded]);
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_found_by_its_queue_and_its_children_in_their_order() {
    on_each(async |store| {
        let children: Vec<NewJob> = (0..5).map(|_| job("a").owner("me")).collect();
        let ids: Vec<JobId> = children.iter().map(NewJob::id).collect();
        let batch = NewBatch::new(children).queue("batches").owner("me");
        store.enqueue_batch(&batch, NOW).await.unwrap();
        store.enqueue(&[job("a").owner("me"), job("a")], NOW).await.unwrap();

        let listed = async |filter: Filter<'_>| {
            let jobs = store.list(&filter).await.unwrap();
            jobs.iter().map(|job| job.id).collect::<Vec<_>>()
        };
        let mine = Filter { owner: Some("me"), ..Filter::default() };
        assert_eq!(listed(Filter { queue: Some("batches"), ..mine }).await, [batch.id()]);
        let of_batch = Filter { parent: Some(batch.id()), oldest_first: true, ..mine };
        assert_eq!(listed(Filter { limit: 3, ..of_batch }).await, ids[..3]);
        assert_eq!(listed(Filter { after: Some(ids[2]), ..of_batch }).await, ids[3..]);

        let finished = claim(store, "w", 1, NOW).await;
        finish(store, done(&finished[0], "x"), NOW).await;
        let open = [JobState::Waiting, JobState::Scheduled, JobState::Queued, JobState::Running];
        let open = Filter { states: &open, ..mine };
        let total = async |filter: Filter<'_>| store.count(&filter).await.unwrap().total();
        assert_eq!(total(open).await, 2, "the batch and the job");
        assert_eq!(total(Filter { with_children: true, ..open }).await, 6);
        assert_eq!(total(Filter { with_children: true, ..mine }).await, 7);
        assert_eq!(total(Filter { with_children: true, ..Filter::default() }).await, 8);
    })
    .await;
}

#[tokio::test]
async fn a_large_batch_is_one_call() {
    on_each(async |store| {
        let children = (0..10_000).map(|_| job("a")).collect();
        let batch = NewBatch::new(children);
        store.enqueue_batch(&batch, NOW).await.unwrap();
        assert_eq!(children_of(store, batch.id()).await, (0, 10_000));
        store.cancel(batch.id(), NOW).await.unwrap();
        assert_eq!(children_of(store, batch.id()).await, (10_000, 10_000));
    })
    .await;
}

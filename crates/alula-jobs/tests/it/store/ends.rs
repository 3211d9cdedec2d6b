use alula_jobs::Ended;

use super::*;

/// The job whose end a claim is to tell.
fn claim_job(claim: &Claim) -> JobId {
    serde_json::from_str::<Ended>(claim.args.get()).unwrap().job
}

fn chain() -> NewJob {
    job("a").then(Step::new("b").max_attempts(2)).then(Step::new("c"))
}

#[tokio::test]
async fn a_chain_goes_on_with_the_result_of_the_step_before() {
    on_each(async |store| {
        let chain = chain();
        store.enqueue(std::slice::from_ref(&chain), NOW).await.unwrap();
        for (number, (name, args, result)) in
            [("a", "a", "1"), ("b", "1", "2"), ("c", "2", "3")].into_iter().enumerate()
        {
            let claim = claim_one(store, NOW).await;
            assert_eq!((claim.step.name.as_str(), claim.attempt), (name, 1));
            assert_eq!(claim.args.get(), raw(args).get());
            assert_eq!(usize::try_from(claim.number), Ok(number));
            assert!(finish(store, done(&claim, result), NOW).await);
        }
        let seen = get(store, chain.id()).await;
        assert_eq!((seen.state, seen.steps), (JobState::Succeeded, (3, 3)));
        assert_eq!(seen.result::<String>().unwrap().as_deref(), Some("3"));
        assert!(claim(store, "w", 1, later(99)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_step_of_a_higher_priority_goes_before_what_was_there_first() {
    on_each(async |store| {
        let jobs: Vec<NewJob> = (0..3)
            .map(|_| job("a").then(Step::new("b").priority(1)).then(Step::new("c").priority(2)))
            .collect();
        store.enqueue(&jobs, NOW).await.unwrap();
        let mut order = Vec::new();
        for _ in 0..9 {
            let claim = claim(store, "w", 1, NOW).await.remove(0);
            let place = jobs.iter().position(|job| job.id() == claim.held.id).unwrap();
            order.push((place, claim.step.name.clone(), claim.priority));
            assert!(finish(store, done(&claim, "1"), NOW).await);
        }
        let steps =
            |place| ["a", "b", "c"].map(|name| (place, name.to_owned())).into_iter().zip(0..);
        let whole = (0..3).flat_map(steps).map(|((place, name), priority)| (place, name, priority));
        assert_eq!(order, whole.collect::<Vec<_>>());
        // A step that says nothing leaves it as it is.
        let first = job("a").priority(7).then(Step::new("b"));
        store.enqueue(std::slice::from_ref(&first), NOW).await.unwrap();
        finish(store, done(&claim_one(store, NOW).await, "1"), NOW).await;
        assert_eq!(claim_one(store, NOW).await.priority, 7);
    })
    .await;
}

#[tokio::test]
async fn a_failure_in_step_two_repeats_step_two_only() {
    on_each(async |store| {
        let chain = chain();
        store.enqueue(std::slice::from_ref(&chain), NOW).await.unwrap();
        finish(store, done(&claim_one(store, NOW).await, "1"), NOW).await;
        finish(store, retry(&claim_one(store, NOW).await, later(5)), NOW).await;
        assert_eq!(state(store, chain.id()).await, JobState::Scheduled);
        assert_eq!(store.promote(9, later(5)).await.unwrap(), 1);
        let again = claim_one(store, later(5)).await;
        assert_eq!((again.step.name.as_str(), again.attempt, again.args.get()), ("b", 2, "\"1\""));
        // Its attempts are spent.
        finish(store, retry(&again, later(9)), later(5)).await;
        let dead = get(store, chain.id()).await;
        assert_eq!((dead.state, dead.error.as_deref()), (JobState::Failed, Some("no")));

        // Tried again, it goes on where it was.
        assert_eq!(store.retry(chain.id(), later(6)).await.unwrap(), Some(JobState::Failed));
        let again = claim_one(store, later(6)).await;
        assert_eq!((again.step.name.as_str(), again.attempt, again.args.get()), ("b", 1, "\"1\""));
        finish(store, done(&again, "2"), later(6)).await;
        assert_eq!(claim_one(store, later(6)).await.step.name, "c");
    })
    .await;
}

#[tokio::test]
async fn what_is_given_back_was_no_attempt() {
    on_each(async |store| {
        store.enqueue(&[job("a")], NOW).await.unwrap();
        for _ in 0..10 {
            let claim = claim_one(store, NOW).await;
            assert_eq!(claim.attempt, 1);
            let end = End { claim, next: Next::Release { at: NOW } };
            assert!(finish(store, end, NOW).await);
        }
    })
    .await;
}

#[tokio::test]
async fn a_failure_may_be_final_and_have_a_result() {
    on_each(async |store| {
        let long = format!("{}é\0", "x".repeat(9_000));
        store.enqueue(&[job("a")], NOW).await.unwrap();
        let claim = claim_one(store, NOW).await;
        let next = Next::Fail { error: long, result: Some(raw("half")) };
        assert!(finish(store, End { claim: claim.clone(), next }, NOW).await);
        let seen = get(store, claim.held.id).await;
        assert_eq!((seen.state, seen.attempts), (JobState::Failed, 1));
        assert_eq!(seen.result::<String>().unwrap().as_deref(), Some("half"));
        assert!(seen.error.as_ref().unwrap().len() <= 8 * 1024);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_job_is_its_workers_no_more() {
    on_each(async |store| {
        let (running, waiting) = (job("a"), job("b").delay(Duration::from_secs(9)));
        store.enqueue(&[running.clone(), waiting.clone()], NOW).await.unwrap();
        let claim = claim_one(store, NOW).await;
        assert_eq!(cancel(store, running.id()).await, Some(JobState::Running));
        assert_eq!(cancel(store, waiting.id()).await, Some(JobState::Scheduled));
        assert_eq!(cancel(store, JobId::new()).await, None);
        assert!(!finish(store, done(&claim, "late"), NOW).await);
        assert_eq!(store.promote(9, later(9)).await.unwrap(), 0);
        // Once more, it changes nothing.
        assert_eq!(cancel(store, running.id()).await, Some(JobState::Cancelled));

        assert_eq!(store.retry(running.id(), NOW).await.unwrap(), Some(JobState::Cancelled));
        let again = claim_one(store, NOW).await;
        assert_eq!((again.held.id, again.attempt), (running.id(), 1));
        assert!(!finish(store, done(&claim, "later"), NOW).await);
        assert!(finish(store, done(&again, "x"), NOW).await);
        assert_eq!(store.retry(running.id(), NOW).await.unwrap(), Some(JobState::Succeeded));
        assert_eq!(state(store, running.id()).await, JobState::Succeeded);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_taken_is_not_tried_again() {
    on_each(async |store| {
        let one = job("a").unique("k");
        store.enqueue(std::slice::from_ref(&one), NOW).await.unwrap();
        store.cancel(one.id(), NOW).await.unwrap();
        store.enqueue(&[job("a").unique("k")], NOW).await.unwrap();
        let refused = store.retry(one.id(), NOW).await;
        assert!(matches!(refused, Err(alula_jobs::StoreError::Taken)), "{refused:?}");
    })
    .await;
}

/// However it ends.
#[tokio::test]
async fn the_end_of_a_job_enqueues_what_follows_it_once() {
    on_each(async |store| {
        let told = |name: &str| job(name).on_end(Step::new("told"), &name).unwrap();
        let succeeds = told("a").then(Step::new("b"));
        let step = Step::new("a").max_attempts(1);
        let dies = NewJob::new(step, &1).unwrap().on_end(Step::new("told"), &"dies").unwrap();
        let cancelled = told("c").delay(Duration::from_secs(99));
        let jobs = [succeeds.clone(), dies.clone(), cancelled.clone()];
        store.enqueue(&jobs, NOW).await.unwrap();
        let claims = claim(store, "w", 2, NOW).await;
        assert_eq!([claims[0].held.id, claims[1].held.id], [succeeds.id(), dies.id()]);
        store.cancel(cancelled.id(), NOW).await.unwrap();
        store.cancel(cancelled.id(), NOW).await.unwrap();
        finish(store, done(&claims[0], "1"), NOW).await;
        let rest = claim(store, "w", 9, NOW).await;
        for claim in rest.iter().filter(|claim| claim.step.name == "b") {
            finish(store, done(claim, "2"), NOW).await;
            assert!(!finish(store, done(claim, "2"), NOW).await);
        }
        store.reap(later(31)).await.unwrap();
        store.reap(later(31)).await.unwrap();

        // Those that were told before the reaping are queued again by it.
        let mut ends = Vec::new();
        for claim in claim(store, "w", 9, later(32)).await {
            assert_eq!(claim.step.name, "told");
            assert_eq!(get(store, claim_job(&claim)).await.follower, Some(claim.held.id));
            let ended: Ended = serde_json::from_str(claim.args.get()).unwrap();
            ends.push((ended.job, ended.state, ended.context.get().to_owned()));
        }
        ends.sort_unstable_by_key(|end| end.0);
        let mut expected = [
            (succeeds.id(), JobState::Succeeded, "\"a\"".to_owned()),
            (dies.id(), JobState::Failed, "\"dies\"".to_owned()),
            (cancelled.id(), JobState::Cancelled, "\"c\"".to_owned()),
        ];
        expected.sort_unstable_by_key(|end| end.0);
        assert_eq!(ends, expected);
    })
    .await;
}

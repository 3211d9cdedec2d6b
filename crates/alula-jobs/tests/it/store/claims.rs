use alula_jobs::{
    Progress,
    store::{Held, Rate},
};

use super::*;

#[tokio::test]
async fn jobs_are_taken_once_by_priority_and_age() {
    on_each(async |store| {
        let jobs = [job("a"), job("b").priority(-1), job("c").priority(5), job("a")];
        let ids: Vec<JobId> = jobs.iter().map(NewJob::id).collect();
        let enqueued = store.enqueue(&jobs, NOW).await.unwrap();
        assert!(enqueued.iter().map(|it| it.id).eq(ids.iter().copied()));
        assert!(enqueued.iter().all(|it| it.is_new));

        let first = claim(store, "w", 2, NOW).await;
        let rest = claim(store, "w", 10, NOW).await;
        let order: Vec<JobId> = first.iter().chain(&rest).map(|claim| claim.held.id).collect();
        assert_eq!(order, [ids[2], ids[0], ids[3], ids[1]]);
        assert!(claim(store, "w", 10, NOW).await.is_empty());
        let one = &first[0];
        assert_eq!((one.step.name.as_str(), one.args.get()), ("c", "\"c\""));
        assert_eq!((one.attempt, one.number, one.priority), (1, 0, 5));
        assert_eq!(state(store, one.held.id).await, JobState::Running);
    })
    .await;
}

#[tokio::test]
async fn what_is_enqueued_again_is_there_once() {
    on_each(async |store| {
        let job = job("a");
        for is_new in [true, false] {
            let enqueued = store.enqueue(std::slice::from_ref(&job), NOW).await.unwrap();
            assert_eq!((enqueued[0].id, enqueued[0].is_new), (job.id(), is_new));
        }
        assert_eq!(claim(store, "w", 10, NOW).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_unique_job_is_on_its_way_once() {
    on_each(async |store| {
        let enqueue = async |job: NewJob| store.enqueue(&[job], NOW).await.unwrap()[0];
        let one = enqueue(job("a").unique("k")).await;
        let two = enqueue(job("a").unique("k")).await;
        assert_eq!((two.id, two.is_new), (one.id, false));
        assert!(enqueue(job("a").unique("other")).await.is_new);
        // Also within one call.
        let twins = [job("b").unique("t"), job("b").unique("t")];
        let twins = store.enqueue(&twins, NOW).await.unwrap();
        assert_eq!((twins[0].is_new, twins[1].is_new), (true, false));
        assert_eq!(twins[0].id, twins[1].id);

        let claims = claim(store, "w", 10, NOW).await;
        assert_eq!(claims.len(), 3);
        assert!(!enqueue(job("a").unique("k")).await.is_new, "while it runs");
        for claim in &claims {
            finish(store, done(claim, "x"), NOW).await;
        }
        assert!(enqueue(job("a").unique("k")).await.is_new, "after its end");
    })
    .await;
}

#[tokio::test]
async fn a_delayed_job_waits_for_its_time() {
    on_each(async |store| {
        let job = job("a").delay(Duration::from_secs(60));
        store.enqueue(std::slice::from_ref(&job), NOW).await.unwrap();
        assert_eq!(state(store, job.id()).await, JobState::Scheduled);
        assert_eq!(look(store, "default", later(59)).await, Due::default());
        assert_eq!(store.promote(10, later(59)).await.unwrap(), 0);
        assert!(look(store, "default", later(60)).await.scheduled);
        assert_eq!(store.promote(10, later(60)).await.unwrap(), 1);
        assert!(look(store, "default", later(60)).await.queued);
        assert!(!look(store, "other", later(60)).await.queued);
        assert_eq!(claim_one(store, later(60)).await.run_at, later(60));
    })
    .await;
}

#[tokio::test]
async fn jobs_of_unknown_names_and_other_queues_are_left() {
    on_each(async |store| {
        let elsewhere = NewJob::new(Step::new("a").queue("other"), &1).unwrap();
        store.enqueue(&[job("unknown"), elsewhere], NOW).await.unwrap();
        assert!(!look(store, "default", NOW).await.queued, "nobody is woken for it");
        store.enqueue(&[job("a")], NOW).await.unwrap();
        assert!(look(store, "default", NOW).await.queued);
        assert_eq!(claim_one(store, NOW).await.step.name, "a");
    })
    .await;
}

#[tokio::test]
async fn a_claim_knows_what_has_enqueued_its_job() {
    on_each(async |store| {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let jobs = [job("a").trace(trace), job("b").trace("x".repeat(257)), job("c")];
        store.enqueue(&jobs, NOW).await.unwrap();
        let claims = claim(store, "w", 3, NOW).await;
        let traces: Vec<_> = claims.iter().map(|claim| claim.trace.as_deref()).collect();
        assert_eq!(traces, [Some(trace), None, None]);
    })
    .await;
}

#[tokio::test]
async fn the_first_are_taken_whatever_their_names() {
    on_each(async |store| {
        let names = ["a", "b", "c", "a", "unknown", "b", "c", "a"];
        let mut jobs: Vec<NewJob> = names.into_iter().map(job).collect();
        jobs[6] = job("c").priority(1);
        store.enqueue(&jobs, NOW).await.unwrap();
        let mut taken = Vec::new();
        for count in [1, 2, 3, 9] {
            taken.extend(claim(store, "w", count, NOW).await.iter().map(|claim| claim.held.id));
        }
        assert_eq!(taken, [6, 0, 1, 2, 3, 5, 7].map(|place: usize| jobs[place].id()));
    })
    .await;
}

#[tokio::test]
async fn a_queue_runs_no_more_than_it_may() {
    on_each(async |store| {
        store.enqueue(&[job("a"), job("a"), job("a")], NOW).await.unwrap();
        let limits = QueueLimits { running_max: Some(2), rate: None };
        let claims = claim_limited(store, "one", 1, limits, NOW).await;
        assert_eq!(claim_limited(store, "two", 5, limits, NOW).await.len(), 1);
        assert!(claim_limited(store, "three", 5, limits, NOW).await.is_empty());
        finish(store, done(&claims[0], "x"), NOW).await;
        assert_eq!(claim_limited(store, "three", 5, limits, NOW).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_queue_begins_no_more_than_it_may() {
    on_each(async |store| {
        let jobs: Vec<NewJob> = (0..10).map(|_| job("a")).collect();
        store.enqueue(&jobs, NOW).await.unwrap();
        let rate = Rate { count: 4, per: Duration::from_secs(4) };
        let limits = QueueLimits { running_max: None, rate: Some(rate) };
        let claimed = async |count, now| claim_limited(store, "w", count, limits, now).await.len();
        assert_eq!(claimed(3, NOW).await, 3);
        assert_eq!(claimed(3, NOW).await, 1);
        assert_eq!(claimed(3, NOW).await, 0);
        assert_eq!(claimed(3, later(1)).await, 1);
        assert_eq!(claimed(9, later(100)).await, 4);
    })
    .await;
}

#[tokio::test]
async fn workers_that_come_together_share_the_jobs() {
    on_each(async |store| {
        let jobs: Vec<NewJob> = (0..200).map(|_| job("a")).collect();
        store.enqueue(&jobs, NOW).await.unwrap();
        let names: Vec<String> = (0..8).map(|number| format!("w{number}")).collect();
        let claims = names.iter().map(|name| claim(store, name, 25, NOW));
        let claims = futures_util::future::join_all(claims).await.concat();
        let mut ids: Vec<JobId> = claims.iter().map(|claim| claim.held.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_renewed_as_long_as_it_is_held() {
    on_each(async |store| {
        store.enqueue(&[job("a"), job("b")], NOW).await.unwrap();
        let claims = claim(store, "w", 2, NOW).await;
        let progress = Progress { done: 3, total: Some(9), message: Some("a\0b".to_owned()) };
        let told = [(claims[0].held, progress)];
        let held: Vec<Held> = claims.iter().map(|claim| claim.held).collect();
        let renewed = store.renew(&held, later(60), &told).await.unwrap();
        assert_eq!(renewed.len(), 2);
        let seen = get(store, claims[0].held.id).await;
        assert_eq!(seen.lease_until, Some(later(60)));
        assert_eq!(seen.progress.as_ref().map(|it| (it.done, it.total)), Some((3, Some(9))));

        assert_eq!(store.reap(later(59)).await.unwrap(), 0);
        store.cancel(claims[1].held.id, NOW).await.unwrap();
        assert_eq!(store.renew(&held, later(90), &[]).await.unwrap(), [held[0]]);
        let older = Held { token: held[0].token - 1, ..held[0] };
        assert!(store.renew(&[older], later(99), &[]).await.unwrap().is_empty());
        assert!(store.renew(&[], later(99), &[]).await.unwrap().is_empty());
        assert_eq!(get(store, held[0].id).await.lease_until, Some(later(90)));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_renewed_goes_to_another_worker_and_its_end_is_refused() {
    on_each(async |store| {
        store.enqueue(&[job("a")], NOW).await.unwrap();
        let late = claim_one(store, NOW).await;
        assert!(look(store, "default", later(31)).await.expired);
        assert_eq!(store.reap(later(31)).await.unwrap(), 1);
        assert!(store.renew(&[late.held], later(99), &[]).await.unwrap().is_empty());
        assert!(!finish(store, done(&late, "before it is taken"), later(31)).await);

        let other = claim_one(store, later(31)).await;
        assert_eq!(other.attempt, 2);
        assert_ne!(other.held, late.held);
        assert!(!finish(store, done(&late, "late"), later(32)).await);
        assert!(finish(store, done(&other, "in time"), later(33)).await);
        assert!(!finish(store, done(&other, "again"), later(33)).await);
        let seen = get(store, other.held.id).await;
        assert_eq!(seen.result::<String>().unwrap().as_deref(), Some("in time"));
    })
    .await;
}

#[tokio::test]
async fn one_whose_workers_die_is_given_up_when_its_attempts_are_spent() {
    on_each(async |store| {
        let step = Step::new("a").max_attempts(3);
        let poison = NewJob::new(step, &1).unwrap();
        store.enqueue(std::slice::from_ref(&poison), NOW).await.unwrap();
        for attempt in 1..=3 {
            let now = later(u64::from(attempt) * 100);
            assert_eq!(claim_one(store, now).await.attempt, attempt);
            assert_eq!(store.reap(now + LEASE * 2).await.unwrap(), 1);
        }
        assert!(claim(store, "w", 1, later(1_000)).await.is_empty());
        let seen = get(store, poison.id()).await;
        assert_eq!((seen.state, seen.attempts), (JobState::Failed, 3));
        assert!(seen.error.as_ref().is_some_and(|error| error.contains("lease")));
    })
    .await;
}

#[tokio::test]
async fn what_is_written_is_read_as_it_was() {
    on_each(async |store| {
        let odd = "{\"a\":\"\\u0000 \\ud83d\\ude00 \u{1F600} \\\"\", \"n\": 1e400, \"n\":  -0.0}";
        let args: Box<RawValue> = serde_json::from_str(odd).unwrap();
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let deep = RawValue::from_string(deep).unwrap();
        let jobs = [
            NewJob::new(Step::new("a"), &args).unwrap(),
            NewJob::new(Step::new("b"), &deep).unwrap(),
        ];
        store.enqueue(&jobs, NOW).await.unwrap();
        let claims = claim(store, "w", 2, NOW).await;
        assert_eq!(claims[0].args.get(), odd);
        assert_eq!(claims[1].args.get(), deep.get());
        let ends = [(0, &args), (1, &deep)].map(|(number, result)| End {
            claim: claims[number].clone(),
            next: Next::Done(result.clone()),
        });
        assert_eq!(store.finish(&ends, NOW).await.unwrap(), [true, true]);
        assert_eq!(get(store, jobs[0].id()).await.result.unwrap().get(), odd);
        assert_eq!(get(store, jobs[1].id()).await.result.unwrap().get(), deep.get());
    })
    .await;
}

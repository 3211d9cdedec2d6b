use alula_jobs::store::Filter;

use super::*;

#[tokio::test]
async fn jobs_are_listed_in_pages_and_by_what_they_are() {
    on_each(async |store| {
        let mine: Vec<NewJob> = (0..5).map(|_| job("a").owner("me")).collect();
        store.enqueue(&mine, NOW).await.unwrap();
        let theirs = NewJob::new(Step::new("b").queue("other"), &1).unwrap().owner("them");
        store.enqueue(&[theirs, job("c")], NOW).await.unwrap();
        store.cancel(mine[3].id(), NOW).await.unwrap();

        let of_me = Filter { owner: Some("me"), limit: 2, ..Filter::default() };
        let ids = async |filter: Filter<'_>| {
            let found = store.list(&filter).await.unwrap();
            found.iter().map(|job| job.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(of_me).await, [mine[4].id(), mine[3].id()]);
        let after = Filter { after: Some(mine[3].id()), ..of_me };
        assert_eq!(ids(after).await, [mine[2].id(), mine[1].id()]);
        let first = Filter { oldest_first: true, ..of_me };
        assert_eq!(ids(first).await, [mine[0].id(), mine[1].id()]);
        let next = Filter { after: Some(mine[1].id()), ..first };
        assert_eq!(ids(next).await, [mine[2].id(), mine[3].id()]);
        let cancelled = Filter { states: &[JobState::Cancelled, JobState::Failed], ..of_me };
        assert_eq!(ids(cancelled).await, [mine[3].id()]);
        let all = Filter { limit: 99, ..Filter::default() };
        assert_eq!(ids(all).await.len(), 7);
        assert_eq!(ids(Filter { queue: Some("other"), ..all }).await.len(), 1);
        assert_eq!(ids(Filter { name: Some("c"), ..all }).await.len(), 1);
        assert_eq!(ids(Filter { owner: Some("' OR 1=1 --"), ..all }).await, []);

        let counts = store.count(&of_me).await.unwrap();
        assert_eq!((counts.of(JobState::Queued), counts.of(JobState::Cancelled)), (4, 1));
        assert_eq!((counts.total(), counts.ended()), (5, 1));
        assert!(store.get(JobId::new()).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn lists_say_of_a_job_what_its_label_says() {
    on_each(async |store| {
        let (plain, long) = (job("a"), job("b").label("é".repeat(200)));
        let labelled = job("c").label("the report\0 of May");
        store.enqueue(&[plain, long, labelled.clone()], NOW).await.unwrap();
        let listed = store.list(&Filter::default()).await.unwrap();
        let labels: Vec<_> = listed.iter().map(|job| job.label.as_deref()).collect();
        let shortened = "é".repeat(128);
        assert_eq!(labels, [Some("the report\u{FFFD} of May"), Some(&*shortened), None]);
        let whole = store.list_whole(&Filter { limit: 1, ..Filter::default() }).await.unwrap();
        assert_eq!((whole[0].id, whole[0].args.get()), (labelled.id(), r#""c""#));
        let summary = store.summary(labelled.id()).await.unwrap().unwrap();
        assert_eq!(summary.label, whole[0].label);
        assert!(store.summary(JobId::new()).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn queues_tell_how_they_are_doing() {
    on_each(async |store| {
        assert_eq!(store.stats(NOW).await.unwrap(), []);
        let other = NewJob::new(Step::new("b").queue("other"), &1).unwrap();
        let delayed = job("a").delay(Duration::from_secs(5));
        store.enqueue(&[job("a"), job("a"), delayed, other], NOW).await.unwrap();
        claim(store, "w", 1, NOW).await;
        let stats = store.stats(later(7)).await.unwrap();
        let [default, other] = &stats[..] else { panic!("{stats:?}") };
        assert_eq!((default.queue.as_str(), other.queue.as_str()), ("default", "other"));
        let of = |state| default.counts.of(state);
        assert_eq!(of(JobState::Queued), 1);
        assert_eq!(of(JobState::Running), 1);
        assert_eq!(of(JobState::Scheduled), 1);
        assert_eq!(default.oldest, Some(Duration::from_secs(7)));
    })
    .await;
}

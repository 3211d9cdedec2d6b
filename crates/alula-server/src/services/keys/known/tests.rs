use super::*;
use crate::{
    db::testing::{Postgres, on_each},
    services::keys::{By, KeyChange, KeyWish, NewKey, create, revoke, update},
};

fn wish(plan: &str) -> KeyWish {
    KeyWish {
        name: "test".to_owned(),
        plan: plan.to_owned(),
        scopes: "models".parse().unwrap(),
        budget: None,
        expires_at: None,
    }
}

async fn opened(db: &Db) -> Result<Keys, DbError> {
    Keys::open(db.clone(), Plans::default(), Duration::from_secs(300)).await
}

async fn made(db: &Db, wish: KeyWish) -> (KeyId, ShownKey) {
    let (record, text) = create(db, &Plans::default(), wish, By::CommandLine).await.unwrap();
    (record.id, ShownKey::parse(text.expose()).unwrap())
}

#[tokio::test]
async fn a_key_is_good_as_soon_as_it_is_made_and_until_it_is_revoked() {
    on_each(async |db| {
        let (one, other) = (opened(db).await?, opened(db).await?);
        assert!(!one.are_needed());
        let (id, shown) = made(db, wish("pro")).await;
        // Nobody has looked yet.
        for keys in [&one, &other] {
            let key = keys.identify(shown).await.unwrap();
            assert_eq!((&*key.id, &*key.plan.name), (id.as_str(), "pro"));
            assert!(keys.are_needed());
        }
        let change = KeyChange { plan: Some("free".to_owned()), ..KeyChange::default() };
        update(db, &Plans::default(), id, change, By::CommandLine).await.unwrap();
        one.look(Instant::now(), Duration::ZERO).await.unwrap();
        let known = one.identify(shown).await.unwrap();
        assert_eq!(&*known.plan.name, "free");

        revoke(db, id, By::CommandLine).await.unwrap();
        assert!(one.identify(shown).await.is_ok(), "it was looked up for a request");
        one.look(Instant::now(), Duration::ZERO).await.unwrap();
        assert_eq!(one.identify(shown).await, Err(Refusal::Revoked));
        assert_eq!(one.of_id(&known.id).await, Err(Refusal::Revoked));
        // Who starts later finds it revoked.
        assert_eq!(opened(db).await?.identify(shown).await, Err(Refusal::Revoked));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn only_the_whole_key_is_good() {
    on_each(async |db| {
        let (id, shown) = made(db, wish("pro")).await;
        let keys = opened(db).await?;
        let wrong = ShownKey { id, hash: NewKey::generate().unwrap().hash };
        assert_eq!(keys.identify(wrong).await, Err(Refusal::Unknown));
        assert!(keys.identify(shown).await.is_ok());
        let old = NewKey::generate().unwrap();
        let record = db.find_key(id).await?.unwrap();
        db.add_key(&old, &KeyRecord { id: old.id, expires_at: Some(Timestamp::now()), ..record })
            .await?;
        let expired = ShownKey { id: old.id, hash: old.hash };
        assert_eq!(keys.identify(expired).await, Err(Refusal::Expired));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn all_keys_are_read_however_many_there_are() {
    let db = Db::open(&crate::db::DatabaseUrl::Memory).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..=2 * PAGE {
        all.push(made(&db, wish("free")).await.1);
    }
    let keys = opened(&db).await.unwrap();
    assert!(all.iter().all(|shown| matches!(keys.known(*shown), Some(Ok(_)))));
}

#[tokio::test]
async fn plans_that_change_reach_known_keys() {
    let db = Db::open(&crate::db::DatabaseUrl::Memory).await.unwrap();
    let (_, shown) = made(&db, wish("pro")).await;
    let keys = opened(&db).await.unwrap();
    let before = keys.identify(shown).await.unwrap();
    let mut plans = Plans::default();
    plans.set(Plan { tokens_per_minute: 7.try_into().ok(), ..Plan::unlimited("pro") });
    keys.set_plans(plans);
    let after = keys.identify(shown).await.unwrap();
    assert_eq!(after.plan.tokens_per_minute.map(u64::from), Some(7));
    assert_ne!(before, after);

    keys.set_plans(Plans::none());
    assert_eq!(keys.identify(shown).await, Err(Refusal::NoPlan("pro".into())));
    keys.set_plans(Plans::default());
    assert_eq!(keys.identify(shown).await, Ok(before));
}

/// However many guesses there are, they share looks, and no two looks are close to each other.
#[tokio::test]
async fn a_flood_of_guesses_is_a_few_looks() {
    let db = Db::open(&crate::db::DatabaseUrl::Memory).await.unwrap();
    let keys = opened(&db).await.unwrap();
    let began = Instant::now();
    let guesses = (0..2000).map(|_| async {
        let key = NewKey::generate().unwrap();
        keys.identify(ShownKey { id: key.id, hash: key.hash }).await
    });
    let answers = futures_util::future::join_all(guesses).await;
    assert!(answers.iter().all(|answer| *answer == Err(Refusal::Unknown)));
    // All have asked within the first turn, so one look answers them.
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(keys.0.entries.read().unwrap().is_empty(), "guesses take no memory");
}

#[tokio::test]
async fn known_keys_go_on_for_a_while_without_the_database() {
    let db = Db::open(&crate::db::DatabaseUrl::Memory).await.unwrap();
    let (_, shown) = made(&db, wish("pro")).await;
    let stale_after = Duration::from_millis(200);
    let keys = Keys::open(db.clone(), Plans::default(), stale_after).await.unwrap();
    let unknown = NewKey::generate().unwrap();
    let unknown = ShownKey { id: unknown.id, hash: unknown.hash };
    db.close().await;
    assert_eq!(keys.identify(unknown).await, Err(Refusal::Away));
    assert!(keys.identify(shown).await.is_ok());
    sleep(stale_after).await;
    assert_eq!(keys.identify(unknown).await, Err(Refusal::Away));
    assert_eq!(keys.identify(shown).await, Err(Refusal::Away));
}

#[tokio::test]
async fn a_database_that_comes_back_is_read_at_once() {
    let Some(mut postgres) = Postgres::start() else { return };
    let url = postgres.url().parse().unwrap();
    let db = Db::open(&url).await.unwrap();
    let (id, shown) = made(&db, wish("pro")).await;
    let keys = opened(&db).await.unwrap();
    let unknown = NewKey::generate().unwrap();
    let unknown = ShownKey { id: unknown.id, hash: unknown.hash };

    postgres.kill();
    assert_eq!(keys.identify(unknown).await, Err(Refusal::Away));
    assert!(keys.identify(shown).await.is_ok());

    postgres.restart();
    let back = Instant::now();
    while keys.identify(unknown).await != Err(Refusal::Unknown) {
        assert!(back.elapsed() < Duration::from_secs(10), "it is not read again");
    }
    revoke(&db, id, By::CommandLine).await.unwrap();
    keys.look(Instant::now(), Duration::ZERO).await.unwrap();
    assert_eq!(keys.identify(shown).await, Err(Refusal::Revoked));
}

mod processes;

use std::sync::Mutex;

use alula_llm::{
    ChatRequest, Prices, Route,
    testing::{FakeModel, Fault},
};
use futures_util::{StreamExt as _, future::join_all};
use tokio::time::Instant;

use super::{slice::Due, *};
use crate::{
    db::{
        DatabaseUrl, Pools, Report,
        testing::{Postgres, on_each},
    },
    services::keys::Period,
};

const SETTINGS: BudgetSettings = BudgetSettings {
    lease: Duration::from_secs(60),
    unknown_model: ModelSize { input: 1_000, output: 1_000 },
    allows_unknown_prices: false,
};

/// A dollar for a million tokens of the prompt, and ten for those of the answer.
const PRICES: &str = r#"provider = [{ name = "fake", as_of = "2026-11-01", source = "a test", prices = [
    { models = ["m"], input = 1_000_000, output = 10_000_000 },
    { models = ["free"], free = true },
] }]"#;

fn llm(model: &FakeModel) -> Llm {
    let prices = Prices::builtin().with_toml(PRICES).unwrap();
    let route = Route::to("fake/new").fallback("fake/m");
    let llm = Llm::builder().provider(model.clone()).prices(prices).route("either", route);
    llm.build().unwrap()
}

fn question() -> ChatRequest {
    ChatRequest::new("m").user("Hi").max_tokens(100)
}

/// The most that the question costs: its answer, and at most 1,034 tokens of the prompt.
const MOST: u64 = 100 * 10 + 1_034;

fn budget(micro_usd: u64) -> Budget {
    Budget { micro_usd, period: Period::Total }
}

struct Tested {
    budgets: Budgets,
    llm: Llm,
    key: Arc<str>,
}

impl Tested {
    async fn new(model: &FakeModel) -> Self {
        let db = Db::open(&DatabaseUrl::Memory).await.unwrap();
        Self { budgets: Budgets::new(db, SETTINGS), llm: llm(model), key: "k".into() }
    }

    async fn reserve(&self, micro_usd: u64) -> Result<Option<Hold>, Refused> {
        let call = ("m", question().size());
        self.budgets.reserve(&self.key, budget(micro_usd), &self.llm, call).await
    }

    /// What a call of the question settles, made with these models.
    async fn watched(&self) -> Llm {
        let hold = Mutex::new(self.reserve(1_000_000).await.unwrap());
        let llm = self.llm.clone();
        self.llm.observed(move |record| {
            hold.lock().unwrap().take().unwrap().settle(record, &llm);
        })
    }

    async fn spend(&self) -> Spend {
        self.budgets.report(Due::End).await.unwrap();
        self.budgets.0.db.spend("k", "total").await.unwrap()
    }

    async fn spent(&self) -> u64 {
        let Spend { spent, reserved } = self.spend().await;
        assert_eq!(reserved, 0);
        u64::try_from(spent).unwrap()
    }
}

#[tokio::test]
async fn an_answer_is_settled_at_its_cost() {
    let model = FakeModel::new();
    model.turn().says("Hello").usage(10, 5);
    let tested = Tested::new(&model).await;
    tested.watched().await.chat(question()).await.unwrap();
    assert_eq!(tested.spent().await, 10 + 5 * 10);
}

#[tokio::test]
async fn what_was_not_made_or_refused_costs_nothing() {
    let model = FakeModel::new();
    model.turn().then(Fault::Status(400));
    let tested = Tested::new(&model).await;
    drop(tested.watched().await);
    assert_eq!(tested.spent().await, 0);
    tested.watched().await.chat(question()).await.unwrap_err();
    assert_eq!(tested.spent().await, 0);
}

/// A provider that failed may charge, whoever refused the call after it.
#[tokio::test]
async fn a_call_that_somebody_may_have_worked_on_costs_the_most_that_it_can() {
    for (status, is_free) in [(500, false), (429, true)] {
        let model = FakeModel::new();
        for status in [status, 400] {
            model.turn().then(Fault::Status(status));
        }
        let tested = Tested::new(&model).await;
        tested.watched().await.chat(question()).await.unwrap_err();
        let spent = tested.spent().await;
        assert_eq!(spent == 0, is_free, "{status}: {spent}");
        assert!(is_free || (1_000..=MOST).contains(&spent), "{status}: {spent}");
    }
}

#[tokio::test]
async fn a_stream_that_is_left_costs_the_most_that_it_can() {
    let model = FakeModel::new();
    model.turn().says("Hello to you").usage(10, 5);
    let tested = Tested::new(&model).await;
    let llm = tested.watched().await;
    let mut stream = llm.stream(question()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(matches!(tested.spend().await, Spend { spent: 0, reserved: 1_000.. }));
    drop((stream, llm));
    let spent = tested.spent().await;
    assert!((1_000..=MOST).contains(&spent), "{spent}");
}

#[tokio::test]
async fn what_cannot_be_paid_is_refused() {
    let tested = Tested::new(&FakeModel::new()).await;
    let Err(Refused::Exhausted { most, .. }) = tested.reserve(1_500).await else { panic!() };
    assert!((1_500..=MOST).contains(&most.get()), "{most}");
    let held = tested.reserve(MOST).await.unwrap();
    assert!(matches!(tested.reserve(MOST).await, Err(Refused::Exhausted { .. })));
    drop(held);
    assert_eq!(tested.spend().await, Spend::default());
    assert!(tested.reserve(MOST).await.unwrap().is_some());
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_unless_that_is_allowed() {
    let tested = Tested::new(&FakeModel::new()).await;
    let reserve = async |budgets: &Budgets, model| {
        budgets.reserve(&tested.key, budget(1), &tested.llm, (model, CallSize::default())).await
    };
    assert!(matches!(reserve(&tested.budgets, "new").await, Err(Refused::UnknownPrice(_))));
    assert!(matches!(reserve(&tested.budgets, "free").await, Ok(None)));
    let settings = BudgetSettings { allows_unknown_prices: true, ..SETTINGS };
    let lenient = Budgets::new(tested.budgets.0.db.clone(), settings);
    assert_eq!(reserve(&lenient, "new").await.unwrap().unwrap().most.get(), 0);
    assert!(matches!(reserve(&lenient, "free").await, Ok(None)));
}

/// Where one target has no price, the others cost what they do.
#[tokio::test]
async fn a_price_that_is_known_counts_beside_one_that_is_not() {
    let settings = BudgetSettings { allows_unknown_prices: true, ..SETTINGS };
    for (is_priced, cost) in [(true, 10 + 5 * 10), (false, 0)] {
        let model = FakeModel::new();
        if is_priced {
            model.turn().then(Fault::Status(404));
        }
        model.turn().says("Hello").usage(10, 5);
        let strict = Tested::new(&model).await;
        let budgets = Budgets::new(strict.budgets.0.db.clone(), settings);
        let tested = Tested { budgets, ..strict };
        let call = || ("either", question().size());
        let reserve = async |money| {
            tested.budgets.reserve(&tested.key, budget(money), &tested.llm, call()).await
        };
        assert!(matches!(reserve(1_000).await, Err(Refused::Exhausted { .. })));
        let hold = Mutex::new(reserve(MOST).await.unwrap());
        let llm = tested.llm.clone();
        let watched = tested.llm.observed(move |record| {
            hold.lock().unwrap().take().unwrap().settle(record, &llm);
        });
        watched.chat(ChatRequest { model: "either".to_owned(), ..question() }).await.unwrap();
        assert_eq!(tested.spent().await, cost);
    }
}

#[tokio::test]
async fn periods_that_are_long_over_are_forgotten() {
    let tested = Tested::new(&FakeModel::new()).await;
    let db = &tested.budgets.0.db;
    let now = Span::of(Period::Day, Timestamp::now());
    for period in ["2020-02-29", now.name()] {
        let slice = Slice::new("k".into(), Span::of(Period::Total, Timestamp::now()));
        let question = slice.ask(5, budget(9), tested.budgets.0.reporter(Timestamp::now()));
        let asked = Report { period, ..question };
        let told = Report { spent: 5, needs: 0, is_last: true, ..asked };
        db.report(&[asked, told]).await.unwrap();
    }
    tested.budgets.look_after_leases().await.unwrap();
    assert_eq!(db.spend("k", "2020-02-29").await.unwrap(), Spend::default());
    assert_eq!(db.spend("k", now.name()).await.unwrap(), Spend { spent: 5, reserved: 0 });
}

/// However many calls end, all slices are reported.
#[tokio::test]
async fn calls_that_end_all_the_time_do_not_keep_reports_waiting() {
    let Tested { budgets, .. } = Tested::new(&FakeModel::new()).await;
    budgets.0.excess.notify_one();
    assert!(!budgets.has_excess_before(Instant::now()).await);
    assert!(budgets.has_excess_before(Instant::now() + Duration::from_secs(60)).await);
}

/// Two processes over one database, with a call of each under way at the end.
#[tokio::test]
async fn processes_share_a_budget() {
    on_each(async |db| {
        let llm = llm(&FakeModel::new());
        let processes = [(); 2].map(|()| Budgets::new(db.clone(), SETTINGS));
        let key: Arc<str> = "k".into();
        let calls = (0..64).map(|number| {
            let call = ("m", question().size());
            processes[number % 2].reserve(&key, budget(5 * MOST), &llm, call)
        });
        let held: Vec<_> = join_all(calls).await.into_iter().filter_map(Result::ok).collect();
        assert!((5..=6).contains(&held.len()), "{}", held.len());
        drop(held);
        for process in &processes {
            process.report(Due::End).await?;
        }
        assert_eq!(db.spend("k", "total").await?, Spend::default());
        Ok(())
    })
    .await;
}

/// The one who asks leaves at any moment: nothing stays set aside.
#[tokio::test]
async fn who_leaves_while_money_is_set_aside_leaves_nothing_behind() {
    on_each(async |db| {
        let (llm, key) = (llm(&FakeModel::new()), Arc::<str>::from("k"));
        let budgets = Budgets::new(db.clone(), SETTINGS);
        for polls in 0..40 {
            let call = ("m", question().size());
            let mut reserving = Box::pin(budgets.reserve(&key, budget(1_000_000), &llm, call));
            for _ in 0..polls {
                if futures_util::poll!(&mut reserving).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        budgets.report(Due::End).await?;
        assert_eq!(db.spend("k", "total").await?, Spend::default());
        assert!(budgets.0.slices.read().unwrap().is_empty());
        Ok(())
    })
    .await;
}

/// A database that is away keeps many who wait no longer than one.
#[tokio::test]
async fn who_waits_while_another_asks_in_vain_does_not_ask_as_well() {
    let Tested { budgets, key, .. } = Tested::new(&FakeModel::new()).await;
    let (budget, now) = (budget(10), Timestamp::now());
    let pay = || budgets.0.pay(&key, budget, MicroUsd::new(1), now);
    let slice = budgets.0.slice(&key, budget, now);
    let mut failed_at = slice.asking.lock().await;
    let mut waiting = join_all((0..8).map(|_| pay()));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    *failed_at = Some(Instant::now());
    drop(failed_at);
    for refused in waiting.await {
        assert!(matches!(refused, Err(Refused::Away(DbError::TooSlow(_)))), "{refused:?}");
    }
    // Who comes later asks.
    assert!(pay().await.is_ok());
}

/// As by a process that is gone, of which Postgres has not heard yet.
#[tokio::test]
async fn a_row_that_somebody_keeps_is_not_waited_for_for_ever() {
    let Some(server) = Postgres::start() else { return };
    let url = format!("{}?options[lock_timeout]=100ms", server.url());
    let db = Db::open(&url.parse().unwrap()).await.unwrap();
    let budgets = Budgets::new(db.clone(), SETTINGS);
    let (key, now) = ("k".into(), Timestamp::now());
    let pay = || budgets.0.pay(&key, budget(100), MicroUsd::new(10), now);
    pay().await.unwrap();
    let Pools::Postgres(pool) = db.pools() else { panic!() };
    let mut kept = pool.begin().await.unwrap();
    sqlx::query("UPDATE budget_spend SET spent = spent").execute(&mut *kept).await.unwrap();
    let refused = pay().await;
    assert!(matches!(refused, Err(Refused::Away(DbError::Unreachable(_)))), "{refused:?}");
    budgets.look_after_leases().await.unwrap_err();
    kept.rollback().await.unwrap();
    assert!(pay().await.is_ok());
    db.close().await;
}

#[tokio::test]
async fn a_batch_that_fails_keeps_no_other_from_its_report() {
    let Tested { budgets, .. } = Tested::new(&FakeModel::new()).await;
    let (budget, now) = (budget(10), Timestamp::now());
    let keys: Vec<Arc<str>> = (10..40).map(|number| format!("k{number}").into()).collect();
    for key in &keys {
        budgets.0.pay(key, budget, MicroUsd::new(10), now).await.unwrap().end(10, 4);
    }
    let db = &budgets.0.db;
    let Pools::Sqlite { writes, .. } = db.pools() else { panic!() };
    let fails = "CREATE TRIGGER fails BEFORE UPDATE ON budget_spend WHEN new.key = 'k10' \
                 BEGIN SELECT RAISE(ABORT, 'no'); END";
    sqlx::raw_sql(fails).execute(writes).await.unwrap();
    budgets.report(Due::End).await.unwrap_err();
    assert_eq!(db.spend("k39", "total").await.unwrap(), Spend { spent: 4, reserved: 0 });
    assert_eq!(db.spend("k10", "total").await.unwrap(), Spend { spent: 0, reserved: 10 });
    budgets.look_after_leases().await.unwrap_err();
    sqlx::raw_sql("DROP TRIGGER fails").execute(writes).await.unwrap();
    budgets.report(Due::End).await.unwrap();
    assert_eq!(db.spend("k10", "total").await.unwrap(), Spend { spent: 4, reserved: 0 });
}

/// As of a report that was given up, or a call whose client has just left.
#[tokio::test]
async fn the_end_waits_for_a_slice_that_is_being_asked_for() {
    let Tested { budgets, key, .. } = Tested::new(&FakeModel::new()).await;
    let (budget, now) = (budget(100), Timestamp::now());
    let slice = budgets.0.pay(&key, budget, MicroUsd::new(10), now).await.unwrap();
    slice.end(10, 4);
    let turn = slice.asking.lock().await;
    let mut closing = Box::pin(budgets.close());
    // Longer than the end waits at a time.
    let waited = timeout(Duration::from_millis(300), &mut closing).await;
    assert!(waited.is_err());
    drop(turn);
    closing.await;
    let spend = budgets.0.db.spend("k", "total").await.unwrap();
    assert_eq!(spend, Spend { spent: 4, reserved: 0 });
}

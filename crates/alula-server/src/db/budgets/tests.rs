use futures_util::future::{join, join_all};

use super::{super::testing::on_each, *};

impl Db {
    /// Charges all slices whose processes have not been heard of: what was left of each.
    pub(crate) async fn charge_lapsed(&self, now: i64) -> Result<Vec<i64>, DbError> {
        let mut charged = Vec::new();
        for lapsed in self.lapsed(now, 100).await? {
            charged.extend(self.charge(&lapsed, now).await?);
        }
        Ok(charged)
    }
}

/// A report of a slice that asks for something.
fn asks<'a>(id: &'a str, process: &'a str, needs: i64) -> Report<'a> {
    Report {
        id,
        process,
        key: "k",
        period: "2026-11",
        limit: 100,
        spent: 0,
        keeps: 0,
        needs,
        yields: 0,
        likes: 0,
        expires_at: 60,
        is_known: false,
        is_last: false,
    }
}

/// The last report of a slice whose calls have cost so much.
fn ends<'a>(id: &'a str, process: &'a str, spent: i64) -> Report<'a> {
    Report { spent, is_known: true, is_last: true, ..asks(id, process, 0) }
}

async fn report(db: &Db, report: Report<'_>) -> Result<Answer, DbError> {
    db.report(&[report]).await.map(|answers| answers[0])
}

async fn is_granted(db: &Db, asked: Report<'_>) -> Result<bool, DbError> {
    let answer = report(db, asked).await?;
    Ok(matches!(answer, Answer::Granted { more, .. } if more == asked.needs))
}

#[tokio::test]
async fn what_is_set_aside_and_spent_is_within_the_limit() {
    on_each(async |db| {
        assert_eq!(report(db, asks("a", "p", 101)).await?, Answer::Refused(Spend::default()));
        assert!(is_granted(db, asks("b", "p", 60)).await?);
        let spend = Spend { spent: 0, reserved: 60 };
        assert_eq!(report(db, asks("c", "p", 41)).await?, Answer::Refused(spend));
        assert!(is_granted(db, asks("d", "p", 40)).await?);
        db.report(&[ends("b", "p", 25), ends("d", "p", 0)]).await?;
        assert_eq!(report(db, ends("b", "p", 25)).await?, Answer::Gone);
        assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 25, reserved: 0 });
        assert!(is_granted(db, asks("e", "p", 75)).await?);
        assert_eq!(db.spend("k", "2026-12").await?, Spend::default());
        Ok(())
    })
    .await;
}

/// Its answer may have been lost on its way.
#[tokio::test]
async fn a_report_that_is_made_again_changes_nothing() {
    on_each(async |db| {
        let asked = asks("a", "p", 50);
        for _ in 0..3 {
            assert!(is_granted(db, asked).await?);
            assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 0, reserved: 50 });
        }
        let told = Report { spent: 20, keeps: 5, needs: 10, is_known: true, ..asked };
        for _ in 0..3 {
            assert!(is_granted(db, told).await?);
            assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 20, reserved: 15 });
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_welcome_is_little_of_what_is_left() {
    on_each(async |db| {
        let more = async |likes, needs| {
            let asked = Report { limit: 1_000, likes, ..asks("a", "p", needs) };
            match report(db, asked).await.unwrap() {
                Answer::Granted { more, .. } => more,
                answer => panic!("{answer:?}"),
            }
        };
        assert_eq!(more(i64::MAX, 200).await, 200 + 800 / IDLE_SHARE);
        assert_eq!(more(7, 200).await, 207);
        assert_eq!(more(i64::MAX, 990).await, 990);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn who_is_refused_gives_back_what_is_of_no_use() {
    on_each(async |db| {
        assert!(is_granted(db, asks("a", "p", 60)).await?);
        let asked =
            Report { keeps: 60, yields: 40, needs: 50, is_known: true, ..asks("a", "p", 0) };
        let spend = Spend { spent: 0, reserved: 20 };
        assert_eq!(report(db, asked).await?, Answer::Refused(spend));
        assert_eq!(db.spend("k", "2026-11").await?, spend);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn who_is_gone_is_charged_once_and_may_come_back() {
    on_each(async |db| {
        for (id, process) in [("a", "gone"), ("b", "gone"), ("c", "here")] {
            assert!(is_granted(db, asks(id, process, 10)).await?);
        }
        let told = Report { spent: 4, keeps: 6, is_known: true, ..asks("a", "gone", 0) };
        report(db, told).await?;
        db.renew("here", 200).await?;
        let charges = join_all((0..4).map(|_| db.charge_lapsed(100))).await;
        let mut charged: Vec<_> = charges.into_iter().flat_map(Result::unwrap).collect();
        // Who does which is left to them.
        charged.sort_unstable();
        assert_eq!(charged, [6, 10]);
        assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 20, reserved: 10 });
        // It was only away, and knows what its calls cost.
        let told = Report { spent: 5, keeps: 3, expires_at: 300, ..told };
        report(db, told).await?;
        assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 15, reserved: 13 });
        db.forget_charged(100).await?;
        let late = [ends("a", "gone", 8), ends("b", "gone", 3), ends("c", "here", 4)];
        assert_eq!(db.report(&late).await?[1], Answer::Gone);
        assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 22, reserved: 0 });
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn periods_of_long_ago_are_forgotten() {
    on_each(async |db| {
        let periods = ["2026-08-31", "2026-08", "2025-12-31", "2026-09", "2026-09-01", "total"];
        for period in periods {
            assert!(is_granted(db, Report { period, ..asks(period, "p", 5) }).await?);
        }
        assert!(is_granted(db, Report { period: "2026-07", ..asks("a", "p", 5) }).await?);
        for period in periods {
            report(db, Report { period, ..ends(period, "p", 5) }).await?;
        }
        db.forget_periods("2026-09").await?;
        for (index, period) in periods.into_iter().enumerate() {
            let spent = if index < 3 { 0 } else { 5 };
            assert_eq!(db.spend("k", period).await?, Spend { spent, reserved: 0 }, "{period}");
        }
        assert_eq!(db.spend("k", "2026-07").await?, Spend { spent: 0, reserved: 5 });
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn processes_that_report_slices_of_the_same_keys_do_not_wait_in_a_circle() {
    on_each(async |db| {
        for round in 0..30 {
            let ids = ["a", "b"].map(|process| format!("{process}{round}"));
            let reports = |process: usize| {
                let id = &*ids[process];
                ["k", "l"].map(|key| Report { key, ..asks(id, "p", 0) })
            };
            let lapse = async || db.charge_lapsed(61).await;
            let (one, two) = (reports(0), reports(1));
            let reported = join(db.report(&one), db.report(&two));
            let ((one, two), lapsed) = join(reported, lapse()).await;
            lapsed?;
            one.and(two)?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn sixty_four_at_once_do_not_spend_more() {
    on_each(async |db| {
        let calls = (0..64).map(async |number| {
            let id = number.to_string();
            let is_made = is_granted(db, asks(&id, "p", 7)).await.unwrap();
            if is_made {
                report(db, ends(&id, "p", 7)).await.unwrap();
            }
            is_made
        });
        let made = join_all(calls).await.into_iter().filter(|made| *made).count();
        assert_eq!(made, 14);
        assert_eq!(db.spend("k", "2026-11").await?, Spend { spent: 98, reserved: 0 });
        Ok(())
    })
    .await;
}

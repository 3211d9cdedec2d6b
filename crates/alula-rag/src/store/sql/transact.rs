//! Which connection or transaction an expression has.

/// Evaluates an expression with a connection to read from.
macro_rules! reading {
    ($store:expr, |$conn:ident| $body:expr) => {{
        let mut session = $store.0.database.read().await?;
        let $conn = &mut session.conn();
        $body
    }};
}

/// Evaluates an expression within a transaction, which is committed if it is well, and tried again if
/// others came in its way.
macro_rules! writing {
    ($store:expr, |$conn:ident| $body:expr) => {{
        let mut tries = $crate::store::sql::database::Tries::default();
        loop {
            let done = async {
                let mut session = $store.0.database.begin().await?;
                let done = {
                    let $conn = &mut session.conn();
                    $body?
                };
                session.commit().await?;
                Ok::<_, $crate::StoreError>(done)
            };
            match done.await {
                Err(error) => {
                    if !tries.again(&error).await {
                        break Err(error);
                    }
                }
                done => break done,
            }
        }
    }};
}

pub(super) use {reading, writing};

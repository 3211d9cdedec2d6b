use super::StoreError;

/// Runs what takes a core for a while on a thread that may be kept busy.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    // It fails where the runtime ends, or with a bug in what is run.
    tokio::task::spawn_blocking(run).await.map_err(|_| StoreError::Closed)
}

//! What stands between a caller and a provider that fails: small parts that know nothing of each
//! other.

mod breaker;
mod concurrency;
mod gate;
mod limiter;
mod quota;
mod recent;
#[cfg(feature = "redis")]
mod redis;
mod retry;
mod shared;
#[cfg(test)]
mod simulation;
mod slots;
mod window;

pub(crate) use breaker::Admission;
pub use breaker::{BreakerPolicy, BreakerState};
pub use concurrency::{Concurrency, ConcurrencyPermit};
pub(crate) use gate::{Gate, Health, InFlight, Passage, Tokens, pass, tell};
pub use limiter::RateLimit;
pub use quota::{Quota, QuotaExceeded, QuotaLevel, QuotaTurn};
pub use recent::RecentCalls;
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use retry::RetryPolicy;
pub use shared::SharedState;
pub(crate) use shared::Sharing;

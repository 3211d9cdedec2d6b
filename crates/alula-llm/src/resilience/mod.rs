//! What stands between a caller and a provider that fails: small parts that know nothing of each
//! other.

mod breaker;
mod gate;
mod limiter;
mod retry;
mod window;

pub use breaker::{BreakerPolicy, BreakerState};
pub(crate) use gate::{Gate, Health, InFlight, Passage, tell};
pub use limiter::RateLimit;
pub use retry::RetryPolicy;

//! Forms, uploads and raw bodies.

mod fastapi;
mod limits;
#[cfg(target_os = "linux")]
mod process;
mod raw;
mod start_up;
mod stream;
mod uploads;

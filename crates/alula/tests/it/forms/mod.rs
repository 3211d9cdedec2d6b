//! Forms, uploads and raw bodies.

mod fastapi;
mod limits;
mod raw;
mod start_up;
mod uploads;

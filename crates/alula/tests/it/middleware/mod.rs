//! What stands around endpoints, and what FastAPI's middleware answers in its place.

#[cfg(feature = "compression")]
mod compression;
mod cors;
mod fastapi;
mod from_fn;
mod limits;
mod logs;
mod mistakes;
mod proxies;
mod security;

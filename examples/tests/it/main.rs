//! Each program of this folder, tested in process. A module of tests holds its program.

#[cfg(test)]
mod async_operations;
#[cfg(test)]
mod background_tasks;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod error_handling;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod mcp_hello;
#[cfg(test)]
mod mcp_notes;
#[cfg(test)]
mod middleware;
#[cfg(test)]
mod models;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod quick_reference;
#[cfg(test)]
mod quick_start;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod routers;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod websocket;

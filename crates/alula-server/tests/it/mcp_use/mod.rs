//! MCP servers of others: used by hand, by models, and made known to programs.

mod bundle;
mod by_hand;
mod ends;
mod install;
mod servers;
mod tools;

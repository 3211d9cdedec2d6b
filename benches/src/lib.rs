//! What comparisons share: servers in processes of their own, load over HTTP, and figures.

pub mod databases;
pub mod figures;
pub mod http;
pub mod load;
pub mod machine;
pub mod server;

//! The `alula` binary.
fn main() {}

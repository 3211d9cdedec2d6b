//! `cargo xtask generated`: many requests made from our own OpenAPI document, in process.

use anyhow::{Context as _, Result, bail};

use crate::{process, workspace::Workspace};

/// Requests without `--count`.
const COUNT: u64 = 1_000_000;

/// Runs the test of `alula` that does it, optimized and on all cores.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut count, mut seed) = (COUNT, 1);
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { bail!("`{}` needs a number", pair.concat()) };
        let value = value.parse().with_context(|| format!("`{value}` is no number"))?;
        match name.as_str() {
            "--count" => count = value,
            "--seed" => seed = value,
            _ => bail!("`{name}` is no option; there are --count and --seed"),
        }
    }
    let mut command = process::cargo(&Workspace::load()?.root);
    command.args(["test", "--release", "--package", "alula", "--all-features", "--test", "it"]);
    command.args(["--", "--nocapture", "generated::"]);
    command.env("ALULA_GENERATED_COUNT", count.to_string());
    process::run(command.env("ALULA_GENERATED_SEED", seed.to_string()))
}

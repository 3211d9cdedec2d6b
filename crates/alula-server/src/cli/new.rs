//! `alula new`.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, say};
use crate::new::New;

pub(super) const EXAMPLES: &str = "\
Examples:
  alula new parrot                     an application `parrot` in the folder parrot
  alula new .                          in the current folder, which must be empty
  alula new services/api --name birds  another name than that of the folder

It uses the crate alula from the folder that this program was built from, if that is still there,
and otherwise the published version.";

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Where to make it: a folder that is empty or not there yet. Its name is that of the application.
    #[arg(value_name = "NAME|PATH")]
    path: PathBuf,
    /// The name of the application, if it is not that of the folder.
    #[arg(long)]
    name: Option<String>,
    /// The folder of the crate `alula` to use.
    #[arg(long, value_name = "PATH")]
    alula_path: Option<PathBuf>,
}

pub(super) fn run(arguments: NewArgs) -> Result<(), CliError> {
    let NewArgs { path, name, alula_path } = arguments;
    let shown = path.display().to_string();
    let made = New { path, name, alula: alula_path }.write()?;
    let from = match &made.alula {
        Some(folder) => format!(
            "the crate alula from {}. Docker does not reach that\n\
             folder: for an image, name a version or a repository in Cargo.toml",
            folder.display()
        ),
        None => format!("alula {} as published", env!("CARGO_PKG_VERSION")),
    };
    let enter = match shown.as_str() {
        "." => String::new(),
        folder => format!("  cd {folder}\n"),
    };
    say(&format!(
        "Made {name}: {files} files, with {from}.\n\n\
         {enter}\
         \x20 cargo run    serves it; then open http://127.0.0.1:8000/docs\n\
         \x20 cargo test   tests it\n\
         \x20 alula dev    serves it, and builds it again when its sources change\n\n\
         Its README says where things are, and .env holds its settings.",
        name = made.name,
        files = made.files,
    ));
    Ok(())
}

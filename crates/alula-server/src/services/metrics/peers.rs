//! The numbers of the other workers, so that whichever of them is scraped answers for all.
//!
//! Each worker writes its own to a file, once in a while, in a folder that its supervisor's other
//! workers find by their common parent, and that nobody else may enter.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use alula::{Shutdown, serve::Workers};

use super::registry::registry;

/// How old the numbers of the others may be.
const INTERVAL: Duration = Duration::from_secs(1);

/// Everything that is counted, by all workers if there are several.
pub(crate) fn everything() -> String {
    let Some(number) = Workers::this_worker() else { return registry().render(None) };
    let own = registry().render(Some(number));
    let others = folder_of_worker().and_then(|folder| others(&folder, number));
    let others = others.unwrap_or_else(|error| {
        tracing::debug!(%error, "the numbers of other workers cannot be read");
        Vec::new()
    });
    merged(&own, &others)
}

/// Shows the numbers of this worker to the others, until the server stops. A server that is one
/// process does nothing.
pub(crate) fn share(shutdown: &Shutdown) {
    let Some(number) = Workers::this_worker() else { return };
    let stop = shutdown.clone();
    shutdown.spawn(async move {
        let mut is_told = false;
        let stopping = stop.stopping();
        tokio::pin!(stopping);
        loop {
            let written = tokio::task::spawn_blocking(move || write(number)).await;
            if let Ok(Err(error)) = written
                && !is_told
            {
                is_told = true;
                tracing::warn!(%error, "the numbers of this worker are not in /metrics of others");
            }
            tokio::select! {
                () = &mut stopping => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    });
}

/// Removes what the workers of this supervisor have left.
pub(crate) fn forget() {
    // There is none if no worker came so far.
    let _ = fs::remove_dir_all(folder(std::process::id()));
}

fn folder(supervisor: u32) -> PathBuf {
    std::env::temp_dir().join(format!("alula-metrics-{supervisor}"))
}

/// Replaces the file at once, so that nobody reads half of it.
fn write(number: usize) -> io::Result<()> {
    let folder = folder_of_worker()?;
    let (new, file) = (folder.join(format!("{number}.new")), folder.join(number.to_string()));
    fs::write(&new, registry().render(Some(number)))?;
    fs::rename(new, file)
}

/// The numbers of the workers but this one.
fn others(folder: &Path, number: usize) -> io::Result<Vec<String>> {
    let own = number.to_string();
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == own || name.parse::<usize>().is_err() {
            continue;
        }
        // The others are worth telling without it.
        match fs::read_to_string(folder.join(&name)) {
            Ok(text) => _ = texts.insert(name, text),
            Err(error) => tracing::debug!(%error, worker = name, "its numbers cannot be read"),
        }
    }
    Ok(texts.into_values().collect())
}

/// The folder that the workers share, made if it is not there. In a folder that is another user's
/// there could be anything.
#[cfg(unix)]
fn folder_of_worker() -> io::Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    let parent = rustix::process::getppid().ok_or(io::ErrorKind::NotFound)?;
    let folder = folder(parent.as_raw_nonzero().get().unsigned_abs());
    if let Err(error) = fs::DirBuilder::new().mode(0o700).create(&folder)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let found = fs::symlink_metadata(&folder)?;
    let is_own = found.is_dir()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode().trailing_zeros() >= 6;
    match is_own {
        true => Ok(folder),
        false => Err(io::Error::other("the folder for them is not this user's alone")),
    }
}

#[cfg(not(unix))]
fn folder_of_worker() -> io::Result<PathBuf> {
    Err(io::ErrorKind::Unsupported.into())
}

/// One text of several: what belongs to one name stands together.
fn merged(own: &str, others: &[String]) -> String {
    let mut families = BTreeMap::<&str, (&str, String)>::new();
    for text in [own].into_iter().chain(others.iter().map(String::as_str)) {
        for family in text.split("# HELP ").skip(1) {
            let Some((name, _)) = family.split_once(' ') else { continue };
            // Behind what it is and of which kind.
            let lines = family.match_indices('\n').nth(1).map_or(family.len(), |(at, _)| at + 1);
            let (head, samples) = family.split_at(lines);
            families.entry(name).or_insert_with(|| (head, String::new())).1.push_str(samples);
        }
    }
    families.into_values().map(|(head, samples)| format!("# HELP {head}{samples}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_whose_numbers_cannot_be_read_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["1", "3", "3.new"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("2")).unwrap();
        assert_eq!(others(folder.path(), 1).unwrap(), ["3"]);
    }

    #[test]
    fn what_belongs_to_one_name_stands_together() {
        let text = |worker: u8, more: &str| {
            let samples = format!("a{{worker=\"{worker}\"}} 1\n");
            format!("# HELP a A.\n# TYPE a gauge\n{samples}{more}")
        };
        let other = text(2, "# HELP b B.\n# TYPE b counter\nb{worker=\"2\"} 7\n");
        let expected = "# HELP a A.\n# TYPE a gauge\na{worker=\"1\"} 1\na{worker=\"2\"} 1\n\
                        # HELP b B.\n# TYPE b counter\nb{worker=\"2\"} 7\n";
        assert_eq!(merged(&text(1, ""), &[other]), expected);
    }
}

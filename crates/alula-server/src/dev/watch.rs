//! What is watched for changes.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::package::Program;

/// How long nothing must change before a change is over: editors write a file in steps.
const QUIET: Duration = Duration::from_millis(100);

/// Folders of a package whose files may all matter. The rest of what it is built from is known
/// from the build.
const FOLDERS: &[&str] = &["src", "templates", "migrations"];

/// Files to be watched, and who is told of changes.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    /// What the watcher looks at.
    watched: HashMap<PathBuf, RecursiveMode>,
    plan: Arc<Mutex<Plan>>,
    changes: watch::Receiver<Option<PathBuf>>,
    /// What was asked for beside the program's own files.
    extra: Vec<PathBuf>,
}

/// What matters.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    /// Folders with all that they contain.
    trees: Vec<PathBuf>,
    /// Folders whose manifests and settings matter.
    roots: HashSet<PathBuf>,
    files: HashSet<PathBuf>,
}

impl Watch {
    pub(super) fn new(extra: &[PathBuf]) -> notify::Result<Self> {
        let plan = Arc::new(Mutex::new(Plan::default()));
        let (sender, changes) = watch::channel(None);
        let filter = Arc::clone(&plan);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            let plan = filter.lock().unwrap_or_else(PoisonError::into_inner);
            // Of a file that takes the place of another, the name that stays comes last.
            if let Some(path) = event.paths.into_iter().rfind(|path| plan.matters(path)) {
                sender.send_replace(Some(path));
            }
        })?;
        let extra = extra.iter().filter_map(|path| path.canonicalize().ok()).collect();
        Ok(Self { watcher, watched: HashMap::new(), plan, changes, extra })
    }

    /// Looks at what a program is made of; `built` are the files of its last build.
    pub(super) fn look_at(&mut self, program: &Program, built: Vec<PathBuf>) -> notify::Result<()> {
        let plan = Plan::new(program, built, &self.extra);
        let wanted = plan.watches();
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        let unwanted: Vec<PathBuf> =
            self.watched.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect();
        for path in unwanted {
            // It fails only for a folder that is gone.
            let _ = self.watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        for (path, mode) in wanted {
            if self.watched.get(&path) != Some(&mode) {
                self.watcher.watch(&path, mode)?;
                self.watched.insert(path, mode);
            }
        }
        Ok(())
    }

    /// Waits for a change that nobody has taken yet.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + use<> {
        let mut changes = self.changes.clone();
        async move {
            if changes.changed().await.is_err() {
                // The watcher has ended, and will never tell.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes all changes so far, once there are no more for a moment; what changed last.
    pub(super) async fn take(&mut self) -> Option<PathBuf> {
        while self.changes.has_changed().unwrap_or(false) {
            self.changes.borrow_and_update();
            tokio::time::sleep(QUIET).await;
        }
        self.changes.borrow().clone()
    }
}

impl Plan {
    fn new(program: &Program, built: Vec<PathBuf>, extra: &[PathBuf]) -> Self {
        let named = program.folders.iter().filter_map(|folder| folder.canonicalize().ok());
        let used = built.iter().filter_map(|file| package_of(file));
        let folders: HashSet<PathBuf> = named.chain(used).collect();
        let mut plan = Self { files: built.into_iter().collect(), ..Self::default() };
        for folder in folders {
            let trees = FOLDERS.iter().map(|name| folder.join(name)).filter(|path| path.is_dir());
            plan.trees.extend(trees);
            plan.roots.insert(folder);
        }
        let here = std::env::current_dir().ok();
        plan.roots.extend([Some(program.workspace.clone()), here].into_iter().flatten());
        for path in extra {
            match path.is_dir() {
                true => plan.trees.push(path.clone()),
                false => _ = plan.files.insert(path.clone()),
            }
        }
        plan
    }

    /// The folders to look at. A file is seen by its folder, as editors put a new one in its place.
    fn watches(&self) -> HashMap<PathBuf, RecursiveMode> {
        let trees = self.trees.iter().map(|path| (path.clone(), RecursiveMode::Recursive));
        let folders = self.files.iter().filter_map(|path| path.parent());
        let folders = folders.filter(|path| !self.trees.iter().any(|tree| path.starts_with(tree)));
        let folders = folders.chain(self.roots.iter().map(PathBuf::as_path));
        let folders = folders.filter(|path| path.is_dir());
        folders.map(|path| (path.to_owned(), RecursiveMode::NonRecursive)).chain(trees).collect()
    }

    fn matters(&self, path: &Path) -> bool {
        if self.files.contains(path) {
            return true;
        }
        if let Some(inside) = self.trees.iter().find_map(|tree| path.strip_prefix(tree).ok()) {
            return !inside.iter().any(|part| is_noise(&part.to_string_lossy()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = path.parent().unwrap_or(path);
        let is_setting = name == ".env" || name.starts_with(".env.") || name == "build.rs";
        let is_toml = name.ends_with(".toml") && !is_noise(&name);
        self.roots.contains(folder) && (is_setting || is_toml)
    }
}

/// The folder of the package that a file belongs to.
fn package_of(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file()).map(Path::to_owned)
}

/// Files that editors put beside those that they write.
fn is_noise(name: &str) -> bool {
    name.starts_with(['.', '#'])
        || name.ends_with('~')
        || [".swp", ".swx", ".tmp", ".bak"].iter().any(|end| name.ends_with(end))
        || name == "4913" // of vim, to see whether it may write here
}

/// The files that a program was built from, as cargo wrote them down beside it.
pub(super) fn built_from(program: &Path) -> Vec<PathBuf> {
    let list = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let Some((_, files)) = list.split_once(": ") else { return Vec::new() };
    // A blank in a name has a backslash before it.
    let files = files.trim().replace("\\ ", "\0");
    let files = files.split_whitespace().map(|name| PathBuf::from(name.replace('\0', " ")));
    files.filter_map(|path| path.canonicalize().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            trees: vec!["/app/src".into()],
            roots: ["/app".into(), "/workspace".into()].into(),
            files: ["/app/prompts/system.txt".into()].into(),
        }
    }

    #[test]
    fn only_what_a_program_is_made_of_matters() {
        let plan = plan();
        for path in [
            "/app/src/main.rs",
            "/app/src/routers/chat.rs",
            "/app/Cargo.toml",
            "/app/app.toml",
            "/app/.env",
            "/app/.env.local",
            "/app/build.rs",
            "/workspace/Cargo.toml",
            "/app/prompts/system.txt",
        ] {
            assert!(plan.matters(Path::new(path)), "{path}");
        }
        for path in [
            "/app/Cargo.lock",
            "/app/README.md",
            "/app/data/app.db",
            "/app/target/debug/app",
            "/app/src/.main.rs.swp",
            "/app/src/main.rs~",
            "/app/src/4913",
            "/app/.git/index",
            "/app/prompts/other.txt",
            "/elsewhere/Cargo.toml",
        ] {
            assert!(!plan.matters(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn the_files_of_a_build_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (one, two) = (root.join("a b.rs"), root.join("c.txt"));
        fs::write(&one, "").unwrap();
        fs::write(&two, "").unwrap();
        let escaped = one.to_str().unwrap().replace(' ', "\\ ");
        let gone = root.join("gone.rs");
        let list = format!("/x/app: {escaped} {} {}\n", two.display(), gone.display());
        fs::write(root.join("app.d"), list).unwrap();
        assert_eq!(built_from(&root.join("app")), [one, two]);
        assert!(built_from(&root.join("none")).is_empty());
    }

    #[tokio::test]
    async fn a_change_is_told_once_and_only_if_it_matters() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("src")).unwrap();
        let program = Program::in_folder(&root);
        let mut watch = Watch::new(&[]).unwrap();
        watch.look_at(&program, Vec::new()).unwrap();
        fs::write(root.join("Cargo.lock"), "").unwrap();
        fs::create_dir(root.join("src/routers")).unwrap();
        watch.changed().await;
        assert_eq!(watch.take().await, Some(root.join("src/routers")));
        let file = root.join("src/routers/chat.rs");
        fs::write(&file, "").unwrap();
        watch.changed().await;
        assert_eq!(watch.take().await, Some(file));
        assert!(!watch.changes.has_changed().unwrap());
        let file = root.join("src/lib.rs");
        fs::write(root.join("src/lib.rs-new"), "").unwrap();
        fs::rename(root.join("src/lib.rs-new"), &file).unwrap();
        watch.changed().await;
        assert_eq!(watch.take().await, Some(file));
    }
}

//! Rows on the local disk, while the database is away.
//!
//! Each process has a file of its own, which it locks. What a process has left behind is taken
//! over by the next one that starts.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::row::Row;
use crate::private;

const PREFIX: &str = "usage-spill-";
const SUFFIX: &str = ".jsonl";

/// Rows that wait for the database.
#[derive(Debug)]
pub(super) struct Spill {
    dir: PathBuf,
    bytes_max: u64,
    /// The last one is written to. Those before it were found at the start.
    files: Vec<Waiting>,
}

/// A file with a row in each line.
#[derive(Debug)]
struct Waiting {
    /// Locked as long as it is open.
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    /// Up to here the rows are in the database.
    done: u64,
}

/// Rows that were read, and where the next ones are.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) rows: Vec<Row>,
    /// Lines that are no rows, as of a machine that lost its power.
    pub(super) damaged: usize,
    end: u64,
}

impl Spill {
    /// Takes over what other processes have left.
    pub(super) async fn open(dir: PathBuf, bytes_max: u64) -> Self {
        let folder = dir.clone();
        let files = match spawn_blocking(move || left_behind(&folder)).await {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                tracing::warn!(%error, folder = %dir.display(), "usage that may wait is not found");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        Self { dir, bytes_max, files }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file that the next rows go to, if there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.files.last().map(|waiting| waiting.path.as_path())
    }

    /// Appends rows: all, or none.
    pub(super) async fn append(&mut self, rows: &[Row]) -> io::Result<()> {
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, row)?;
            lines.push(b'\n');
        }
        let bytes = lines.len() as u64;
        if self.files.is_empty() {
            let dir = self.dir.clone();
            self.files.push(spawn_blocking(move || Waiting::create(&dir)).await??);
        }
        let bytes_all: u64 = self.files.iter().map(|waiting| waiting.length).sum();
        if bytes_all + bytes > self.bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("more than {} bytes of usage wait", self.bytes_max),
            ));
        }
        let Some(last) = self.files.last_mut() else { return Ok(()) };
        let (file, length) = (last.file.clone(), last.length);
        spawn_blocking(move || {
            // Half of a line would spoil the next one.
            (&*file).write_all(&lines).inspect_err(|_| _ = file.set_len(length))
        })
        .await??;
        last.length += bytes;
        Ok(())
    }

    /// The next rows, which stay until they are [done](Self::done).
    pub(super) async fn next(&self, rows_max: usize) -> io::Result<Read> {
        let Some(first) = self.files.first() else { return Ok(Read::default()) };
        let (file, done, length) = (first.file.clone(), first.done, first.length);
        spawn_blocking(move || read(&file, done, length, rows_max)).await?
    }

    /// These rows are in the database. A file of which all are is removed.
    pub(super) async fn done(&mut self, read: &Read) -> io::Result<()> {
        let Some(first) = self.files.first_mut() else { return Ok(()) };
        first.done = read.end;
        if first.done < first.length {
            return Ok(());
        }
        let first = self.files.remove(0);
        spawn_blocking(move || fs::remove_file(&first.path)).await?
    }
}

impl Waiting {
    fn create(dir: &Path) -> io::Result<Self> {
        private::create_folder(dir)?;
        let path = dir.join(format!("{PREFIX}{}{SUFFIX}", Uuid::now_v7()));
        let file = private::create_file(&path)?;
        file.lock()?;
        Ok(Self { file: Arc::new(file), path, length: 0, done: 0 })
    }

    /// A file that nobody else has open, if there is anything in it.
    fn take_over(path: PathBuf) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        let mut length = file.metadata()?.len();
        if length == 0 {
            return fs::remove_file(&path).map(|()| None);
        }
        // What was written last may have no end.
        let mut last = [b'\n'];
        (&file).seek(SeekFrom::Start(length - 1))?;
        (&file).read_exact(&mut last)?;
        if last != [b'\n'] {
            (&file).write_all(b"\n")?;
            length += 1;
        }
        Ok(Some(Self { file: Arc::new(file), path, length, done: 0 }))
    }
}

fn left_behind(dir: &Path) -> io::Result<Vec<Waiting>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            continue;
        }
        match Waiting::take_over(entry.path()) {
            Ok(Some(waiting)) => files.push(waiting),
            Ok(None) => {}
            // Another process may have been faster.
            Err(error) => tracing::warn!(%error, file = %name, "usage that waits is left alone"),
        }
    }
    Ok(files)
}

/// Reads whole lines from here on.
fn read(mut file: &File, from: u64, length: u64, rows_max: usize) -> io::Result<Read> {
    file.seek(SeekFrom::Start(from))?;
    let mut lines = BufReader::new(file.take(length - from));
    let mut read = Read { end: from, ..Read::default() };
    let mut line = Vec::new();
    while read.rows.len() < rows_max {
        line.clear();
        match lines.read_until(b'\n', &mut line)? {
            0 => break,
            bytes => read.end += bytes as u64,
        }
        match serde_json::from_slice(&line) {
            Ok(row) => read.rows.push(row),
            Err(_) => read.damaged += 1,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::{super::row::tests::row_at, *};

    const LARGE: u64 = 1 << 20;

    async fn all(spill: &mut Spill) -> (Vec<Row>, usize) {
        let (mut rows, mut damaged) = (Vec::new(), 0);
        while !spill.is_empty() {
            let mut read = spill.next(2).await.unwrap();
            spill.done(&read).await.unwrap();
            rows.append(&mut read.rows);
            damaged += read.damaged;
        }
        (rows, damaged)
    }

    #[tokio::test]
    async fn rows_come_back_in_order_and_leave_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::open(dir.path().join("new"), LARGE).await;
        assert!(spill.is_empty());
        let rows: Vec<Row> = (0..5).map(row_at).collect();
        spill.append(&rows[..3]).await.unwrap();
        spill.append(&rows[3..]).await.unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let modes = [dir.path().join("new"), spill.path().unwrap().to_owned()]
                .map(|path| fs::metadata(path).unwrap().mode() & 0o777);
            assert_eq!(modes, [0o700, 0o600], "nobody else may read it");
        }
        assert_eq!(all(&mut spill).await, (rows, 0));
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_process_has_left_is_taken_over_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::open(dir.path().to_owned(), LARGE).await;
        let rows: Vec<Row> = (0..3).map(row_at).collect();
        spill.append(&rows).await.unwrap();
        assert!(Spill::open(dir.path().to_owned(), LARGE).await.is_empty(), "it is in use");
        let path = spill.path().unwrap().to_owned();
        drop(spill);
        // The process broke off within a line.
        OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"id\":").unwrap();
        let mut next = Spill::open(dir.path().to_owned(), LARGE).await;
        let more = row_at(9);
        next.append(std::slice::from_ref(&more)).await.unwrap();
        assert_eq!(all(&mut next).await, ([rows, vec![more]].concat(), 1));
    }

    #[tokio::test]
    async fn it_does_not_fill_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::open(dir.path().to_owned(), 1_000).await;
        let rows: Vec<Row> = (0..2).map(row_at).collect();
        spill.append(&rows).await.unwrap();
        let error = spill.append(&rows).await.unwrap_err();
        assert_eq!(error.to_string(), "more than 1000 bytes of usage wait");
        assert_eq!(all(&mut spill).await, (rows, 0));
    }
}

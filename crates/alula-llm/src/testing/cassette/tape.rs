//! What is on a cassette, what of it was asked for, and what is new.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    fmt::Display,
    fs,
    io::{self, Write},
    mem,
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use serde_json::Value;

use super::{
    super::{
        Interaction, LoadError, Miss,
        audit::{self, Date},
        format::{self, Header},
        load::load_file,
        matching::Rules,
    },
    CassetteError, Mode, redact,
};

/// How large an answer with media may be that is recorded.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What may be written, and how.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) rules: Rules,
    /// Places whose values are taken out.
    pub(super) redacted: Vec<String>,
    /// Values that look like secrets and are none.
    pub(super) allowed: Vec<String>,
    pub(super) bytes_max: usize,
}

#[derive(Debug)]
pub(super) struct Tape {
    path: PathBuf,
    mode: Mode,
    policy: Policy,
    header: Option<Header>,
    recorded: Vec<Arc<Interaction>>,
    groups: HashMap<String, Group>,
    /// What is new, in the order in which it was asked.
    fresh: Vec<Fresh>,
    /// Keys that clients sent, which must not be written.
    keys: BTreeSet<String>,
    complaints: Vec<String>,
}

/// A call that is being recorded.
#[derive(Debug)]
enum Fresh {
    /// Its answer is not over.
    Open(String),
    Done(Box<Interaction>),
    /// Nothing of it is kept.
    Over,
}

/// Recordings of the same call.
#[derive(Debug, Default)]
struct Group {
    indices: Vec<usize>,
    served: usize,
}

impl Group {
    fn next(&self) -> Option<usize> {
        self.indices.get(self.served).copied()
    }
}

impl Tape {
    pub(super) fn open(path: &Path, mode: Mode, policy: Policy) -> Result<Self, CassetteError> {
        let mut tape = Self {
            path: path.to_owned(),
            mode,
            policy,
            header: None,
            recorded: Vec::new(),
            groups: HashMap::new(),
            fresh: Vec::new(),
            keys: BTreeSet::new(),
            complaints: Vec::new(),
        };
        let begins_empty = match mode {
            Mode::Replay | Mode::Verify => false,
            Mode::RecordMissing => !path.exists(),
            Mode::RecordAll => true,
        };
        if !begins_empty {
            let recorded = load_file(path)?;
            // Those of VCR.py are as large as they are, and most have their headers filtered out.
            match recorded.header {
                Some(_) => tape.check_size()?,
                None => tape.policy.rules.without_headers = true,
            }
            tape.header = recorded.header;
            tape.policy.rules.media.add(recorded.media);
            for (index, call) in recorded.interactions.into_iter().enumerate() {
                let key = tape.policy.rules.key(&call);
                tape.groups.entry(key).or_default().indices.push(index);
                tape.recorded.push(Arc::new(call));
            }
        }
        Ok(tape)
    }

    fn check_size(&self) -> Result<(), LoadError> {
        let bytes = fs::metadata(&self.path).map_or(0, |it| it.len());
        let bytes_max = self.policy.bytes_max as u64;
        match bytes > bytes_max {
            true => Err(LoadError::new(&self.path, too_large(bytes, bytes_max))),
            false => Ok(()),
        }
    }

    /// The largest answer that is recorded, which is larger than what is written of its media.
    pub(super) fn answer_bytes_max(&self) -> usize {
        self.policy.bytes_max.max(ANSWER_BYTES_MAX)
    }

    /// The next recording of this call.
    pub(super) fn take(&mut self, call: &Interaction) -> Result<Arc<Interaction>, Miss> {
        let masked = self.masked(call);
        let key = self.policy.rules.key(&masked);
        let is_left = self.groups.get(&key).is_some_and(|group| group.next().is_some());
        let key = if is_left { Some(key) } else { self.fitting(call) };
        let found = key.and_then(|key| self.groups.get_mut(&key)).and_then(|group| {
            let found = self.recorded.get(group.next()?)?;
            group.served += 1;
            Some(Arc::clone(found))
        });
        let recorded = self.recorded.iter().map(|it| &**it);
        found.ok_or_else(|| self.policy.rules.miss(&masked, recorded))
    }

    /// The first call that may have been this one before all values were taken out of it, those
    /// of its answer and of other calls too, of which this one alone says nothing.
    fn fitting(&self, call: &Interaction) -> Option<String> {
        if self.policy.redacted.is_empty() {
            return None;
        }
        let rules = &self.policy.rules;
        let asked = rules.document(call);
        let left = self.groups.iter().filter_map(|(key, group)| Some((group.next()?, key)));
        let fitting = left.filter(|(index, _)| {
            let recorded = self.recorded.get(*index);
            recorded.is_some_and(|it| redact::fits(&rules.document(it), &asked))
        });
        fitting.min().map(|(_, key)| key.clone())
    }

    /// The call as it would be written.
    fn masked<'a>(&self, call: &'a Interaction) -> Cow<'a, Interaction> {
        let mut values = BTreeSet::new();
        redact::collect(call, &self.policy.redacted, &mut values);
        if values.is_empty() {
            return Cow::Borrowed(call);
        }
        let mut call = call.clone();
        redact::redact(&mut call, &values);
        Cow::Owned(call)
    }

    /// A place for a call that is being recorded, and the keys that came with it.
    pub(super) fn reserve(&mut self, call: String, keys: Vec<String>) -> usize {
        self.keys.extend(keys);
        self.fresh.push(Fresh::Open(call));
        self.fresh.len() - 1
    }

    pub(super) fn keep(&mut self, place: usize, call: Interaction) {
        self.settle(place, Fresh::Done(Box::new(call)));
    }

    /// Complains of what has changed since a call was recorded.
    pub(super) fn verified(&mut self, place: usize, changes: Vec<String>) {
        let Some(Fresh::Open(call)) = self.settle(place, Fresh::Over) else { return };
        let complaints = changes.into_iter().map(|change| format!("{call} has changed: {change}"));
        self.complaints.extend(complaints);
    }

    /// Does without a call, and says why.
    pub(super) fn give_up(&mut self, place: usize, complaint: String) {
        self.settle(place, Fresh::Over);
        self.complain(complaint);
    }

    fn settle(&mut self, place: usize, end: Fresh) -> Option<Fresh> {
        self.fresh.get_mut(place).map(|fresh| mem::replace(fresh, end))
    }

    pub(super) fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// Writes what is new, and says what went wrong.
    pub(super) fn close(&mut self) -> Result<(), CassetteError> {
        for fresh in &self.fresh {
            if let Fresh::Open(call) = fresh {
                let complaint = format!("{call} was given up: its answer was not over");
                self.complaints.push(complaint);
            }
        }
        self.complaints.extend(self.unused());
        if self.mode == Mode::RecordMissing || self.complaints.is_empty() {
            self.save();
        }
        match mem::take(&mut self.complaints) {
            complaints if complaints.is_empty() => Ok(()),
            complaints => Err(CassetteError::Broken { path: self.path.clone(), complaints }),
        }
    }

    /// Writes what is new where nothing is lost by it.
    pub(super) fn rescue(&mut self) {
        if self.mode == Mode::RecordMissing || !self.path.exists() {
            self.save();
        }
    }

    /// Complains of each recording that was not asked.
    fn unused(&self) -> Vec<String> {
        let groups = self.groups.values();
        let mut unused: Vec<usize> =
            groups.flat_map(|group| group.indices.iter().skip(group.served)).copied().collect();
        unused.sort_unstable();
        let named = unused.into_iter().filter_map(|index| {
            let call = self.recorded.get(index)?.call();
            Some(format!("{call}, number {} of the cassette, was not asked", index + 1))
        });
        named.collect()
    }

    fn save(&mut self) {
        let fresh = self.fresh.drain(..).filter_map(|fresh| match fresh {
            Fresh::Done(call) => Some(*call),
            Fresh::Open(_) | Fresh::Over => None,
        });
        let fresh: Vec<Interaction> = fresh.collect();
        if fresh.is_empty() {
            return;
        }
        let old = self.recorded.iter().map(|it| (**it).clone());
        if let Err(complaint) = self.write(old.chain(fresh).collect()) {
            self.complaints.push(format!("nothing was written: {complaint}"));
        }
    }

    fn write(&self, mut calls: Vec<Interaction>) -> Result<(), String> {
        let mut values = BTreeSet::new();
        calls.iter().for_each(|it| redact::collect(it, &self.policy.redacted, &mut values));
        calls.iter_mut().for_each(|it| redact::redact(it, &values));
        values.retain(|value| !self.policy.allowed.contains(value));
        for call in &calls {
            if let Some(place) = redact::left(call, &values) {
                let call = call.call();
                return Err(format!("a redacted value is still in {call}, in {place}\n{LEFT}"));
            }
        }

        let header = self.header(&calls);
        let text = format::write(&header, &calls, &self.policy.rules.media)
            .map_err(|error| error.to_string())?;
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let found = audit::secrets(&text, &keys);
        if !found.is_empty() {
            let lines: Vec<String> =
                found.iter().map(|it| format!("\n  line {}: {it}", it.line)).collect();
            return Err(format!("there are secrets in it{}\n{ADVICE}", lines.concat()));
        }
        if text.len() > self.policy.bytes_max {
            return Err(too_large(text.len(), self.policy.bytes_max));
        }
        replace(&self.path, &text).map_err(|error| error.to_string())
    }

    fn header(&self, calls: &[Interaction]) -> Header {
        let mut header = self.header.clone().unwrap_or_else(|| Header {
            cassette: format::VERSION,
            recorded: Date::today().to_string(),
            recorder: concat!("alula-llm ", env!("CARGO_PKG_VERSION")).to_owned(),
            provider: calls.first().map(|it| it.host.clone()).filter(|host| !host.is_empty()),
            model: calls.iter().find_map(model),
            api_version: calls.iter().find_map(api_version),
            allowed: Vec::new(),
        });
        for value in &self.policy.allowed {
            if !header.allowed.contains(value) {
                header.allowed.push(value.clone());
            }
        }
        header
    }
}

fn too_large(bytes: impl Display, bytes_max: impl Display) -> String {
    format!("it has {bytes} bytes, and {bytes_max} are allowed: ask for less, or set `bytes_max`")
}

const LEFT: &str =
    "ask for something that is not told in pieces, or name what may be seen with `allow`";

const ADVICE: &str = "take a value out with `redact`, or name one that is no secret with `allow`";

/// The model that a call is for, which Gemini has in the path.
fn model(call: &Interaction) -> Option<String> {
    let in_body = call.request.get("model").and_then(Value::as_str);
    let in_path = || call.path.split_once("/models/")?.1.split(':').next();
    in_body.or_else(in_path).map(str::to_owned)
}

/// The version of the API that a call asks for.
fn api_version(call: &Interaction) -> Option<String> {
    const PARAMETER: &str = "api-version=";
    let header = call.request_headers.iter().find(|(name, _)| name.ends_with("-version"));
    let query = call.query.as_deref().unwrap_or_default().split('&');
    let parameter = query.filter_map(|pair| pair.strip_prefix(PARAMETER)).next();
    header.map(|(_, value)| value.clone()).or_else(|| parameter.map(str::to_owned))
}

/// Writes a file that is there as a whole or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = dir {
        fs::create_dir_all(dir)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", process::id()));
    let new = path.with_file_name(name);
    let written = fs::File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    });
    if written.is_err() {
        // It may not even have been made.
        let _ = fs::remove_file(&new);
    }
    written
}

use std::{
    collections::HashMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;

use super::{
    Interaction, LoadError, Miss, canonical_request,
    diff::differences,
    load::{files_below, load_file},
    request::simplified,
};

/// Recordings of provider calls, found by what was asked.
///
/// They are recorded by a [`Cassette`](super::Cassette), or the YAML files of VCR.py. A call
/// matches by method, path and JSON body, where it makes no difference how the same request is
/// spelled (see [`canonical_request`](super::canonical_request)); the query string, the host and
/// the headers take no part. Recordings of the same call are served in their order, and the last
/// of them again and again.
///
/// ```
/// use alula_llm::testing::Cassettes;
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cassettes");
/// let cassettes = Cassettes::load(folder)?;
/// let mut body = json!({"model": "fake-model", "messages": [{"role": "user", "content": "Hi"}]});
/// let recorded = cassettes.find("POST", "/v1/chat/completions", &body)?;
/// assert_eq!(recorded.status, 200);
/// body["temperature"] = json!(0.5);
/// let miss = cassettes.find("POST", "/v1/chat/completions", &body).unwrap_err();
/// assert!(miss.to_string().contains("/temperature"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Cassettes {
    interactions: Vec<Interaction>,
    groups: HashMap<String, Group>,
    skipped: Vec<LoadError>,
}

/// Recordings of the same call.
#[derive(Debug, Default)]
struct Group {
    interactions: Vec<usize>,
    served: AtomicUsize,
}

impl Cassettes {
    /// Reads every `.jsonl`, `.yaml` and `.yml` file below `dir`.
    ///
    /// Interactions without a JSON body, such as a download between two calls, are left out, unless
    /// they [fetch](Interaction::is_retrieval) the answer of a call.
    /// Files that are no cassettes are skipped; [`skipped`](Self::skipped) has them.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when the folder cannot be read, or none of its files.
    pub fn load(dir: impl AsRef<Path>) -> Result<Self, LoadError> {
        let mut cassettes = Self::default();
        let mut any_read = false;
        for file in files_below(dir.as_ref())? {
            match load_file(&file) {
                Ok(recorded) => {
                    any_read = true;
                    let is_asked = |it: &Interaction| !it.request.is_null() || it.is_retrieval();
                    let asked = recorded.interactions.into_iter().filter(is_asked);
                    asked.for_each(|it| cassettes.add(it));
                }
                Err(error) => cassettes.skipped.push(error),
            }
        }
        match cassettes.skipped.pop() {
            Some(error) if !any_read => return Err(error),
            error => cassettes.skipped.extend(error),
        }
        Ok(cassettes)
    }

    /// The files that could not be read, each with the reason.
    pub fn skipped(&self) -> &[LoadError] {
        &self.skipped
    }

    /// Adds a recording after those that are there.
    pub fn add(&mut self, interaction: Interaction) {
        let key = key(&interaction.method, &interaction.path, &interaction.request);
        self.groups.entry(key).or_default().interactions.push(self.interactions.len());
        self.interactions.push(interaction);
    }

    /// The next recording of this call.
    ///
    /// # Errors
    ///
    /// [`Miss`] when there is none; it names the nearest one and what differs.
    pub fn find(&self, method: &str, path: &str, body: &Value) -> Result<&Interaction, Miss> {
        let path = path.split('?').next().unwrap_or_default();
        let found = self.groups.get(&key(method, path, body)).and_then(|group| {
            let last = group.interactions.len().checked_sub(1)?;
            let turn = group.served.fetch_add(1, Ordering::Relaxed).min(last);
            self.interactions.get(*group.interactions.get(turn)?)
        });
        found.ok_or_else(|| self.miss(method, path, body))
    }

    /// How many recordings there are.
    pub fn len(&self) -> usize {
        self.interactions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.interactions.is_empty()
    }

    /// All recordings, sorted by file.
    pub fn iter(&self) -> impl Iterator<Item = &Interaction> {
        self.interactions.iter()
    }

    /// The recordings that no call has asked for.
    pub fn unused(&self) -> impl Iterator<Item = &Interaction> {
        let unused = self.groups.values().flat_map(|group| {
            let served = group.served.load(Ordering::Relaxed);
            group.interactions.iter().skip(served)
        });
        let mut unused: Vec<usize> = unused.copied().collect();
        unused.sort_unstable();
        unused.into_iter().filter_map(|index| self.interactions.get(index))
    }

    fn miss(&self, method: &str, path: &str, body: &Value) -> Miss {
        let call = Interaction {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Interaction::default()
        };
        let body = simplified(body);
        let same_path =
            self.interactions.iter().filter(|it| it.method == method && it.path == path);
        let compared = same_path.map(|it| (it, differences(&simplified(&it.request), &body, 1000)));
        let nearest = compared.min_by_key(|(_, differences)| differences.len());
        let (nearest, differences) = nearest
            .map(|(it, differences)| (Some(it.file.clone()), differences))
            .unwrap_or_default();
        Miss::new(&call, nearest, differences)
    }
}

fn key(method: &str, path: &str, body: &Value) -> String {
    format!("{method} {path} {}", canonical_request(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded(file: &str, request: Value, status: u16) -> Interaction {
        Interaction {
            file: file.into(),
            method: "POST".to_owned(),
            path: "/v1/x".to_owned(),
            request,
            status,
            ..Interaction::default()
        }
    }

    fn cassettes() -> Cassettes {
        let mut cassettes = Cassettes::default();
        for (file, temperature, status) in [("a", 1, 200), ("b", 2, 200), ("c", 1, 429)] {
            let request = json!({"model": "m", "temperature": temperature});
            cassettes.add(recorded(file, request, status));
        }
        cassettes
    }

    #[test]
    fn equal_calls_are_served_in_order_and_the_last_repeats() {
        let cassettes = cassettes();
        let body = json!({"temperature": 1.0, "model": "m", "stream": false});
        let statuses: Vec<u16> = (0..3)
            .map(|_| cassettes.find("POST", "/v1/x?beta=true", &body).unwrap().status)
            .collect();
        assert_eq!(statuses, [200, 429, 429]);
        let unused: Vec<_> = cassettes.unused().map(|it| it.file.to_str().unwrap()).collect();
        assert_eq!(unused, ["b"]);
    }

    #[test]
    fn a_miss_names_the_nearest_recording_and_what_differs() {
        let cassettes = cassettes();
        let body = json!({"model": "m", "temperature": 2, "seed": 3, "stream": false});
        let miss = cassettes.find("POST", "/v1/x", &body).unwrap_err();
        assert_eq!(
            miss.to_string(),
            "no recording of POST /v1/x matches; the nearest is b\n  /seed: expected nothing, got 3"
        );
        let miss = cassettes.find("GET", "/v1/x", &body).unwrap_err();
        assert_eq!(miss.to_string(), "there is no recording of GET /v1/x");
    }
}

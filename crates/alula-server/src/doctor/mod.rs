//! `alula doctor`: what would keep the server from working, before it does.

mod machine;
mod report;
mod settings;
mod upstream;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

pub(crate) use self::report::Report;
use crate::config::{Config, Located, Source};

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Doctor {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) file: Option<PathBuf>,
    pub(crate) allow_unauthenticated: bool,
    /// Whether providers are left alone.
    pub(crate) offline: bool,
    /// The variables that are read elsewhere than in [`Config`].
    pub(crate) variables: Vec<String>,
}

impl Doctor {
    /// Looks at everything, whatever is found. What hangs on something broken is left out.
    pub(crate) async fn examine(self) -> Report {
        let mut report = Report::default();
        let config = settings::environment(&mut report).map(Arc::new);
        let file = settings::file(&mut report, self.file.as_deref());
        settings::unknown(
            &mut report,
            &self.variables,
            file.as_ref().ok().and_then(Option::as_ref),
        );
        if let Some(config) = &config {
            if let Ok(file) = &file {
                upstream::providers(&mut report, config, file.as_ref(), self.offline).await;
            }
            self.database(&mut report, config).await;
            upstream::redis(&mut report, config.redis.as_ref()).await;
            upstream::files(&mut report, &config.documents.storage, self.offline).await;
            machine::folder(&mut report, "usage folder", &config.usage.spill_dir);
            machine::open_files(&mut report, config.limits.connections);
        }
        machine::port(&mut report, self.host, self.port);
        machine::clock(&mut report);
        report
    }

    async fn database(&self, report: &mut Report, config: &Config) {
        let Some(has_keys) = upstream::database(report, &config.database).await else { return };
        let who = match (has_keys, self.allow_unauthenticated, self.host.is_loopback()) {
            (true, ..) => return report.ok("access", "requests need a key"),
            (false, true, true) => "there are no keys: this machine is answered without one",
            (false, true, false) => {
                let who = "there are no keys, and whoever reaches the address is answered";
                return report.warn("access", who, "make a key: alula keys create --name NAME");
            }
            (false, false, true) => "there are no keys: this machine is answered, and nobody else",
            (false, false, false) => {
                let who =
                    format!("there are no keys, so the server does not listen on {}", self.host);
                let advice = "make a key (alula keys create --name NAME), listen on 127.0.0.1, or \
                              say --allow-unauthenticated";
                return report.fail("access", who, advice);
            }
        };
        report.ok("access", who);
    }
}

/// The file, or that there is none; or that it cannot be used.
type Loaded = Result<Option<Located>, ()>;

fn load(path: Option<&std::path::Path>) -> Result<Option<Located>, String> {
    let loaded = Source::new(path).load().map_err(|error| error.to_string())?;
    Ok(loaded.map(|(_, located)| located))
}

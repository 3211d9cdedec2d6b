//! A bundle of a server for programs that install those, such as Claude Desktop: a zip with a
//! manifest, by the MCPB specification 0.3.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const MANIFEST_VERSION: &str = "0.3";

/// What is in a bundle.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) author: String,
    /// The program.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Variables of the environment that stay the same.
    pub(crate) env: Vec<(String, String)>,
    /// Those that the user fills in.
    pub(crate) asked: Vec<Asked>,
}

/// A variable of the environment that the user of a bundle fills in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) variable: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) is_secret: bool,
    pub(crate) is_required: bool,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("the bundle cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
    #[error("the manifest cannot be written: {0}")]
    Manifest(#[from] serde_json::Error),
}

impl Bundle {
    /// The name of the program in the bundle.
    fn entry_point(&self) -> String {
        let name = self.program.file_name().map(|name| name.to_string_lossy().into_owned());
        format!("server/{}", name.unwrap_or_else(|| "server".to_owned()))
    }

    /// What says all of it.
    pub(crate) fn manifest(&self) -> Value {
        let Self { name, version, title, description, author, arguments, .. } = self;
        let entry_point = self.entry_point();
        let mut env = Map::new();
        for (variable, value) in &self.env {
            env.insert(variable.clone(), value.clone().into());
        }
        let mut config = Map::new();
        for asked in &self.asked {
            let key = asked.variable.to_lowercase();
            env.insert(asked.variable.clone(), format!("${{user_config.{key}}}").into());
            config.insert(key, asked.to_json());
        }
        json!({
            "manifest_version": MANIFEST_VERSION,
            "name": name,
            "display_name": title,
            "version": version,
            "description": description,
            "author": { "name": author },
            "server": {
                "type": "binary",
                "entry_point": entry_point,
                "mcp_config": {
                    "command": format!("${{__dirname}}/{entry_point}"),
                    "args": arguments,
                    "env": env,
                },
            },
            "tools_generated": true,
            "prompts_generated": true,
            "compatibility": { "platforms": [platform()] },
            "user_config": config,
        })
    }

    /// Writes it, to a file that is there only once it is whole.
    ///
    /// # Errors
    ///
    /// When the program cannot be read, or the file not be written.
    pub(crate) fn write(&self, path: &Path) -> Result<u64, BundleError> {
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |error| BundleError::Io { path, error }
        };
        let mut program = File::open(&self.program).map_err(wrong(&self.program))?;
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let written = self.write_to(&part, &mut program).and_then(|bytes| {
            std::fs::rename(&part, path).map_err(wrong(path))?;
            Ok(bytes)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    fn write_to(&self, path: &Path, program: &mut File) -> Result<u64, BundleError> {
        let wrong = |error| BundleError::Io { path: path.to_owned(), error };
        let file = File::create(path).map_err(wrong)?;
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let mut zip = ZipWriter::new(file);
        zip.start_file("manifest.json", options.unix_permissions(0o644))?;
        serde_json::to_writer_pretty(&mut zip, &self.manifest())?;
        zip.start_file(self.entry_point(), options.unix_permissions(0o755).large_file(true))?;
        io::copy(program, &mut zip).map_err(wrong)?;
        let file = zip.finish()?;
        file.sync_all().map_err(wrong)?;
        Ok(file.metadata().map_err(wrong)?.len())
    }
}

impl Asked {
    fn to_json(&self) -> Value {
        let Self { title, description, is_secret, is_required, .. } = self;
        let mut asked = json!({
            "type": "string",
            "title": title,
            "description": description,
            "required": is_required,
            "sensitive": is_secret,
        });
        if let Some(asked) = asked.as_object_mut().filter(|_| !is_required) {
            // Without a default, the variable would be the placeholder itself.
            asked.insert("default".to_owned(), "".into());
        }
        asked
    }
}

/// This system, as a manifest calls it.
fn platform() -> &'static str {
    if cfg!(target_os = "macos") {
        "darwin"
    } else if cfg!(windows) {
        "win32"
    } else {
        "linux"
    }
}

//! Where programs keep their configuration.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// A program that uses MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// Claude Desktop, which starts programs.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// No program: the JSON is printed, for any that reads `mcpServers`.
    Json,
}

/// What says where the files of a user are.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) home: Option<PathBuf>,
    /// Of Windows.
    pub(crate) app_data: Option<PathBuf>,
    /// Of Linux, if it is not in the usual place.
    pub(crate) config_home: Option<PathBuf>,
    /// Of Claude Code, if it is not in the usual place.
    pub(crate) claude_dir: Option<PathBuf>,
    /// The folder of the project that alone shall know the server.
    pub(crate) project: Option<PathBuf>,
}

impl Client {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::Json => "JSON",
        }
    }

    /// What there is to do before it knows of a change.
    pub(crate) fn next_step(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Quit Claude Desktop and start it again.",
            Self::ClaudeCode => "`claude mcp list` shows it in the next session.",
            Self::Cursor => "Turn it on in Cursor's settings, below MCP.",
            Self::Json => "",
        }
    }

    /// Its file.
    pub(crate) fn path(self, place: &Place) -> Option<PathBuf> {
        let Place { home, app_data, config_home, claude_dir, project } = place;
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        match (self, project) {
            (Self::Json, _) | (Self::ClaudeDesktop, Some(_)) => None,
            (Self::ClaudeDesktop, None) => {
                let folder = if cfg!(target_os = "macos") {
                    in_home("Library/Application Support/Claude")
                } else if cfg!(windows) {
                    app_data.as_ref().map(|folder| folder.join("Claude"))
                } else {
                    let config = config_home.clone().or_else(|| in_home(".config"));
                    config.map(|folder| folder.join("Claude"))
                };
                folder.map(|folder| folder.join("claude_desktop_config.json"))
            }
            (Self::ClaudeCode, Some(project)) => Some(project.join(".mcp.json")),
            (Self::ClaudeCode, None) => match claude_dir {
                Some(folder) => Some(folder.join(".claude.json")),
                None => in_home(".claude.json"),
            },
            (Self::Cursor, Some(project)) => Some(project.join(Path::new(".cursor/mcp.json"))),
            (Self::Cursor, None) => in_home(".cursor/mcp.json"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_the_programs_look_for_them() {
        let user = Place { home: Some("/u/ada".into()), ..Place::default() };
        let path = |client: Client, place: &Place| client.path(place);
        assert_eq!(path(Client::ClaudeCode, &user), Some("/u/ada/.claude.json".into()));
        assert_eq!(path(Client::Cursor, &user), Some("/u/ada/.cursor/mcp.json".into()));
        let elsewhere = Place { claude_dir: Some("/c".into()), ..Place::default() };
        assert_eq!(path(Client::ClaudeCode, &elsewhere), Some("/c/.claude.json".into()));
        let project = Place { project: Some("/p".into()), ..Place::default() };
        assert_eq!(path(Client::ClaudeCode, &project), Some("/p/.mcp.json".into()));
        assert_eq!(path(Client::Cursor, &project), Some("/p/.cursor/mcp.json".into()));
        assert_eq!(path(Client::ClaudeDesktop, &project), None);
        assert_eq!(path(Client::ClaudeCode, &Place::default()), None);
        #[cfg(target_os = "linux")]
        {
            let file = "/u/ada/.config/Claude/claude_desktop_config.json";
            assert_eq!(path(Client::ClaudeDesktop, &user), Some(file.into()));
        }
    }
}

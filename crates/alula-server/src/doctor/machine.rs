//! The machine.

use std::{
    io,
    net::{IpAddr, TcpListener},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::Report;

/// Files that are open whatever the clients do.
const FILES_BESIDE: u64 = 128;

/// That something can be written there, or that the folder can be made.
pub(super) fn folder(report: &mut Report, name: &str, path: &Path) {
    let existing = path.ancestors().find(|it| it.as_os_str().is_empty() || it.exists());
    let at = match existing {
        Some(at) if !at.as_os_str().is_empty() => at,
        _ => Path::new("."),
    };
    let shown = path.display();
    match is_writable(at) {
        Ok(()) => report.ok(name, format!("{shown} can be written")),
        Err(error) => report.fail(
            name,
            format!("{shown} cannot be written: {error}"),
            "let the user of the server write there, or name another folder",
        ),
    }
}

#[cfg(unix)]
fn is_writable(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn is_writable(folder: &Path) -> io::Result<()> {
    match folder.metadata()?.permissions().readonly() {
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }
}

/// That so many connections can be open, each with one to a provider.
#[cfg(unix)]
pub(super) fn open_files(report: &mut Report, connections: usize) {
    use rustix::process::{Resource, getrlimit};
    let needed = (connections as u64).saturating_mul(2).saturating_add(FILES_BESIDE);
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => report.warn(
            "open files",
            format!("{limit} may be open; {connections} clients at a time take up to {needed}"),
            "raise it (ulimit -n, LimitNOFILE=), or lower ALULA_CONNECTIONS_MAX",
        ),
        Some(limit) => report.ok("open files", format!("{limit} may be open")),
        None => report.ok("open files", "any number may be open"),
    }
}

#[cfg(not(unix))]
pub(super) fn open_files(_: &mut Report, _: usize) {}

/// That nobody listens there.
pub(super) fn port(report: &mut Report, host: IpAddr, port: u16) {
    let address = format!("{host} port {port}");
    match TcpListener::bind((host, port)) {
        Ok(_) => report.ok("address", format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => report.warn(
            "address",
            format!("somebody listens on {address}"),
            "that may be the server; if not, choose another with --port",
        ),
        Err(error) => report.fail(
            "address",
            format!("nobody can listen on {address}: {error}"),
            "choose another with --host and --port",
        ),
    }
}

/// That it has been set: certificates, expiries and budgets go by it.
pub(super) fn clock(report: &mut Report) {
    /// The first of January 2026.
    const PAST: Duration = Duration::from_secs(1_767_225_600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match now < PAST {
        true => report.fail("clock", "it is years behind", "set it, and keep it right with NTP"),
        false => report.ok("clock", "it is set"),
    }
}

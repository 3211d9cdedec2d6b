//! Whether this process is a worker.
//!
//! The one place of the framework that looks at the environment: a supervisor has no other way to
//! tell a copy of its program what it is before that runs.

use std::{io, os::unix::process::parent_id};

/// The number of a worker, counted from 1.
pub(super) const WORKER: &str = "ALULA_WORKER";
/// The process id of its supervisor.
pub(super) const SUPERVISOR: &str = "ALULA_SUPERVISOR";

/// What this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Started by somebody.
    Alone,
    /// Started by a supervisor.
    Worker(usize),
    /// It has inherited a worker's environment, and its parent is no supervisor.
    Stray,
}

impl Role {
    /// Finds it out.
    pub(super) fn of_this_process() -> Self {
        Self::of(variable(WORKER), variable(SUPERVISOR), parent_id())
    }

    fn of(worker: Option<usize>, supervisor: Option<u32>, parent: u32) -> Self {
        match (worker, supervisor) {
            (Some(number), Some(supervisor)) if supervisor == parent => Self::Worker(number),
            (None, None) => Self::Alone,
            _ => Self::Stray,
        }
    }
}

/// A worker that outlived its supervisor must not become one, and cannot tell itself from a
/// program that a worker started.
pub(super) fn stray() -> io::Error {
    io::Error::other(format!(
        "the environment has {WORKER}, but the process that started this one is not the supervisor \
         that {SUPERVISOR} names; remove both from the environment"
    ))
}

#[expect(clippy::disallowed_methods, reason = "the mark of a worker is in its environment")]
fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_child_of_its_supervisor_is_a_worker() {
        assert_eq!(Role::of(None, None, 7), Role::Alone);
        assert_eq!(Role::of(Some(2), Some(7), 7), Role::Worker(2));
        assert_eq!(Role::of(Some(2), Some(7), 1), Role::Stray, "an orphan, or a grandchild");
        assert_eq!(Role::of(Some(2), None, 7), Role::Stray);
    }
}

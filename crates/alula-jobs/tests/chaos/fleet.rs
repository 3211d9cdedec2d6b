//! Processes that are killed and started again.

use std::{
    ops::RangeInclusive,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::time::sleep;

use crate::role::Role;

/// How long it is from one kill to the next, in milliseconds.
const PAUSE_MILLIS: RangeInclusive<u64> = 20..=250;

/// Processes. They end with it.
#[derive(Debug)]
pub(crate) struct Fleet {
    members: Vec<Member>,
    /// By it alone it is decided who is killed when.
    rng: Rng,
    pause_millis: RangeInclusive<u64>,
}

#[derive(Debug)]
pub(crate) struct Member {
    role: Role,
    child: Child,
}

impl Fleet {
    pub(crate) fn start(roles: impl IntoIterator<Item = Role>, seed: u64) -> Result<Self> {
        let members = roles.into_iter().map(Member::start).collect::<Result<_>>()?;
        Ok(Self { members, rng: Rng::with_seed(seed), pause_millis: PAUSE_MILLIS })
    }

    /// So long from one kill to the next.
    pub(crate) fn pause_millis(mut self, pause: RangeInclusive<u64>) -> Self {
        self.pause_millis = pause;
        self
    }

    /// Waits a little, kills one of them, and starts it again.
    pub(crate) async fn kill_one(&mut self) -> Result<()> {
        let (pause, which) =
            (self.rng.u64(self.pause_millis.clone()), self.rng.usize(..self.members.len()));
        let next_seed = self.rng.u64(..);
        sleep(Duration::from_millis(pause)).await;
        let member = self.members.get_mut(which).context("there is no process")?;
        member.kill()?;
        if let Role::Enqueuer { seed, .. } = &mut member.role {
            *seed = next_seed;
        }
        *member = Member::start(member.role.clone())?;
        Ok(())
    }

    /// Ends those that are not workers.
    pub(crate) fn keep_workers(&mut self) {
        self.members.retain(|member| matches!(member.role, Role::Worker { .. }));
    }

    /// How many are still there without having been told to end.
    pub(crate) fn alive(&mut self) -> usize {
        let alive = |member: &mut Member| matches!(member.child.try_wait(), Ok(None));
        self.members.iter_mut().map(alive).filter(|alive| *alive).count()
    }
}

impl Member {
    pub(crate) fn start(role: Role) -> Result<Self> {
        let mut command = role.command()?;
        let child = command.stdin(Stdio::piped()).spawn().context("no process can be started")?;
        Ok(Self { role, child })
    }

    /// Ends it by SIGKILL, of which it hears nothing.
    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("a process cannot be killed")?;
        self.child.wait().context("a process does not end")?;
        Ok(())
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        anyhow::ensure!(status.context("there is no `kill`")?.success(), "SIG{name} was refused");
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kill();
    }
}

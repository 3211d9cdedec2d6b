//! `chaos jobs`: those who enqueue and those who work are killed at random.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{
    fleet::Fleet,
    options::Options,
    place::{self, Place},
    role::Role,
    tally::{Tally, quiet},
};

/// How many of each there are.
const ENQUEUERS: u64 = 2;
const WORKERS: usize = 2;
/// How much longer than a lease the last job may take after the last kill.
const GRACE: Duration = Duration::from_secs(5);
/// How much longer is waited, to tell what is late from what is lost.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn run(options: &Options) -> Result<()> {
    let Options { store, kills, seed, lease, .. } = *options;
    println!("{kills} kills, {store:?}, lease {lease:?}, seed {seed}");
    let place = Place::new(store)?;
    let queue = place::open(&place.address()).await?;
    let (acknowledged, noted) = (place.file("acknowledged"), place.file("noted"));
    let worker = Role::Worker {
        address: place.address(),
        log: noted.clone(),
        lease_ms: lease.as_millis().try_into()?,
    };
    let enqueuer = |number| Role::Enqueuer {
        address: place.address(),
        log: acknowledged.clone(),
        seed: seed.wrapping_add(number),
    };
    let roles = (1..=ENQUEUERS).map(enqueuer).chain(std::iter::repeat_n(worker, WORKERS));
    let mut fleet = Fleet::start(roles, seed)?;
    let began = Instant::now();
    for killed in 1..=kills {
        fleet.kill_one().await?;
        if killed.is_multiple_of(kills.div_ceil(10)) {
            println!("{killed} killed, after {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    let last_kill = queue.time().now();
    fleet.keep_workers();
    let deadline = last_kill + lease + GRACE;
    quiet(&queue, deadline + PATIENCE).await?;
    ensure!(fleet.alive() == WORKERS, "a worker has ended by itself");
    drop(fleet);

    let tally = Tally::take(&queue, &acknowledged, &noted, last_kill, deadline).await?;
    tally.print();
    let rest = tally.last_end.map_or(Duration::ZERO, |end| end - last_kill);
    println!(
        "{tally}; {kills} kills in {:.0} s, {} acknowledged jobs, {} repeated attempts, the last \
         end {:.1} s after the last kill; {store:?}, seed {seed}",
        began.elapsed().as_secs_f64(),
        tally.acknowledged,
        tally.repeated_attempts,
        rest.as_secs_f64(),
    );
    ensure!(tally.is_clean(), "jobs were promised more than they got");
    ensure!(tally.acknowledged > 0 || kills == 0, "nothing was enqueued between the kills");
    Ok(())
}

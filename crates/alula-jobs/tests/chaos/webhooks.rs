//! `chaos webhooks`: the workers that send webhooks are killed while they do.

use std::time::{Duration, Instant};

use alula_jobs::{
    Failure, Handler, JobContext, JobId, JobState, NewJob, Queue, Step,
    webhook::{Delivery, SigningSecret, Webhook, WebhookClient},
};
use anyhow::{Context as _, Result, ensure};
use tokio::time::sleep;

use crate::{
    fleet::Fleet,
    options::Options,
    place::{self, Place},
    receiver::{Manner, Receiver},
    role::Role,
    tally::{all, quiet},
};

const NAME: &str = "webhook.v1";
/// Of nobody but these processes.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How many there are, unless `--count` says otherwise.
const COUNT: u32 = 10_000;
/// How many are enqueued at once.
const TOGETHER: usize = 20;
const WORKERS: usize = 2;
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(1_800);
const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn run(options: &Options) -> Result<()> {
    let Options { store, seed, lease, .. } = *options;
    let count = if options.count == 0 { COUNT } else { options.count };
    println!("{count} webhooks, {store:?}, lease {lease:?}, seed {seed}");
    let place = Place::new(store)?;
    let queue = place::open(&place.address()).await?;
    let worker = Role::Worker {
        address: place.address(),
        log: place.file("noted"),
        lease_ms: lease.as_millis().try_into()?,
    };
    let mut fleet = Fleet::start(std::iter::repeat_n(worker, WORKERS), seed)?;
    let receiver = Receiver::start(SECRET, Manner::Refuses).await?;
    let (began, mut kills) = (Instant::now(), 0);
    let jobs = jobs(count, &receiver.url()?)?;
    let ids: Vec<JobId> = jobs.iter().map(NewJob::id).collect();
    let sending = async {
        tokio::try_join!(enqueue(&queue, jobs), kill(&mut fleet, &receiver, count, &mut kills))
    };
    tokio::select! {
        sent = sending => drop(sent?),
        served = receiver.serve() => served?,
        () = sleep(PATIENCE) => println!("{} have come, and no more", receiver.accepted()),
    }
    let took = began.elapsed();
    let deadline = queue.time().now() + lease + GRACE;
    tokio::select! {
        done = quiet(&queue, deadline) => done?,
        served = receiver.serve() => served?,
    }
    drop(fleet);
    println!("{kills} kills in {:.0} s, {store:?}, seed {seed}", took.as_secs_f64());
    judge(&queue, &receiver, &ids).await
}

fn jobs(count: u32, url: &str) -> Result<Vec<NewJob>> {
    let step = Step::new(NAME).queue("webhooks").max_attempts(100);
    let job = |n| NewJob::new(step.clone(), &(url, format!(r#"{{"number":{n}}}"#)));
    Ok((0..count).map(job).collect::<Result<_, _>>()?)
}

async fn enqueue(queue: &Queue, jobs: Vec<NewJob>) -> Result<()> {
    for some in jobs.chunks(TOGETHER) {
        queue.enqueue_all(some.to_vec()).await?;
    }
    Ok(())
}

/// Kills workers until all messages were taken.
async fn kill(fleet: &mut Fleet, receiver: &Receiver, count: u32, kills: &mut u32) -> Result<()> {
    while receiver.accepted() < usize::try_from(count)? {
        fleet.kill_one().await?;
        *kills += 1;
        if kills.is_multiple_of(50) {
            println!("{kills} killed, {} webhooks taken", receiver.accepted());
        }
    }
    Ok(())
}

async fn judge(queue: &Queue, receiver: &Receiver, ids: &[JobId]) -> Result<()> {
    let (mut messages, jobs) = (receiver.messages(), all(queue).await?);
    let (mut missing, mut unfinished, mut tries, mut wrong) = (0, 0, 0, receiver.wrong());
    for (number, id) in ids.iter().enumerate() {
        let is_done = jobs.get(id).is_some_and(|job| job.state == JobState::Succeeded);
        unfinished += usize::from(!is_done);
        match messages.remove(&format!("msg_{id}")) {
            Some(message) if message.is_accepted => {
                tries += message.tries;
                if message.body != format!(r#"{{"number":{number}}}"#) {
                    wrong.push(format!("{id} came with {}", message.body));
                }
            }
            _ => missing += 1,
        }
    }
    wrong.extend(messages.keys().map(|id| format!("nobody has sent {id}")));
    wrong.iter().take(5).for_each(|one| println!("{one}"));
    println!(
        "{missing} webhooks missing of {}, {} wrong or without a valid signature, {unfinished} \
         jobs not succeeded; {tries} tries",
        ids.len(),
        wrong.len(),
    );
    ensure!(missing + unfinished == 0 && wrong.is_empty(), "webhooks were lost or spoiled");
    Ok(())
}

/// Sends a webhook once, under a name that is the same each time.
pub(crate) fn handler() -> Result<Handler> {
    let secret: SigningSecret = SECRET.parse().context("it is no secret")?;
    let client = WebhookClient::builder([secret])
        .allow_private(["127.0.0.0/8".parse()?])
        .timeout(Duration::from_secs(5))
        .build()?;
    let send = move |(url, body): (String, String), job: JobContext| {
        let client = client.clone();
        async move {
            let url = client.parse_url(&url)?;
            let webhook = Webhook::new(format!("msg_{}", job.id()), url, body)?;
            match webhook.deliver(&client).await {
                Delivery::Delivered { .. } => Ok(()),
                other => Err(Failure::new(format!("{other:?}"))),
            }
        }
    };
    Ok(Handler::new(NAME, send).queue("webhooks"))
}

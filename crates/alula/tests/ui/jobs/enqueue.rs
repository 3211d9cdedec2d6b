use alula::prelude::*;

#[job]
async fn count(text: String) -> usize {
    text.len()
}

#[job]
async fn shout(text: String) -> String {
    text.to_uppercase()
}

async fn no_job(text: String) -> usize {
    text.len()
}

async fn enqueue(jobs: Jobs) -> Result<()> {
    jobs.enqueue(no_job, "a wing".to_owned()).await?;
    jobs.enqueue(count, 7).await?;
    jobs.enqueue(count, "a wing".to_owned()).then(shout).await?;
    jobs.batch(count, [1, 2]).await?;
    Ok(())
}

fn main() {}

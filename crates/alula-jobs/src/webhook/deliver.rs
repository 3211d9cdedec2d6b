//! Sending a message.

use std::{
    future::Future,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use tokio::time::sleep;

use super::{Schedule, WebhookClient, WebhookUrl, connect};

/// The longest id of a message, in bytes.
const ID_BYTES_MAX: usize = 256;

/// A message, and where it goes. It has the same id at every attempt, by which a receiver knows it
/// again.
///
/// ```
/// use alula_jobs::webhook::{AddressPolicy, Webhook, WebhookUrl};
///
/// let url = WebhookUrl::parse("https://shop.example/hooks", &AddressPolicy::default())?;
/// assert!(Webhook::new("msg_1", url.clone(), "{}").is_ok());
/// assert!(Webhook::new("a.b", url, "{}").is_err());
/// # Ok::<(), alula_jobs::webhook::UrlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Webhook {
    id: String,
    url: WebhookUrl,
    body: Bytes,
}

/// An id that no message can have.
///
/// ```
/// use alula_jobs::webhook::{AddressPolicy, Webhook, WebhookUrl};
///
/// let url = WebhookUrl::parse("https://shop.example/hooks", &AddressPolicy::default())?;
/// let error = Webhook::new("", url, "{}").unwrap_err();
/// assert_eq!(error.to_string(), "an id has 1 to 256 letters, digits and signs, and no point");
/// # Ok::<(), alula_jobs::webhook::UrlError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {ID_BYTES_MAX} letters, digits and signs, and no point")]
pub struct WebhookIdError;

/// What became of an attempt.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::webhook::Delivery;
///
/// let busy = Delivery::Failed { reason: "503".to_owned(), retry_after: Some(Duration::from_secs(9)) };
/// assert!(!busy.is_final() && Delivery::Gone.is_final());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has it.
    Delivered {
        /// Its status, from 200 to 299.
        status: u16,
    },
    /// The receiver wants no more of them: 410.
    Gone,
    /// It was not sent, and never will be: its address may not be called.
    Refused {
        /// Why.
        reason: String,
    },
    /// It may be sent again.
    Failed {
        /// Why it failed.
        reason: String,
        /// How long the receiver wants not to be asked, if it says so.
        retry_after: Option<Duration>,
    },
}

impl Delivery {
    /// Whether another attempt would change nothing.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

impl Webhook {
    /// A message with a JSON body.
    ///
    /// # Errors
    ///
    /// If the id cannot be a header, or has a point, which would let a signature stand for another
    /// message.
    pub fn new(
        id: impl Into<String>,
        url: WebhookUrl,
        body: impl Into<Bytes>,
    ) -> Result<Self, WebhookIdError> {
        let (id, body) = (id.into(), body.into());
        let is_good = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
        match (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_good) {
            true => Ok(Self { id, url, body }),
            false => Err(WebhookIdError),
        }
    }

    /// Sends it once.
    pub async fn deliver(&self, client: &WebhookClient) -> Delivery {
        let url = self.url.as_url();
        // The connector dials such an address without looking it up.
        if let Some(Err(forbidden)) =
            url.host_str().and_then(connect::literal).map(|address| client.policy.check(address))
        {
            return Delivery::Refused { reason: forbidden.to_string() };
        }
        // It is never closed.
        let _place = client.places.acquire().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = client
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", client.signer.sign(&self.id, now, &self.body))
            .body(self.body.clone());
        match request.send().await {
            Ok(response) => {
                let delivery = judged(&response);
                drain(response, client.response_bytes_max).await;
                delivery
            }
            Err(error) => failed(&error),
        }
    }

    /// Sends it until it is taken, refused or given up, and returns what the last attempt came to.
    ///
    /// `tell` hears of each attempt with its number, from 1. Once `stop` is ready, an attempt goes
    /// on that has begun, and no other is waited for.
    ///
    /// ```no_run
    /// # use alula_jobs::webhook::{Schedule, Webhook, WebhookClient};
    /// # async fn example(webhook: Webhook, client: WebhookClient, stop: impl Future<Output = ()>) {
    /// let schedule = Schedule::default().attempts(3);
    /// let tell = |attempt, delivery: &_| println!("{attempt}: {delivery:?}");
    /// webhook.send(&client, &schedule, stop, tell).await;
    /// # }
    /// ```
    pub async fn send(
        &self,
        client: &WebhookClient,
        schedule: &Schedule,
        stop: impl Future<Output = ()>,
        tell: impl FnMut(usize, &Delivery),
    ) -> Option<Delivery> {
        repeat(schedule, || self.deliver(client), stop, tell).await
    }
}

async fn repeat<F: Future<Output = Delivery>>(
    schedule: &Schedule,
    deliver: impl Fn() -> F,
    stop: impl Future<Output = ()>,
    mut tell: impl FnMut(usize, &Delivery),
) -> Option<Delivery> {
    let (mut attempts, mut retry_after, mut last) = (0, None, None);
    let mut stop = pin!(stop);
    while let Some(wait) = schedule.wait(attempts, retry_after) {
        if !wait.is_zero() {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = sleep(wait) => {}
            }
        }
        let delivery = deliver().await;
        attempts += 1;
        tell(attempts, &delivery);
        match &delivery {
            Delivery::Failed { retry_after: after, .. } => retry_after = *after,
            _ => return Some(delivery),
        }
        last = Some(delivery);
    }
    last
}

/// What a status says. A redirect is a failure: its receiver has another address now, which its
/// owner must tell us.
fn judged(response: &Response) -> Delivery {
    let status = response.status();
    match status.as_u16() {
        200..=299 => Delivery::Delivered { status: status.as_u16() },
        410 => Delivery::Gone,
        code => Delivery::Failed {
            reason: format!("it answered {status}"),
            retry_after: matches!(code, 429 | 503)
                .then(|| retry_after(response.headers()))
                .flatten(),
        },
    }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Reads an answer to its end, or up to the limit. What it says does not matter.
async fn drain(mut response: Response, bytes_max: usize) {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes += chunk.len();
        if bytes >= bytes_max {
            return;
        }
    }
}

/// Why there is no answer, without the address, which may hold a secret of the receiver's.
fn failed(error: &reqwest::Error) -> Delivery {
    if let Some(refusal) = connect::refusal(error) {
        return Delivery::Refused { reason: refusal.to_string() };
    }
    let reason = match error {
        error if error.is_timeout() => "it did not answer in time",
        error if error.is_connect() => "there is no connection to it",
        _ => "it broke the connection off",
    };
    Delivery::Failed { reason: format!("{reason}: {}", innermost(error)), retry_after: None }
}

/// The message of the last cause, which is the one that explains.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{pending, ready},
    };

    use tokio::time::Instant;

    use super::*;

    fn failure() -> Delivery {
        Delivery::Failed { reason: String::new(), retry_after: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_never_takes_it_is_asked_ten_times_in_75_hours() {
        let start = Instant::now();
        let mut told = Vec::new();
        let last =
            repeat(&Schedule::default(), async || failure(), pending(), |at, _| told.push(at))
                .await;
        assert_eq!(last, Some(failure()));
        assert_eq!(told, (1..=10).collect::<Vec<_>>());
        let hours = start.elapsed().as_secs_f64() / 3600.0;
        assert!((75.0 * 0.8..=76.0 * 1.2).contains(&hours), "{hours}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_change_ends_it() {
        for end in [
            Delivery::Delivered { status: 204 },
            Delivery::Gone,
            Delivery::Refused { reason: String::new() },
        ] {
            let calls = Cell::new(0);
            let deliver = async || {
                calls.set(calls.get() + 1);
                if calls.get() < 3 { failure() } else { end.clone() }
            };
            let last = repeat(&Schedule::default(), deliver, pending(), |_, _| {}).await;
            assert_eq!((last, calls.get()), (Some(end.clone()), 3));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waits_for_no_further_attempt() {
        let start = Instant::now();
        let last = repeat(&Schedule::default(), async || failure(), ready(()), |_, _| {}).await;
        assert_eq!((last, start.elapsed()), (Some(failure()), Duration::ZERO));
    }
}

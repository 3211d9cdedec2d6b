//! What receivers get, and what becomes of it.

use std::time::{Duration, SystemTime};

use alula_jobs::webhook::{Delivery, SigningSecret, Webhook, WebhookClient};
use standardwebhooks::Webhook as Verifier;

use crate::receiver::Receiver;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldw==";
const BODY: &str = r#"{"type":"job.succeeded","data":{"job_id":"job_1"}}"#;

fn client(secrets: &[&str], timeout: Duration) -> WebhookClient {
    let secrets = secrets.iter().map(|secret| secret.parse::<SigningSecret>().unwrap());
    let builder = WebhookClient::builder(secrets).timeout(timeout);
    builder.allow_private(["127.0.0.0/8".parse().unwrap()]).build().unwrap()
}

fn webhook(client: &WebhookClient, receiver: &Receiver) -> Webhook {
    Webhook::new("msg_1", client.parse_url(&receiver.url()).unwrap(), BODY).unwrap()
}

/// What becomes of an attempt that is answered so.
async fn answered(head: &str) -> Delivery {
    let (receiver, client) = (Receiver::start(), client(&[OLD], Duration::from_secs(15)));
    let webhook = webhook(&client, &receiver);
    let answering = async { receiver.message().await.answer(head).await };
    tokio::join!(webhook.deliver(&client), answering).0
}

#[tokio::test]
async fn a_message_is_signed_so_that_a_foreign_verifier_believes_it() {
    let (receiver, client) = (Receiver::start(), client(&[NEW, OLD], Duration::from_secs(15)));
    let webhook = webhook(&client, &receiver);
    let mut signatures = Vec::new();
    for _ in 0..2 {
        let receiving = async {
            let message = receiver.message().await;
            assert!(message.head.starts_with("POST /hooks HTTP/1.1\r\n"), "{}", message.head);
            assert_eq!(message.header("content-type"), "application/json");
            assert_eq!((message.header("webhook-id"), &*message.body), ("msg_1", BODY.as_bytes()));
            let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
                .map(|name| (name, message.header(name).to_owned()));
            message.answer("204 No Content").await;
            headers
        };
        let (delivery, headers) = tokio::join!(webhook.deliver(&client), receiving);
        assert_eq!(delivery, Delivery::Delivered { status: 204 });
        // Who still has the old secret believes it as well as who has the new one.
        for secret in [OLD, NEW] {
            let headers = headers.iter().map(|(name, value)| {
                ((*name).try_into().unwrap(), value.as_str().try_into().unwrap())
            });
            let headers = headers.collect();
            Verifier::new(secret).unwrap().verify(BODY.as_bytes(), &headers).unwrap();
            let forged = BODY.replace("job_1", "job_2");
            let verified = Verifier::new(secret).unwrap().verify(forged.as_bytes(), &headers);
            assert!(verified.is_err());
        }
        signatures.push(headers);
    }
    assert_eq!(signatures[0][0], signatures[1][0], "an attempt has the id of the one before");
}

#[tokio::test]
async fn only_a_status_of_success_is_one() {
    for (head, expected) in [
        ("200 OK", Delivery::Delivered { status: 200 }),
        ("202 Accepted", Delivery::Delivered { status: 202 }),
        ("410 Gone", Delivery::Gone),
    ] {
        assert_eq!(answered(head).await, expected, "{head}");
    }
    for head in
        ["400 Bad Request", "404 Not Found", "500 Internal Server Error", "304 Not Modified"]
    {
        let delivery = answered(head).await;
        let Delivery::Failed { reason, retry_after: None } = delivery else {
            panic!("{head}: {delivery:?}")
        };
        assert!(reason.contains(&head[..3]), "{reason}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_busy_says_for_how_long() {
    let wait = async |head: &str| match answered(head).await {
        Delivery::Failed { retry_after, .. } => retry_after,
        other => panic!("{head}: {other:?}"),
    };
    let minute = Some(Duration::from_secs(60));
    assert_eq!(wait("429 Too Many Requests\r\nretry-after: 60").await, minute);
    assert_eq!(wait("503 Service Unavailable\r\nretry-after: 60").await, minute);
    assert_eq!(wait("500 Internal Server Error\r\nretry-after: 60").await, None);
    assert_eq!(wait("503 Service Unavailable\r\nretry-after: soon").await, None);
    let date = httpdate_in(Duration::from_secs(3600));
    let until = wait(&format!("503 Service Unavailable\r\nretry-after: {date}")).await.unwrap();
    assert!(Duration::from_secs(3500) < until && until <= Duration::from_secs(3600), "{until:?}");
}

fn httpdate_in(wait: Duration) -> String {
    httpdate::fmt_http_date(SystemTime::now() + wait)
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let canary = Receiver::start();
        let delivery = answered(&format!("{status}\r\nlocation: {}", canary.url())).await;
        assert!(matches!(delivery, Delivery::Failed { .. }), "{status}: {delivery:?}");
        assert!(canary.is_left_alone(), "{status}");
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left() {
    let (receiver, client) = (Receiver::start(), client(&[OLD], Duration::from_millis(200)));
    let webhook = webhook(&client, &receiver);
    let receiving = async { receiver.message().await.closed().await };
    let (delivery, ()) = tokio::join!(webhook.deliver(&client), receiving);
    let Delivery::Failed { reason, .. } = delivery else { panic!("{delivery:?}") };
    assert!(reason.contains("in time") && !reason.contains("/hooks"), "{reason}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read() {
    let (receiver, client) = (Receiver::start(), client(&[OLD], Duration::from_secs(15)));
    let webhook = webhook(&client, &receiver);
    let receiving = async { receiver.message().await.flood().await };
    let (delivery, sent) = tokio::join!(webhook.deliver(&client), receiving);
    assert_eq!(delivery, Delivery::Delivered { status: 200 });
    // What the limit says, and what the buffers of two sockets hold.
    assert!(sent < 16 << 20, "{sent} bytes were sent");
}

#[tokio::test]
async fn nobody_there_is_a_failure_without_the_path() {
    let client = client(&[OLD], Duration::from_secs(15));
    let url = client.parse_url("http://127.0.0.1:1/secret-path").unwrap();
    let delivery = Webhook::new("msg_1", url, "{}").unwrap().deliver(&client).await;
    let Delivery::Failed { reason, .. } = delivery else { panic!("{delivery:?}") };
    assert!(reason.contains("connection") && !reason.contains("secret-path"), "{reason}");
}

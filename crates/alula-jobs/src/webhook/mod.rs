//! Messages to addresses that users name, by the specification [Standard Webhooks] 1.0.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks
//!
//! | you want to | look at |
//! |---|---|
//! | sign messages | [`SigningSecret`], [`Signer`] |
//! | know whether an address may be called | [`AddressPolicy`], [`WebhookClient::parse_url`] |
//! | send a message once | [`Webhook::deliver`] |
//! | send it until it is taken | [`Webhook::send`], [`Schedule`] |

mod address;
mod client;
mod connect;
mod deliver;
mod schedule;
mod sign;
mod url;

pub use address::{AddressPolicy, Forbidden};
pub use client::{ClientError, WebhookClient, WebhookClientBuilder};
pub use deliver::{Delivery, Webhook, WebhookIdError};
pub use ipnet::IpNet;
pub use schedule::Schedule;
pub use sign::{Signer, SigningSecret, SigningSecretError};
pub use url::{UrlError, WebhookUrl};

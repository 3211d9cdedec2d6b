//! No address of a user's leads into our network.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alula_jobs::webhook::{Delivery, Webhook, WebhookClient, WebhookClientBuilder};
use fastrand::Rng;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::receiver::Receiver;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn builder() -> WebhookClientBuilder {
    WebhookClient::builder([SECRET.parse().unwrap()]).timeout(Duration::from_secs(10))
}

/// Answers each question with the next list of addresses, in turn.
#[derive(Clone)]
struct Turns {
    answers: Arc<Vec<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Turns {
    fn new(answers: &[&[&str]]) -> Self {
        let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let answers = Arc::new(answers.iter().map(addresses).collect());
        Self { answers, asked: Arc::default() }
    }
}

impl Resolve for Turns {
    fn resolve(&self, _: Name) -> Resolving {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers[asked % self.answers.len()].clone();
        let found = answer.into_iter().map(|ip| SocketAddr::new(ip, 0));
        Box::pin(async move { Ok(Box::new(found) as Addrs) })
    }
}

/// The hosts that must not be called, whoever writes them.
const HOSTS: &[&str] = &[
    // This machine, however it is written.
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F.0.0.1",
    "0177.0.0.1",
    "0x7f.1",
    "127.000.000.001",
    "0177.0.0.01",
    "127.255.255.254",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "a.localhost",
    "a.b.localhost.",
    "LocalHost",
    "ｌocalhost",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "0.0.0.1",
    "0.255.255.255",
    "[::]",
    "[::0]",
    "[0:0:0:0:0:0:0:0]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0001]",
    // Wrapped in an address of IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:a00:1]",
    "[::ffff:192.168.1.1]",
    "[::ffff:172.16.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0.0.0.0]",
    "[::ffff:100.64.0.1]",
    "[::ffff:168.63.129.16]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::10.0.0.1]",
    "[::a9fe:a9fe]",
    "[::192.168.0.1]",
    "[::8.8.8.8]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:0:7f00:1]",
    "[::ffff:0:10.0.0.1]",
    "[::ffff:0:8.8.8.8]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::192.168.0.1]",
    "[64:ff9b::a83f:8110]",
    "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:7f00:0:100::]",
    "[64:ff9b:1:a:0:1::]",
    "[64:ff9b:1:7f:0:1::]",
    "[64:ff9b:1::8.8.8.8]",
    "[64:ff9b:7f00:1::]",
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2002:a00:1::1]",
    "[2002:c0a8:101::]",
    "[2002:a9fe:a9fe::]",
    "[2002:ac10:1::]",
    "[2002:6440:1::]",
    "[2002:a83f:8110::]",
    "[2001:0:7f00:1::]",
    "[2001::1]",
    "[2001:0:53aa:64c:0:0:80ff:fffe]",
    "[2001:0:808:808:0:0:f5ff:fffe]",
    "[2001:0:4136:e378:8000:63bf:5601:5601]",
    "[2a00:1450::5efe:7f00:1]",
    "[2a00:1450::5efe:10.0.0.1]",
    "[2a00:1450::200:5efe:192.168.0.1]",
    "[2a00:1450::5efe:a9fe:a9fe]",
    "[fe80::5efe:127.0.0.1]",
    // Private networks, those of a link, of a carrier.
    "10.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "0xa000001",
    "012.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "0xac100001",
    "192.168.0.1",
    "192.168.255.255",
    "3232235777",
    "0300.0250.1.1",
    "192.168.257",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.0.1",
    "169.254.255.255",
    "[fc00::1]",
    "[fd00::1]",
    "[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    // Metadata services.
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.169.253",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "2822734096",
    "0xa83f8110",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fd20:ce::254]",
    "[fd00:42::42]",
    "[fe80::a9fe:a9fe]",
    // Addresses for examples, benchmarks, many, none.
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "233.252.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "192.0.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "0xffffffff",
    "[2001:db8::1]",
    "[3fff::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[100::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[4000::1]",
    "[5f00::1]",
    "[200::1]",
];

#[tokio::test]
async fn no_spelling_of_an_address_is_called() {
    let (canary, client) = (Receiver::start(), builder().build().unwrap());
    let port = canary.port();
    assert!(HOSTS.len() >= 120, "{}", HOSTS.len());
    for host in HOSTS {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/");
            assert!(client.parse_url(&url).is_err(), "{url}");
        }
    }
    assert!(canary.is_left_alone());
}

#[tokio::test]
async fn no_other_trick_passes() {
    let client = builder().build().unwrap();
    for url in [
        "http://shop.example@127.0.0.1/",
        "http://shop.example:80@127.0.0.1/",
        "http://user:password@shop.example/",
        "http://user@shop.example/",
        "http://:password@shop.example/",
        "http://127.0.0.1#@shop.example/",
        "http://127.0.0.1?@shop.example/",
        "http://127.0.0.1\\@shop.example/",
        "http:127.0.0.1/",
        "http:/127.0.0.1/",
        "http:\\\\127.0.0.1/",
        "http://\t127.0.0.1/",
        "http://127.0.\n0.1/",
        " http://127.0.0.1/ ",
        "HTTP://127.0.0.1/",
        "//shop.example/",
        "shop.example/hooks",
        "http://",
        "http:///",
        "http://shop.example:99999/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "unix:/run/docker.sock",
        "data:,x",
        "javascript:alert(1)",
        "ws://shop.example/",
        "",
        "\0",
    ] {
        assert!(client.parse_url(url).is_err(), "{url:?}");
    }
    let long = format!("https://shop.example/{}", "x".repeat(2048));
    assert!(client.parse_url(&long).is_err());
    for url in ["https://shop.example/hooks?a=b", "http://1.1.1.1:8080/", "https://bücher.example/"]
    {
        assert!(client.parse_url(url).is_ok(), "{url}");
    }
}

/// A name that leads to this machine is found out when it is called.
#[tokio::test]
async fn a_name_does_not_lead_there_either() {
    let canary = Receiver::start();
    for addresses in [
        &["127.0.0.1"][..],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["10.0.0.1", "127.0.0.1", "169.254.169.254"],
        &["168.63.129.16"],
        &["64:ff9b::7f00:1"],
    ] {
        let client = builder().resolver(Turns::new(&[addresses])).build().unwrap();
        let url = client.parse_url(&format!("http://shop.example:{}/", canary.port())).unwrap();
        let delivery = Webhook::new("msg_1", url, "{}").unwrap().deliver(&client).await;
        let Delivery::Refused { reason } = delivery else { panic!("{addresses:?}: {delivery:?}") };
        assert!(reason.contains("may not be called"), "{reason}");
    }
    assert!(canary.is_left_alone());
}

/// The system's own resolver, without one of the test's.
#[tokio::test]
async fn a_name_of_this_machine_is_refused_by_what_the_system_finds() {
    let canary = Receiver::start();
    let allowed = builder().allow_private(["127.0.0.0/8".parse().unwrap()]).build().unwrap();
    let url = allowed.parse_url(&format!("http://localhost:{}/", canary.port())).unwrap();
    let delivery = Webhook::new("msg_1", url, "{}").unwrap();
    let delivery = delivery.deliver(&builder().build().unwrap()).await;
    assert!(matches!(delivery, Delivery::Refused { .. }), "{delivery:?}");
    assert!(canary.is_left_alone());
}

/// The name is good when it is looked at and bad when it is dialled, a thousand times.
///
/// 127.0.0.2 stands for a public address: it is allowed, and nobody listens there.
#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let canary = Receiver::start();
    let names = Turns::new(&[&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.1", "127.0.0.2"]]);
    let client = builder()
        .allow_private(["127.0.0.2/32".parse().unwrap()])
        .resolver(names.clone())
        .build()
        .unwrap();
    let url = client.parse_url(&format!("http://shop.example:{}/", canary.port())).unwrap();
    let webhook = Webhook::new("msg_1", url, "{}").unwrap();
    let mut refused = 0;
    for _ in 0..1000 {
        match webhook.deliver(&client).await {
            Delivery::Refused { .. } => refused += 1,
            Delivery::Failed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names.asked.load(Ordering::Relaxed), 1000, "each attempt looks the name up once");
    assert_eq!(refused, 333);
    assert!(canary.is_left_alone());
}

/// An address of this machine or of a private network, written in some way or other.
fn spelled(rng: &mut Rng, ip: Ipv4Addr) -> String {
    let number = u32::from(ip);
    let (high, low) = (number >> 16, number & 0xffff);
    let any = rng.u16(..);
    match rng.u8(..11) {
        0 => format!("[::ffff:{ip}]"),
        1 => format!("[::{high:x}:{low:x}]"),
        2 => format!("[64:ff9b::{ip}]"),
        3 => format!("[2002:{high:x}:{low:x}::{any:x}]"),
        4 => format!("[2001:0:808:808:{any:x}:0:{:x}:{:x}]", high ^ 0xffff, low ^ 0xffff),
        5 => format!("[2a00:{any:x}::5efe:{ip}]"),
        6 => format!("[::ffff:0:{ip}]"),
        _ => in_parts(rng, number),
    }
}

/// One to four numbers, each decimal, octal or hexadecimal, in digits of several kinds.
fn in_parts(rng: &mut Rng, number: u32) -> String {
    let [a, b, c, d] = number.to_be_bytes().map(u32::from);
    let parts = match rng.u8(..4) {
        0 => vec![number],
        1 => vec![a, number & 0xff_ffff],
        2 => vec![a, b, number & 0xffff],
        _ => vec![a, b, c, d],
    };
    let parts = parts.iter().map(|part| match rng.u8(..4) {
        0 => format!("0{part:o}"),
        1 => format!("0x{part:x}"),
        2 => format!("0X{part:0width$X}", width = rng.usize(1..9)),
        _ => part.to_string(),
    });
    let text = parts.collect::<Vec<_>>().join(".");
    let odd = rng.u8(..4);
    let digits = text.chars().map(|char| match (odd, char) {
        (0, '0'..='9') => char::from_u32(u32::from(char) - 0x30 + 0xff10).unwrap().to_string(),
        (1, '0'..='9') => format!("%{:02x}", u32::from(char)),
        (2, '.') => "。".to_owned(),
        _ => char.to_string(),
    });
    digits.collect::<String>() + if rng.bool() { "." } else { "" }
}

/// With the thousand names above that change their addresses, these are ten thousand tries.
#[tokio::test]
async fn nine_thousand_tries_send_nothing_to_this_machine() {
    let seed = fastrand::u64(..1_000_000);
    let (mut rng, canary) = (Rng::with_seed(seed), Receiver::start());
    let port = canary.port();
    let private = [[127, 0, 0, 1], [10, 1, 2, 3], [169, 254, 169, 254], [192, 168, 0, 1], [0; 4]];
    let any = |rng: &mut Rng| Ipv4Addr::from(private[rng.usize(..private.len())]);
    let client = builder().build().unwrap();
    for _ in 0..8_000 {
        let ip = any(&mut rng);
        let url = format!("http://{}:{port}/hooks", spelled(&mut rng, ip));
        assert!(client.parse_url(&url).is_err(), "{url}, seed {seed}");
    }
    // Names that lead there, by themselves or beside others.
    let answers = (0..1_000).map(|_| {
        let ip = any(&mut rng);
        let ip = if rng.bool() { IpAddr::V4(ip) } else { IpAddr::V6(ip.to_ipv6_mapped()) };
        let all = [ip, Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        all[..rng.usize(1..=all.len())].to_vec()
    });
    let names = Turns { answers: Arc::new(answers.collect()), asked: Arc::default() };
    let client = builder().resolver(names.clone()).build().unwrap();
    let url = client.parse_url(&format!("http://shop.example:{port}/hooks")).unwrap();
    let webhook = Webhook::new("msg_1", url, "{}").unwrap();
    for answer in names.answers.iter() {
        let delivery = webhook.deliver(&client).await;
        assert!(matches!(delivery, Delivery::Refused { .. }), "{answer:?}: {delivery:?}");
    }
    assert_eq!(names.asked.load(Ordering::Relaxed), 1_000);
    assert!(canary.is_left_alone(), "seed {seed}");
}

/// The same canary is reached once its network is allowed, so the others are not blind.
#[tokio::test]
async fn an_allowed_network_is_called() {
    let canary = Receiver::start();
    let client = builder()
        .allow_private(["127.0.0.1/32".parse().unwrap()])
        .resolver(Turns::new(&[&["10.0.0.1", "127.0.0.1"]]))
        .build()
        .unwrap();
    let url = client.parse_url(&format!("http://shop.example:{}/", canary.port())).unwrap();
    let webhook = Webhook::new("msg_1", url, "{}").unwrap();
    let answering = async { canary.message().await.answer("200 OK").await };
    let (delivery, ()) = tokio::join!(webhook.deliver(&client), answering);
    assert_eq!(delivery, Delivery::Delivered { status: 200 });
}

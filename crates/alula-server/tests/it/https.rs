//! HTTPS, with the certificate of whoever runs the server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::generate_simple_self_signed;
use reqwest::{Certificate, Client};

use crate::process::{Alula, PATIENCE, alula};

struct Files(PathBuf);

impl Files {
    /// A certificate for `localhost`, and its key.
    fn new(name: &str) -> (Self, Certificate) {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("https-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let files = Self(dir);
        let certificate = files.renew();
        (files, certificate)
    }

    fn renew(&self) -> Certificate {
        let new = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.0.join("cert.pem"), new.cert.pem()).unwrap();
        fs::write(self.0.join("key.pem"), new.signing_key.serialize_pem()).unwrap();
        Certificate::from_pem(new.cert.pem().as_bytes()).unwrap()
    }

    fn serve(&self, options: &[&str]) -> Alula {
        let file = |name: &str| self.0.join(name).to_str().unwrap().to_owned();
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        let tls = ["serve", "--port", "0", "--tls-cert", &cert, "--tls-key", &key];
        alula(&[&tls, options].concat()).listen()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn status(alula: &Alula, trusted: &Certificate) -> Result<(u16, String), reqwest::Error> {
    // Whoever makes a client first installs the crypto of all.
    drop(crate::client::http());
    let client = Client::builder().no_proxy().tls_certs_only([trusted.clone()]);
    let client = client.read_timeout(PATIENCE).build().unwrap();
    let url = format!("https://localhost:{}/health", alula.address().port());
    let response = client.get(url).send().await?;
    Ok((response.status().as_u16(), format!("{:?}", response.version())))
}

#[tokio::test]
async fn a_certificate_is_enough_for_https() {
    let (files, certificate) = Files::new("enough");
    let alula = files.serve(&[]);
    let answer = status(&alula, &certificate).await.unwrap();
    assert_eq!(answer, (200, "HTTP/2.0".to_owned()));
    let ended = alula.end();
    assert!(ended.stdout.contains("https://127.0.0.1:"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_signal_reads_a_renewed_certificate() {
    for (options, reloaded) in [
        (&[][..], "certificate reloaded"),
        (&["--workers", "2"][..], "all workers have had their turn"),
    ] {
        let (files, old) = Files::new(&format!("signal-{}", options.len()));
        let alula = files.serve(options);
        assert_eq!(status(&alula, &old).await.unwrap().0, 200);
        let new = files.renew();
        alula.signal("HUP");
        alula.logged(reloaded);
        assert_eq!(status(&alula, &new).await.unwrap().0, 200);
        assert!(status(&alula, &old).await.is_err(), "the old one is still shown");
    }
}

#[test]
fn half_a_pair_and_what_is_none_are_mistakes() {
    let alone = alula(&["serve", "--tls-cert", "cert.pem"]).end();
    assert_eq!(alone.code, Some(2), "{alone:?}");
    assert!(alone.stderr.contains("--tls-key"), "{alone:?}");
    let missing = alula(&["serve", "--tls-cert", "/nowhere.pem", "--tls-key", "/no.pem"]).end();
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("/nowhere.pem"), "{missing:?}");
}

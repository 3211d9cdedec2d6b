//! Forms with files.

use reqwest::RequestBuilder;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    client::{Answer, http},
    process::Alula,
};

const BOUNDARY: &str = "a-boundary-that-no-file-has";

/// A form in `multipart/form-data`.
#[derive(Default)]
pub(crate) struct Form(Vec<u8>);

impl Form {
    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.part(&format!("name=\"{name}\""), "", text.as_bytes())
    }

    pub(crate) fn file(self, field: &str, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let disposition = format!("name=\"{field}\"; filename=\"{name}\"");
        self.part(&disposition, "content-type: application/octet-stream\r\n", bytes.as_ref())
    }

    fn part(mut self, disposition: &str, more: &str, bytes: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; {disposition}\r\n");
        self.0.extend(format!("{head}{more}\r\n").bytes());
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    /// A request with it.
    pub(crate) fn of(self, request: RequestBuilder) -> RequestBuilder {
        let (content_type, body) = self.whole();
        request.header("content-type", content_type).body(body)
    }

    fn whole(mut self) -> (String, Vec<u8>) {
        self.0.extend(format!("--{BOUNDARY}--\r\n").bytes());
        (format!("multipart/form-data; boundary={BOUNDARY}"), self.0)
    }

    /// Begins to upload it, and sends all but this many bytes: whoever has the connection may send
    /// the rest, or not.
    pub(crate) async fn begin(self, alula: &Alula, key: Option<&str>, kept: usize) -> TcpStream {
        let (content_type, body) = self.whole();
        let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        let head = format!(
            "POST /documents/upload HTTP/1.1\r\nhost: localhost\r\n{key}content-type: \
             {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(alula.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body[..body.len() - kept]).await.unwrap();
        stream
    }
}

impl Alula {
    pub(crate) async fn form(&self, path: &str, form: Form) -> Answer {
        Answer::of(form.of(http().post(self.url(path)))).await
    }

    /// Uploads one file.
    pub(crate) async fn upload(&self, name: &str, bytes: impl AsRef<[u8]>) -> Answer {
        self.form("/documents/upload", Form::default().file("file", name, bytes)).await
    }
}

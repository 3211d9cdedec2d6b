//! Forms with files.

use reqwest::RequestBuilder;

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
    pub(crate) fn of(mut self, request: RequestBuilder) -> RequestBuilder {
        self.0.extend(format!("--{BOUNDARY}--\r\n").bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        request.header("content-type", content_type).body(self.0)
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

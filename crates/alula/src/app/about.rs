//! What the document says about the API.

use serde_json::Value;

use super::App;
use crate::{
    openapi::{Contact, License, OperationName, Tag, link},
    routing::Route,
};

impl App {
    /// What the document says about the API, in Markdown.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.document.about("description", description.into());
        self
    }

    /// What the API is, in a line.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.document.about("summary", summary.into());
        self
    }

    /// Where the terms of service are.
    pub fn terms_of_service(mut self, url: impl Into<String>) -> Self {
        self.document.about("termsOfService", url.into());
        self
    }

    /// Whom to ask about the API.
    pub fn contact(mut self, contact: Contact) -> Self {
        self.document.about("contact", contact.into_value());
        self
    }

    /// The licence of the API.
    pub fn license(mut self, license: License) -> Self {
        self.document.about("license", license.into_value());
        self
    }

    /// Links to more documentation; an empty description is left out.
    pub fn external_docs(mut self, url: impl Into<String>, description: impl Into<String>) -> Self {
        self.document.external_docs = Some(link(url, description));
        self
    }

    /// Adds a server that offers this API, such as `https://api.shop.example`. `/docs` may talk
    /// to it. An empty description is left out.
    pub fn server(mut self, url: impl Into<String>, description: impl Into<String>) -> Self {
        self.document.servers.push(link(url, description));
        self
    }

    /// Describes a tag. Tags are listed in the order in which they are described.
    pub fn describe_tag(mut self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.document.tags.push(Tag { name: name.into(), description: description.into() });
        self
    }

    /// Describes a request that the server sends to those who have registered for it.
    ///
    /// The route only describes: its function is never called, and its path is empty.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// /// A job has ended.
    /// #[derive(Serialize, Deserialize, JsonSchema, Validate)]
    /// struct JobEnded {
    ///     job_id: u64,
    /// }
    ///
    /// async fn job_ended(Json(_event): Json<JobEnded>) {}
    ///
    /// let route = alula::post("", job_ended).summary("Sent when a job has ended");
    /// let app = App::new("Jobs", "1.0.0").webhook("job-ended", route);
    /// let document = app.openapi().unwrap();
    /// assert_eq!(document["webhooks"]["job-ended"]["post"]["operationId"], "job_ended");
    /// ```
    pub fn webhook(mut self, name: impl Into<String>, route: Route) -> Self {
        self.webhooks.push((name.into(), route));
        self
    }

    /// Makes the operation id of every route that does not set its own; FastAPI calls it
    /// `generate_unique_id_function`.
    ///
    /// ```
    /// use alula::{App, Json, get};
    ///
    /// async fn list() -> Json<u8> {
    ///     Json(0)
    /// }
    ///
    /// let app = App::new("Items", "1.0.0")
    ///     .route(get("/items", list).tag("items"))
    ///     .operation_ids(|route| format!("{}-{}", route.tags.join("-"), route.name));
    /// assert_eq!(app.openapi().unwrap()["paths"]["/items"]["get"]["operationId"], "items-list");
    /// ```
    pub fn operation_ids(
        mut self,
        name: impl Fn(&OperationName<'_>) -> String + Send + Sync + 'static,
    ) -> Self {
        self.operation_ids = Some(Box::new(name));
        self
    }

    /// Changes the finished document, once, when the application is built. Nothing checks that it
    /// stays true or valid.
    pub fn customize_openapi(mut self, change: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        self.customize.push(Box::new(change));
        self
    }
}

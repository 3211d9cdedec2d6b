//! The macros of Alula. Use them through the `alula` crate, which re-exports them.
//!
//! Each is sugar over the public API of `alula`: an endpoint macro writes the call of the
//! route builder that one could write by hand, and leaves the function as it is, so that
//! a test can still call it.

mod api_error;
mod dependency;
mod docs;
mod endpoint;
mod front;
mod job;
mod mcp;
mod options;
mod signature;
#[cfg(test)]
mod tests;
mod validate;
mod value;

use proc_macro::TokenStream;

/// Checks the constraints in `#[schemars(...)]` attributes after deserializing.
///
/// The attributes are those that `#[derive(JsonSchema)]` reads, so that the OpenAPI
/// document promises what is enforced and the other way round. One that cannot be
/// enforced where it stands does not compile.
///
/// | attribute of a field | on |
/// |---|---|
/// | `range(min = a, max = b)` | numbers |
/// | `length(min = a, max = b)`, `length(equal = a)` | text (in characters), lists |
/// | `regex(pattern = "...")`, `pattern("...")`, `contains(pattern = "...")` | text |
/// | `email`, `url`, `ip`, `ipv4`, `ipv6`, `extend("format" = "date-time")` | text |
/// | `inner(...)` | lists: any of the above but `extend`, for each item |
/// | `required` | `Option` |
/// | `extend("exclusiveMinimum" = a, "exclusiveMaximum" = b, "multipleOf" = c)` | numbers |
/// | `extend("minLength" = a, "maxLength" = b, "pattern" = "...")` | text |
/// | `extend("minItems" = a, "maxItems" = b, "uniqueItems" = true)` | lists |
/// | `extend("minProperties" = a, "maxProperties" = b)` | maps |
///
/// A bound is any expression that schemars takes. Constraints on an `Option` or a pointer
/// hold for the value inside, if there is one. Integers are compared exactly, NaN keeps no
/// bound, and a float is a multiple to within a billionth. The formats that are checked are
/// those of `alula::schema::Format`; another one describes only, and so does every format
/// of a field that is shown `with` another type, because its own type reads the text. What
/// `transform`, `schema_with` or a `JsonSchema` written by hand put into the schema is not
/// seen. A set takes an item that is repeated, as in FastAPI, although its schema says
/// `uniqueItems`; a list with `extend("uniqueItems" = true)` refuses it.
///
/// # Every field is checked
///
/// The type of every field has to implement `Validate` too, so no constraint is forgotten
/// on the way down. Fields that serde skips are left out.
///
/// # Attributes of its own
///
/// - `#[validate(skip)]` on a field does not ask its type, for types of other crates.
///   The field's own constraints still hold.
/// - `#[validate(custom = function)]` on a field calls `function(&field)`, which returns
///   `Result<(), impl Display>`, once all else about the field holds. For an
///   `Option<T>` it gets the `&T`, and is not called for `None`.
/// - `#[validate(custom = function)]` on the type calls `function(&self)` once every field
///   is valid, as pydantic's model validators do.
///
/// # Where a failure is
///
/// Failures of custom checks carry the names of the JSON: serde's `rename`, `rename_all`,
/// `rename_all_fields`, `flatten` and `transparent` are followed. Inside an enum the answer
/// shows the variant as FastAPI does: by its tag, or without one by the name of its type
/// (`str`, `list[int]`, `Image`); with `#[serde(tag, content)]` the name of the content follows.
///
/// # Examples
///
/// See the trait `alula::Validate`.
#[proc_macro_derive(Validate, attributes(validate, schemars, serde))]
pub fn derive_validate(input: TokenStream) -> TokenStream {
    validate::derive(input.into()).into()
}

/// Answers an error type of your own, an enum or a struct.
///
/// Each variant says how it is answered:
///
/// | `#[api(…)]` | |
/// |---|---|
/// | `status = 402` | the status, from 400 to 599 |
/// | `detail = "the card ends in {digits}"` | what the client reads; `{field}` or `{0}` is the value of a field, written as by `format!` |
/// | `code = "card_declined"` | the name of the error for programs |
/// | `retry_after = 30`, `retry_after = wait` | `Retry-After`: a number of seconds, or a field with seconds or a `Duration`; `_0` is the first field of a tuple |
/// | `transparent` | the answer of the only field, which is another `ApiError` |
///
/// Without a `detail` the client reads the first paragraph of the variant's doc comment, without
/// its last dot, or else what the status means. The OpenAPI document of each endpoint that
/// returns the error lists its statuses, with the doc comments and an example of each.
///
/// # What the client never reads
///
/// A field that is marked `#[source]` (or `#[from]`, for thiserror), or is called `source`, is
/// the cause: the log reads it. It goes together with `#[derive(thiserror::Error)]`: then the log
/// reads the text of the error itself before that of its cause, also for a status of 500 or more
/// that has none. The text in `#[error("…")]` is for the log; what the client reads is `detail`.
///
/// ```ignore (needs the crate alula, which needs this one)
/// #[derive(Debug, thiserror::Error, alula::ApiError)]
/// enum PayError {
///     /// The card was declined.
///     #[error("{issuer} declined the card")]
///     #[api(status = 402, code = "card_declined")]
///     Declined { issuer: String },
///     #[error("too many payments")]
///     #[api(status = 429, detail = "Wait {seconds} seconds", retry_after = seconds)]
///     TooMany { seconds: u32 },
///     #[error("the payment cannot be stored")]
///     #[api(status = 500)]
///     Storage(#[from] std::io::Error),
/// }
/// ```
#[proc_macro_derive(ApiError, attributes(api, source))]
pub fn derive_api_error(input: TokenStream) -> TokenStream {
    api_error::derive(input.into()).into()
}

/// Provides a value to endpoints, which take it as `Depends<name_of_the_function>`.
///
/// The arguments are inputs like those of an endpoint, other dependencies included. The
/// function returns the value, or a `Result` of it whose error turns into an `HttpError`.
/// It may be `async`.
///
/// `#[dependency(max_concurrency = 5)]` makes at most five values at a time, for five requests; see
/// `alula::Dependency::MAX_CONCURRENCY`.
///
/// The function stays as it is. Beside it appears a type of the same name that implements
/// `alula::Dependency`, which is the type that `Depends` names.
///
/// `#[dependency(scopes = ["items:read"])]` demands scopes of the callers of every endpoint that
/// uses it; see `alula::SecurityScopes`.
///
/// ```ignore (needs the crate alula, which needs this one)
/// /// The caller, looked up from the `x-api-key` header.
/// #[dependency]
/// async fn current_user(key: ApiKey, db: Depends<database>) -> Result<User> {
///     db.user_of(&key).await?.ok_or_else(|| HttpError::forbidden("unknown key"))
/// }
///
/// #[get("/me")]
/// async fn me(user: Depends<current_user>) -> Json<User> {
///     Json(user.clone())
/// }
/// ```
#[proc_macro_attribute]
pub fn dependency(options: TokenStream, item: TokenStream) -> TokenStream {
    dependency::expand(options.into(), &item.into()).into()
}

/// Makes an async function a job, which is enqueued and done later, with the feature `jobs` of
/// `alula`.
///
/// Its first argument is what it is enqueued with, of a type with `#[derive(Serialize, Deserialize,
/// JsonSchema, Validate)]`. The others are inputs that need no request: `Depends`, `State`, `Scope`,
/// `RequestId`, `BackgroundTasks`, `Jobs` and `JobContext`. Where the first one is one of these, by
/// its name, the job is enqueued with `()`. The function returns a value that can be JSON, or a
/// `Result` of one.
///
/// A test may call it: it returns what was written, in a future that also knows which job it is.
/// Beside it appears a type of the same name that implements `alula::jobs::JobDefinition`.
///
/// | option | |
/// |---|---|
/// | `queue = "..."` | the queue it waits in, instead of `default` |
/// | `max_attempts = 3` | how often it is tried, instead of 5 times |
/// | `timeout_seconds = 60` | how long an attempt may take, instead of 15 minutes |
/// | `backoff = Backoff::new(…)` | how long to wait between attempts |
/// | `version = 2` | the version in its name, which is that of the function with `.v1` |
/// | `name = "..."` | its whole name instead |
///
/// What is enqueued is found by the name for as long as it is kept: a job whose arguments change
/// takes another version, and the old function stays until nothing of it is left.
///
/// ```ignore (needs the crate alula, which needs this one)
/// #[job(queue = "documents", max_attempts = 5)]
/// async fn embed(args: EmbedArgs, store: Depends<vectors>, job: JobContext) -> Result<Embedded> {
///     ...
/// }
///
/// jobs.enqueue(embed, EmbedArgs { ... }).await?;
/// ```
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    job::expand(options.into(), &item.into()).into()
}

/// Makes an async function a tool that models call, with the feature `mcp` of `alula`.
///
/// Its arguments are what the model fills in: each of a type with `#[derive(Deserialize, JsonSchema,
/// Validate)]`, such as a number, a text, a list, or a struct. The doc comment of an argument tells
/// the model what it is; an `Option` may be left out, and so may what has `#[default(10)]`. Attributes
/// of schemars, serde and `Validate` stand on arguments as on fields of a struct.
///
/// Inputs may stand beside them, and are known by their names: `Depends`, `State`, `Scope`,
/// `RequestId`, `BackgroundTasks`, `ResponseHead`, `Jobs`, `Mcp`, `McpContext`, `Arguments`, and those
/// that read who calls (`Bearer`, `ApiKey`, `Header`, …). Any other one is marked by `#[input]`, and
/// an argument whose type is called as one of these by `#[argument]`.
///
/// The doc comment of the function is the description by which models choose. A test may call the
/// function: it returns what was written, in a future that also knows which tool it is. Beside it
/// appears a type of the same name that implements `alula::mcp::ToolDefinition`.
///
/// | option | |
/// |---|---|
/// | `name = "..."` | instead of the name of the function |
/// | `title = "..."`, `description = "..."` | what people read, and models |
/// | `read_only`, `idempotent` | it changes nothing, or nothing more when repeated |
/// | `destructive`, `destructive = false` | it may destroy something, or only adds |
/// | `open_world = false` | it does not deal with the world outside |
/// | `tag = "..."`, `tags = ["...", "..."]` | by which callers see it |
/// | `scope = "..."`, `scopes = ["...", "..."]` | what callers need to see it |
/// | `icon = Icon::new("https://…")` | an icon |
///
/// ```ignore (needs the crate alula, which needs this one)
/// /// Search the documents.
/// #[tool(read_only)]
/// async fn search(
///     /// What to look for.
///     #[schemars(length(min = 1))]
///     query: String,
///     #[default(10)]
///     limit: u32,
///     store: Depends<documents>,
/// ) -> Result<Vec<Hit>> {
///     ...
/// }
/// ```
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    mcp::expand(mcp::Kind::Tool, options.into(), &item.into()).into()
}

/// Makes an async function a resource that models and their users read, with the feature `mcp` of
/// `alula`.
///
/// The URI comes first. `{id}` in it is a part of a path, `{path*}` the rest of one, and `{?page}` a
/// parameter of a query; each is an argument of that name, of a type that can be read from text.
/// Inputs may stand beside them, as with `#[tool]`. The function returns text, bytes, `Json<T>`,
/// `Contents`, or a `Result` of one; an error of status 404 says that there is no such resource.
///
/// | option | |
/// |---|---|
/// | `mime_type = "..."` | the media type |
/// | `name`, `title`, `description`, `tag`, `tags`, `scope`, `scopes`, `icon` | as of `#[tool]` |
/// | `complete(id = function)` | completes `id` for whoever types it |
///
/// ```ignore (needs the crate alula, which needs this one)
/// /// A document.
/// #[resource("docs://{id}", mime_type = "text/markdown")]
/// async fn document(id: u64, store: Depends<documents>) -> Result<String> {
///     ...
/// }
/// ```
#[proc_macro_attribute]
pub fn resource(options: TokenStream, item: TokenStream) -> TokenStream {
    mcp::expand(mcp::Kind::Resource, options.into(), &item.into()).into()
}

/// Makes an async function a prompt that users choose, with the feature `mcp` of `alula`.
///
/// Its arguments are what the user fills in, as text, and are read as their types. Inputs may stand
/// beside them, as with `#[tool]`. The function returns what the user says, a `Message`, several of
/// them, or a `Result` of one of these.
///
/// | option | |
/// |---|---|
/// | `name`, `title`, `description`, `tag`, `tags`, `scope`, `scopes`, `icon` | as of `#[tool]` |
/// | `complete(language = function)` | completes `language` for whoever types it; the values of an enum are completed by themselves |
///
/// ```ignore (needs the crate alula, which needs this one)
/// /// Review code.
/// #[prompt(title = "Code review")]
/// async fn review(
///     /// The code.
///     code: String,
///     language: Option<Language>,
/// ) -> Vec<Message> {
///     ...
/// }
/// ```
#[proc_macro_attribute]
pub fn prompt(options: TokenStream, item: TokenStream) -> TokenStream {
    mcp::expand(mcp::Kind::Prompt, options.into(), &item.into()).into()
}

/// The routes of endpoint functions: `routes![chat, admin::stats]` is a `Vec` of them.
///
/// ```ignore (needs the crate alula, which needs this one)
/// Router::new().prefix("/v1").routes(routes![chat, admin::stats])
/// ```
#[proc_macro]
pub fn routes(input: TokenStream) -> TokenStream {
    endpoint::routes(input.into()).into()
}

macro_rules! endpoints {
    ($($method:ident, $name:literal;)*) => {$(
        #[doc = concat!("Makes an async function the endpoint of `", $name, "` requests.")]
        ///
        /// The path comes first; `{name}` in it is a parameter. The first paragraph of the
        /// doc comment is the summary in the OpenAPI document, the rest the description.
        ///
        /// The function stays as it is, and a test may call it. Beside it appears a type of
        /// the same name that implements `alula::Endpoint`, for `routes!`.
        ///
        /// | option | |
        /// |---|---|
        /// | `tag = "..."`, `tags = ["...", "..."]` | groups in the document; `tag` may be repeated |
        /// | `status = 201` | the status of a success |
        /// | `summary = "..."`, `description = "..."` | instead of the doc comment |
        /// | `operation_id = "..."` | instead of the name of the function |
        /// | `response_description = "..."` | what a success returns, in words |
        /// | `deprecated` | is marked so in the document |
        /// | `hidden` | is left out of the document |
        /// | `max_body = bytes` | the most that a body may hold |
        /// | `form_limits = FormLimits::default()…` | what a form may hold |
        /// | `scopes = ["...", "..."]` | what the caller must be allowed to do |
        /// | `timeout_seconds = 30` | the longest wait for an answer, as `.timeout(Duration::from_secs(30))` |
        /// | `tool` | is offered to models, too, with the feature `mcp` of `alula` |
        /// | `run_to_completion` | goes on when the client leaves |
        /// | `lax` | reads `"4"` as 4, as FastAPI does |
        ///
        /// Each but `timeout_seconds` is the method of that name on `alula::Route`.
        ///
        /// ```ignore (needs the crate alula, which needs this one)
        #[doc = concat!("#[", stringify!($method), "(\"/chats/{id}\", tag = \"Chat\")]")]
        /// async fn chat(id: Path<u64>, user: Depends<current_user>) -> Result<Json<Chat>> {
        ///     ...
        /// }
        /// ```
        #[proc_macro_attribute]
        pub fn $method(options: TokenStream, item: TokenStream) -> TokenStream {
            endpoint::expand(stringify!($method), options.into(), &item.into()).into()
        }
    )*};
}

endpoints! {
    get, "GET";
    post, "POST";
    put, "PUT";
    patch, "PATCH";
    delete, "DELETE";
    head, "HEAD";
    options, "OPTIONS";
}

/// Makes an async function the endpoint of WebSockets, with the feature `ws` of `alula`.
///
/// The path comes first; `{name}` in it is a parameter. One argument is a `WebSocket` or a
/// `JsonSocket`; the others are inputs like those of every endpoint, resolved before the
/// connection is opened. The function returns `()` or a `Result<()>`.
///
/// The function stays as it is. Beside it appears a type of the same name that implements
/// `alula::Endpoint`, for `routes!`. The route is not in the document.
///
/// | option | |
/// |---|---|
/// | `protocols = ["...", "..."]` | subprotocols, the preferred one first |
/// | `allowed_origins = ["...", "..."]` | whose pages may connect, instead of the server's own |
/// | `websocket_limits = limits` | other limits than the app's |
/// | `scopes = ["...", "..."]` | what the client's token must be good for |
/// | `timeout_seconds = 5` | the time for inputs and dependencies, before the connection opens |
/// | `lax` | reads `"4"` in messages as 4, as FastAPI does |
///
/// Each is the method of that name on `alula::Route`.
///
/// ```ignore (needs the crate alula, which needs this one)
/// #[ws("/rooms/{room}")]
/// async fn chat(mut socket: WebSocket, room: Path<u64>, user: Depends<current_user>) -> Result<()> {
///     ...
/// }
/// ```
#[proc_macro_attribute]
pub fn ws(options: TokenStream, item: TokenStream) -> TokenStream {
    endpoint::expand("ws", options.into(), &item.into()).into()
}

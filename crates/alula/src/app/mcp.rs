//! The MCP server of an application: what it offers, and how it is served.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use axum::routing::MethodRouter;
use http::{Method, Uri};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{App, Running, StartError, build::Planned, paths::Paths};
use crate::{
    dependency::Dependency,
    error::Result,
    input::BodyLimits,
    mcp::{
        Access, Around, Draft, EndpointRoute, EndpointTool, Engine, Find, Input, Mcp, McpFn,
        McpNext, McpReply, McpRequest, McpSettings, Parts, PlanFind, PlanItem, PromptDefinition,
        ProtectedResource, ResourceDefinition, Slot, ToolDefinition, ToolOptions, VerifiedToken,
        boxed, metadata_mistake, metadata_routes, own_output, plan_find, plan_prompt,
        plan_resource, plan_tool, routes, serve_stdio,
    },
    openapi::{Document, Operation, Plan},
    routing::{Layers, Route},
    serve::Shutdown,
};

/// What an application was told of its MCP server.
#[derive(Default)]
pub(super) struct AppMcp {
    slot: Slot,
    /// Where it is served over HTTP.
    path: Option<String>,
    items: Vec<PlanItem>,
    settings: Option<McpSettings>,
    access: Option<PlanFind<Access>>,
    tokens: Option<PlanFind<VerifiedToken>>,
    around: Vec<Around>,
    auth: Option<ProtectedResource>,
}

/// What the application knows beside.
pub(super) struct Surroundings<'a> {
    pub(super) document: &'a Document,
    pub(super) limits: BodyLimits,
    pub(super) has_workers: bool,
    pub(super) shutdown: &'a Shutdown,
    /// Where the application is mounted, empty for the outermost.
    pub(super) prefix: &'a str,
    pub(super) protection: Protection,
}

/// What stands before the routes of an application.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protection {
    pub(super) has_guards: bool,
    pub(super) has_layers: bool,
}

impl App {
    /// Gives the application the handle of its MCP server, unless it has one.
    pub(super) fn with_mcp(mut self) -> Self {
        let mcp = self.states.get::<Mcp>().unwrap_or_else(|| Arc::new(Mcp::new()));
        for (_, mounted) in self.mounted.iter_mut().filter(|(_, app)| !app.mcp.is_served()) {
            mounted.states.insert(mcp.clone());
        }
        self.states.insert(mcp);
        self
    }

    /// Serves the tools, resources and prompts of the application to models at a path, such as
    /// `/mcp`: the Model Context Protocol over HTTP. See [`mcp`](crate::mcp).
    ///
    /// What an application offers that is mounted at a path without an MCP server of its own is
    /// offered, too, by names that begin with the path: `billing_refund` for `refund` at `/billing`.
    /// Where that application has what would not hold for them then, such as
    /// [`depends`](Self::depends), it is a mistake that stops the start.
    ///
    /// A request that a page of another origin may have sent is answered 403, see
    /// [`McpSettings::allowed_origins`] and [`McpSettings::allowed_hosts`]; the log names what would
    /// let it in.
    pub fn mcp(mut self, path: &str) -> Self {
        if self.mcp.path.replace(path.to_owned()).is_some() {
            self.mistakes.push("the app has its MCP server at two paths".to_owned());
        }
        let routes = routes(path, &self.mcp.slot);
        self.routes(routes)
    }

    /// Offers a function with `#[tool]` to models.
    ///
    /// ```
    /// use alula::prelude::*;
    ///
    /// /// Roll a die.
    /// #[tool]
    /// async fn roll() -> u8 {
    ///     4
    /// }
    ///
    /// let app = App::new("Dice", "1.0.0").mcp("/mcp").tool(roll);
    /// ```
    pub fn tool<F, A>(mut self, _: F) -> Self
    where
        F: McpFn<A>,
        F::Definition: ToolDefinition,
    {
        self.mcp.items.push(plan_tool::<F::Definition>);
        self
    }

    /// Offers a function with `#[resource(…)]` to models.
    pub fn resource<F, A>(mut self, _: F) -> Self
    where
        F: McpFn<A>,
        F::Definition: ResourceDefinition,
    {
        self.mcp.items.push(plan_resource::<F::Definition>);
        self
    }

    /// Offers a function with `#[prompt]` to models and their users.
    pub fn prompt<F, A>(mut self, _: F) -> Self
    where
        F: McpFn<A>,
        F::Definition: PromptDefinition,
    {
        self.mcp.items.push(plan_prompt::<F::Definition>);
        self
    }

    /// Changes how the MCP server behaves.
    pub fn mcp_settings(mut self, settings: McpSettings) -> Self {
        self.mcp.settings = Some(settings);
        self
    }

    /// Resolves a dependency before each request over MCP: it says what its caller sees, or refuses
    /// it. See [`Access`].
    pub fn mcp_access<D: Dependency<Value = Access>>(mut self) -> Self {
        self.mcp.access = Some(plan_find::<D>);
        self
    }

    /// Puts a function around each request over MCP, whether it comes over HTTP or stdio; the last
    /// one added is the outermost.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use alula::{App, mcp::{McpNext, McpRequest}};
    ///
    /// let app = App::new("Documents", "1.0.0").mcp_around(|request: McpRequest, next: McpNext| async {
    ///     let (start, name) = (Instant::now(), request.name().unwrap_or_default().to_owned());
    ///     let reply = next.run(request).await;
    ///     tracing::info!(name, failed = reply.is_error(), elapsed = ?start.elapsed());
    ///     reply
    /// });
    /// ```
    pub fn mcp_around<F, Fut>(mut self, around: F) -> Self
    where
        F: Fn(McpRequest, McpNext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = McpReply> + Send + 'static,
    {
        self.mcp.around.push(boxed(around));
        self
    }

    /// Tells clients without a token where their user logs in (RFC 9728): at
    /// `/.well-known/oauth-protected-resource`, and in the `WWW-Authenticate` of a 401. Which tokens
    /// are good is for [`mcp_tokens`](Self::mcp_tokens) to say.
    pub fn mcp_auth(mut self, resource: ProtectedResource) -> Self {
        self.mistakes.extend(metadata_mistake(&resource));
        self.mcp.auth = Some(resource);
        self
    }

    /// Resolves a dependency before each request over MCP, which says what the token of its caller
    /// says, or refuses one that is not genuine. A token that has ended, or that was given out for
    /// another resource than that of [`mcp_auth`](Self::mcp_auth), is refused then: else whoever
    /// runs another server could use here what its users have shown there (RFC 8707).
    ///
    /// Without [`mcp_access`](Self::mcp_access), the scopes of the token are what its holder sees.
    ///
    /// ```
    /// use alula::{mcp::{ProtectedResource, VerifiedToken}, prelude::*};
    ///
    /// #[dependency]
    /// async fn verified(token: Bearer) -> Result<VerifiedToken> {
    ///     let claims = verify(token.as_str()).ok_or_else(|| HttpError::unauthorized("Bearer"))?;
    ///     let token = VerifiedToken::new(claims.sub).scopes(claims.scope.split(' '));
    ///     Ok(claims.aud.into_iter().fold(token, VerifiedToken::audience))
    /// }
    ///
    /// # struct Claims { sub: String, aud: Vec<String>, scope: String }
    /// # fn verify(_: &str) -> Option<Claims> { None }
    /// let app = App::new("Documents", "1.0.0")
    ///     .mcp("/mcp")
    ///     .mcp_auth(
    ///         ProtectedResource::new("https://api.example.com/mcp")
    ///             .authorization_server("https://login.example.com"),
    ///     )
    ///     .mcp_tokens::<verified>();
    /// ```
    pub fn mcp_tokens<D: Dependency<Value = VerifiedToken>>(mut self) -> Self {
        self.mcp.tokens = Some(plan_find::<D>);
        self
    }

    /// Serves the tools, resources and prompts of the application over the input and the output of
    /// this process, until its input ends: as programs on the same machine start it.
    ///
    /// From then on, what anything else in the process prints goes to the standard error, where
    /// the log belongs, too: the output is the protocol's.
    ///
    /// # Errors
    ///
    /// If the application has a mistake, its lifespan fails, or the output cannot be written.
    ///
    /// ```no_run
    /// # use alula::prelude::*;
    /// # fn app() -> App { App::new("Documents", "1.0.0") }
    /// # async fn example() -> Result<()> {
    /// match std::env::args().nth(1).as_deref() {
    ///     Some("stdio") => app().serve_stdio().await,
    ///     _ => app().mcp("/mcp").serve("127.0.0.1:8000").await,
    /// }
    /// # }
    /// ```
    pub async fn serve_stdio(self) -> Result<()> {
        Ok(self.serve_stdio_until(Shutdown::on_signals()?).await?)
    }

    /// The same, until the input ends or `shutdown`.
    ///
    /// # Errors
    ///
    /// As [`serve_stdio`](Self::serve_stdio), with a type.
    pub async fn serve_stdio_until(self, shutdown: Shutdown) -> Result<(), StartError> {
        let (input, output) = (Input::open()?, own_output()?);
        self.serve_stdio_on(input, output, shutdown).await
    }

    /// Serves over any input and output, until the input ends or `shutdown`.
    ///
    /// # Errors
    ///
    /// As [`serve_stdio`](Self::serve_stdio), with a type.
    pub async fn serve_stdio_on(
        self,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Send + Unpin + 'static,
        shutdown: Shutdown,
    ) -> Result<(), StartError> {
        let within = self.limits.shutdown_max();
        let stop = shutdown.clone();
        let work = async move |running: Running| {
            let nothing = "the app has nothing to offer over MCP; add `.tool(…)`".to_owned();
            let engine = running.mcp.ok_or_else(|| StartError::Mistakes(vec![nothing]))?;
            #[cfg(feature = "jobs")]
            if let Some(jobs) = running.jobs {
                jobs.start(&stop, within)?;
            }
            serve_stdio(engine, input, output, &stop, within).await?;
            stop.trigger();
            Ok(Duration::ZERO)
        };
        // Large, and started once.
        Box::pin(self.live(within, shutdown, work)).await
    }
}

impl AppMcp {
    /// Whether it is served by itself, rather than with what is around the application.
    fn is_served(&self) -> bool {
        self.path.is_some()
    }

    /// Plans the functions, beside the endpoints that are tools; gives the server, or what is for
    /// the application around to serve.
    pub(super) fn plan(
        self,
        mut draft: Draft,
        plan: &mut Plan,
        paths: &mut Paths,
        around: &Surroundings<'_>,
    ) -> (Option<Arc<Engine>>, Draft) {
        for item in &self.items {
            item(plan, &mut draft);
        }
        if let (Some(auth), Some(path)) = (&self.auth, &self.path) {
            let routes = metadata_routes(auth, &format!("{}{path}", around.prefix));
            paths.add_own("mcp_auth", routes, &mut plan.mistakes);
        }
        if around.prefix.is_empty() || self.is_served() {
            return (self.finish(draft, plan, around), Draft::default());
        }
        if !draft.is_empty() {
            plan.mistakes.extend(self.left_out(around.prefix, around.protection));
        }
        (None, draft)
    }

    /// What the application has that would not hold where another one serves its tools: what was to
    /// protect them may be among it.
    fn left_out(&self, prefix: &str, protection: Protection) -> Vec<String> {
        let guards = protection.has_guards && !self.items.is_empty();
        let parts = [
            (guards, "depends"),
            (protection.has_layers, "layer"),
            (self.access.is_some(), "mcp_access"),
            (self.tokens.is_some(), "mcp_tokens"),
            (!self.around.is_empty(), "mcp_around"),
            (self.auth.is_some(), "mcp_auth"),
            (self.settings.is_some(), "mcp_settings"),
        ];
        let parts = parts.into_iter().filter(|(is_there, _)| *is_there);
        let tell = |(_, part)| {
            format!(
                "mounted at `{prefix}`: its `{part}` does not hold for what it offers over MCP; serve \
                 that with `.mcp(…)` in this app, or move the `{part}` to what it is mounted in"
            )
        };
        parts.map(tell).collect()
    }

    /// The server, if there is anything to serve.
    fn finish(
        self,
        draft: Draft,
        plan: &mut Plan,
        around: &Surroundings<'_>,
    ) -> Option<Arc<Engine>> {
        if draft.is_empty() && self.path.is_none() {
            return None;
        }
        let settings = self.settings.unwrap_or_default();
        plan.mistakes.extend(settings.mistakes().iter().map(|text| format!("MCP: {text}")));
        let is_checked = self.tokens.is_some() || self.access.is_some();
        if self.auth.is_some() && !is_checked && !around.protection.has_guards {
            tracing::warn!(
                "`mcp_auth` only tells clients where to log in; `mcp_tokens` would check what they \
                 send"
            );
        }
        if self.tokens.is_some() && self.auth.is_none() {
            let mistake =
                "MCP: `mcp_tokens` needs `mcp_auth`, which says for what a token has to be";
            plan.mistakes.push(mistake.to_owned());
        }
        let access = self.access.map(|find| planned(find, plan, "the access to MCP"));
        let tokens = self.tokens.map(|find| planned(find, plan, "the tokens of MCP"));
        let info = |what: &str| around.document.info(what).unwrap_or_default().to_owned();
        let urls = around.document.servers.iter().filter_map(|server| server["url"].as_str());
        let own = self.auth.as_ref().map(ProtectedResource::url);
        let engine = Engine::new(Parts {
            registry: draft.finish(&mut plan.mistakes),
            mcp: plan.states.get::<Mcp>().map_or_else(Mcp::new, |mcp| Mcp::clone(&mcp)),
            settings,
            access,
            tokens,
            path: self.path.map(|path| format!("{}{path}", around.prefix)),
            around: self.around,
            hosts: urls.chain(own).filter_map(host).collect(),
            auth: self.auth,
            name: info("title"),
            version: info("version"),
            has_workers: around.has_workers,
            has_guards: around.protection.has_guards,
            shutdown: around.shutdown.clone(),
            limits: around.limits,
        });
        let engine = Arc::new(engine);
        // It is filled once, as an application is built once.
        let _ = self.slot.set(engine.clone());
        Some(engine)
    }
}

/// An endpoint that is a tool, before its route is planned.
pub(super) struct Offer {
    options: ToolOptions,
    name: String,
    method: Method,
    path: String,
}

impl Offer {
    /// What a route says of it, if it does.
    pub(super) fn take(route: &mut Route, prefix: &str) -> Option<Self> {
        let (method, path) = (route.method.clone(), format!("{prefix}{}", route.path));
        let name = route.meta.name.clone();
        route.tool.take().map(|options| Self { options, name, method, path })
    }

    /// Offers the handler of the route, with what stands around it.
    pub(super) fn plan(
        self,
        (handler, operation): &(MethodRouter, Map<String, Value>),
        layers: &Layers,
        draft: &mut Draft,
        plan: &mut Plan,
    ) {
        let Self { options, name, method, path } = self;
        let router = axum::Router::new().route(&path, layers.apply(handler.clone()));
        let route = EndpointRoute { name: &name, method, path, operation, router };
        if let Some(endpoint) = EndpointTool::new(options, route, plan) {
            draft.add_endpoint(endpoint, plan);
        }
    }
}

impl Planned {
    /// Gives what it offers to the application that it is mounted in at a path.
    pub(super) fn give(mut self, path: &str, draft: &mut Draft) -> Self {
        draft.absorb(path, std::mem::take(&mut self.draft));
        self
    }
}

/// How something about a caller is found in this application.
fn planned<T>(find: PlanFind<T>, plan: &mut Plan, title: &str) -> Box<dyn Find<T>> {
    plan.undocumented(|plan| {
        let mut operation = Operation::of_mcp(plan, title);
        let found = find(&mut operation);
        operation.finish_of_mcp();
        found
    })
}

/// The host of a URL, if it has one.
fn host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    uri.host().map(str::to_owned)
}

impl fmt::Debug for AppMcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppMcp").field("path", &self.path).finish_non_exhaustive()
    }
}

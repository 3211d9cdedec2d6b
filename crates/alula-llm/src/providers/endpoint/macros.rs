//! What all providers with an endpoint have alike, word for word.

/// What can be set about every provider with an `endpoint`; inside its `impl`.
macro_rules! settings {
    () => {
        /// Sets the name that selects this provider in `provider/model`.
        #[must_use]
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.endpoint.name = name.into();
            self
        }

        /// Sends a header with each call.
        ///
        /// Its value may be a key, so that errors show `***` in its place from eight bytes on.
        #[must_use]
        pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.endpoint.headers.push((name.into(), value.into()));
            self
        }

        /// Uses a connection pool of its own instead of the one that [`Llm`](crate::Llm) shares.
        #[must_use]
        pub fn http(mut self, http: $crate::Http) -> Self {
            self.endpoint.http = Some(http);
            self
        }
    };
}

/// The calls of a provider that is a [`Speaker`]; inside its `impl` of
/// [`Provider`](crate::Provider).
macro_rules! calls {
    () => {
        fn name(&self) -> &str {
            &self.endpoint.name
        }

        fn base_url(&self) -> Option<&str> {
            Some(&self.endpoint.base_url)
        }

        fn prepare(&mut self, http: &$crate::Http) -> $crate::Result<()> {
            self.endpoint.share(http);
            self.endpoint.ready = Some($crate::providers::endpoint::ready(self)?);
            Ok(())
        }

        fn chat<'a>(
            &'a self,
            request: &'a $crate::ChatRequest,
        ) -> ::futures_util::future::BoxFuture<'a, $crate::Result<$crate::ChatResponse>> {
            $crate::providers::endpoint::chat(self, request)
        }

        fn stream<'a>(
            &'a self,
            request: &'a $crate::ChatRequest,
        ) -> ::futures_util::future::BoxFuture<'a, $crate::Result<$crate::ChatStream>> {
            $crate::providers::endpoint::stream(self, request)
        }

        fn relay<'a>(
            &'a self,
            request: &'a $crate::RelayRequest,
        ) -> Option<::futures_util::future::BoxFuture<'a, $crate::Result<$crate::RelayResponse>>> {
            use $crate::providers::endpoint::{Speaker, relay};

            if $crate::Provider::protocol(self) != request.protocol() {
                return self.by(request.protocol())?.relay(request);
            }
            self.relays(request).then(|| relay(self, request))
        }

        fn relay_stream<'a>(
            &'a self,
            request: &'a $crate::RelayRequest,
        ) -> Option<::futures_util::future::BoxFuture<'a, $crate::Result<$crate::RelayStream>>> {
            use $crate::providers::endpoint::{Speaker, relay_stream};

            if $crate::Provider::protocol(self) != request.protocol() {
                return self.by(request.protocol())?.relay_stream(request);
            }
            self.relays(request).then(|| relay_stream(self, request))
        }

        fn embed<'a>(
            &'a self,
            request: &'a $crate::EmbedRequest,
        ) -> ::futures_util::future::BoxFuture<'a, $crate::Result<$crate::EmbedResponse>> {
            $crate::providers::unary::embed(self, request)
        }

        fn count_tokens<'a>(
            &'a self,
            request: &'a $crate::ChatRequest,
        ) -> ::futures_util::future::BoxFuture<'a, $crate::Result<$crate::TokenCount>> {
            $crate::providers::unary::count_tokens(self, request)
        }

        fn probe(&self) -> ::futures_util::future::BoxFuture<'_, $crate::Result<()>> {
            $crate::providers::endpoint::probe(self)
        }
    };
}

pub(in super::super) use {calls, settings};

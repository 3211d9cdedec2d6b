//! Forms, with and without files.

mod fields;
mod file_name;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod limits;
mod multipart;
mod parameters;
mod parser;
mod part;
mod refusal;
mod schema;
mod spool;
mod stream;
mod upload;
mod upload_io;
mod urlencoded;

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use limits::FormLimits;
pub use stream::{FormPart, MultipartStream};
pub use upload::UploadFile;

use self::{
    fields::{Fields, FormFiles, offering},
    limits::Bounds,
    parameters::Parameters,
    parser::Malformed,
};
use super::{Input, Rejection, RequestContext};
use crate::{
    error::Result,
    openapi::Operation,
    schema::{Detail, TextShape},
    validate::Validate,
};

/// The fields of a form without files.
///
/// The fields of `T` are those of the form. A name that comes twice fills a list; for a single
/// value the last one counts. A field that was left empty counts as not sent, so it is missing or
/// has its default; of a list every text counts. A mistake is told as in JSON, with
/// `["body", name]` as its place.
///
/// It reads `application/x-www-form-urlencoded`, and `multipart/form-data` as well. A body has at
/// most 2 MiB unless [`max_body`](crate::Route::max_body) says otherwise; [`FormLimits`] are for
/// its parts. For files there is [`Multipart`].
///
/// # Errors
///
/// 400 for a body that cannot be read or has too many fields, 413 for one that is too large, 415
/// for another content type, 422 for what is not a valid `T`.
///
/// ```
/// use alula::prelude::*;
///
/// #[derive(Deserialize, Serialize, JsonSchema, Validate)]
/// struct Order {
///     #[schemars(length(min = 1))]
///     item: String,
///     #[serde(default = "one")]
///     #[schemars(range(min = 1))]
///     count: u32,
/// }
///
/// fn one() -> u32 {
///     1
/// }
///
/// #[post("/orders")]
/// async fn order(Form(order): Form<Order>) -> Json<String> {
///     Json(format!("{} × {}", order.count, order.item))
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = App::new("Orders", "1.0.0").routes(routes![order]).client().await;
/// let response = client.post("/orders").form(&[("item", "wing"), ("count", "")]).await;
/// assert_eq!(response.json::<String>(), "1 × wing");
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

/// The fields of a form with files.
///
/// Fields of `T` may be [`UploadFile`], `Option<UploadFile>`, `Vec<UploadFile>`, and whatever
/// [`Form`] takes, by the same rules.
///
/// It reads `multipart/form-data`, and `application/x-www-form-urlencoded` as well, which some
/// clients send where there is no file. A body has at most 50 MiB unless
/// [`max_body`](crate::Route::max_body) says otherwise, but 2 MiB if it is URL-encoded;
/// [`FormLimits`] are for its parts. However large, a form takes little memory: files over 1 MiB
/// go to a temporary file while they arrive.
///
/// # Errors
///
/// 400 for a body that cannot be read or has too many fields or files, 413 for one that is too
/// large, 415 for another content type, 422 for what is not a valid `T`.
///
/// [`UploadFile`] shows it at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Multipart<T>(pub T);

macro_rules! form {
    ($Name:ident, $media_type:literal, files: $takes_files:literal) => {
        impl<T> Deref for $Name<T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.0
            }
        }

        impl<T> DerefMut for $Name<T> {
            fn deref_mut(&mut self) -> &mut T {
                &mut self.0
            }
        }

        impl<T> Input for $Name<T>
        where
            T: DeserializeOwned + JsonSchema + Validate + Send + 'static,
        {
            type Plan = FormPlan;

            fn plan(operation: &mut Operation<'_>) -> FormPlan {
                let shape = operation.form::<T, Self>($media_type, $takes_files);
                let bounds = operation.form_limits().bounds();
                FormPlan { shape, bounds, takes_files: $takes_files }
            }

            async fn extract(plan: &FormPlan, cx: &mut RequestContext) -> Result<Self, Rejection> {
                plan.extract(cx).await.map($Name)
            }
        }
    };
}

form!(Form, "application/x-www-form-urlencoded", files: false);
form!(Multipart, "multipart/form-data", files: true);

/// How a form is read.
#[doc(hidden)]
#[derive(Debug)]
pub struct FormPlan {
    shape: TextShape,
    bounds: Bounds,
    takes_files: bool,
}

impl FormPlan {
    async fn extract<T>(&self, cx: &mut RequestContext) -> Result<T, Rejection>
    where
        T: DeserializeOwned + Validate,
    {
        let limits = cx.limits();
        let parsed = match Media::of(cx.headers())? {
            Media::Unknown => {
                if cx.reader(limits.in_memory())?.next().await?.is_some() {
                    return Err(refusal::unsupported().into());
                }
                self.parse(&[], FormFiles::default())
            }
            Media::UrlEncoded => {
                let reader = cx.reader(limits.in_memory())?;
                let bytes = urlencoded::read(reader, self.bounds).await?;
                let pairs: Vec<_> = form_urlencoded::parse(&bytes).collect();
                self.parse(&pairs, FormFiles::default())
            }
            Media::Multipart { boundary } => {
                let bytes_max = if self.takes_files { limits.upload() } else { limits.in_memory() };
                let reader = cx.reader(bytes_max)?;
                let form = multipart::read(reader, &boundary, self.bounds, self.takes_files);
                let Fields { pairs, files } = form.await?;
                self.parse(&pairs, files)
            }
        };
        parsed.map_err(|details| cx.reject_all(details))
    }

    fn parse<T>(
        &self,
        pairs: &[(Cow<'_, str>, Cow<'_, str>)],
        files: FormFiles,
    ) -> Result<T, Vec<Detail>>
    where
        T: DeserializeOwned + Validate,
    {
        offering(files, |files| self.shape.parse_with("body", pairs, files))
    }
}

/// How the form is written.
enum Media {
    UrlEncoded,
    Multipart {
        boundary: Vec<u8>,
    },
    /// The request does not say; then it must be empty.
    Unknown,
}

impl Media {
    fn of(headers: &HeaderMap) -> Result<Self> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Unknown) };
        let Some(value) = Parameters::parse(value.as_bytes()) else {
            return Err(refusal::unsupported());
        };
        if value.essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Ok(Self::UrlEncoded);
        }
        if !value.essence.eq_ignore_ascii_case(b"multipart/form-data") {
            return Err(refusal::unsupported());
        }
        let boundary = value.get("boundary");
        let boundary = boundary.ok_or_else(|| refusal::malformed(Malformed::BoundaryMissing))?;
        Ok(Self::Multipart { boundary: boundary.to_owned() })
    }
}

//! The arguments of an endpoint as one input.

use super::{Input, Rejection, RequestContext, Stage};
use crate::{error::Result, openapi::Operation};

/// Extracts one argument; `None` if it is invalid, so that the others still get their turn.
async fn extract<I: Input>(
    plan: &I::Plan,
    cx: &mut RequestContext,
) -> Result<Option<I>, Rejection> {
    match I::extract(plan, cx).await {
        Ok(value) => Ok(Some(value)),
        Err(Rejection::Invalid) => Ok(None),
        Err(error @ Rejection::Error(_)) => Err(error),
    }
}

/// No arguments: nothing to extract.
impl Input for () {
    type Plan = ();

    fn plan(_: &mut Operation<'_>) -> Self::Plan {}

    async fn extract((): &(), _: &mut RequestContext) -> Result<Self, Rejection> {
        Ok(())
    }
}

macro_rules! tuple_input {
    ($($Type:ident $name:ident),*) => {
        impl<$($Type: Input),*> Input for ($($Type,)*) {
            type Plan = ($($Type::Plan,)*);

            fn plan(operation: &mut Operation<'_>) -> Self::Plan {
                ($($Type::plan(operation),)*)
            }

            async fn extract(plan: &Self::Plan, cx: &mut RequestContext) -> Result<Self, Rejection> {
                let ($($name,)*) = plan;
                // Dependencies first: a 401 beats a 422.
                $(
                    let mut early = None;
                    if matches!($Type::STAGE, Stage::Dependency) {
                        early = Some(extract::<$Type>($name, cx).await?);
                    }
                    let $name = (early, $name);
                )*
                let mark = cx.details_len();
                $(
                    let $name = match $name {
                        (Some(early), _) => early,
                        (None, plan) => extract::<$Type>(plan, cx).await?,
                    };
                )*
                cx.sort_details_since(mark);
                $(
                    let Some($name) = $name else { return Err(Rejection::Invalid) };
                )*
                Ok(($($name,)*))
            }
        }
    };
}

tuple_input!(A a);
tuple_input!(A a, B b);
tuple_input!(A a, B b, C c);
tuple_input!(A a, B b, C c, D d);
tuple_input!(A a, B b, C c, D d, E e);
tuple_input!(A a, B b, C c, D d, E e, F f);
tuple_input!(A a, B b, C c, D d, E e, F f, G g);
tuple_input!(A a, B b, C c, D d, E e, F f, G g, H h);
tuple_input!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
tuple_input!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
tuple_input!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
tuple_input!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);

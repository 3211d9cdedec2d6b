//! Functions as endpoints.

use std::future::Future;

/// An async function that can be an endpoint.
///
/// The trait knows only the shape of the function. That its arguments are inputs and its result is
/// an output is asked for where a route is made, so that the compiler names the type that is
/// wrong instead of the function as a whole.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an endpoint function",
    note = "an endpoint is an `async fn` with up to 12 arguments"
)]
pub trait Handler<Arguments>: Send + Sync + 'static {
    /// What the function returns.
    type Output;

    /// Calls the function.
    fn call(&self, arguments: Arguments) -> impl Future<Output = Self::Output> + Send;
}

macro_rules! handler {
    ($($Type:ident $name:ident),*) => {
        impl<Function, Fut, Out, $($Type),*> Handler<($($Type,)*)> for Function
        where
            Function: Fn($($Type),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Out> + Send,
        {
            type Output = Out;

            fn call(&self, ($($name,)*): ($($Type,)*)) -> impl Future<Output = Out> + Send {
                self($($name),*)
            }
        }
    };
}

handler!();
handler!(A a);
handler!(A a, B b);
handler!(A a, B b, C c);
handler!(A a, B b, C c, D d);
handler!(A a, B b, C c, D d, E e);
handler!(A a, B b, C c, D d, E e, F f);
handler!(A a, B b, C c, D d, E e, F f, G g);
handler!(A a, B b, C c, D d, E e, F f, G g, H h);
handler!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
handler!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
handler!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
handler!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);

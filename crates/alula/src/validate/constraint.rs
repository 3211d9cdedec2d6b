//! The constraints that attributes can express, and the types that each applies to.
//!
//! Where JSON Schema ignores a keyword that does not fit the type, here it does not
//! compile: a constraint that is written is a constraint that holds.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::hash::Hash;
use std::num::{NonZero, Wrapping};
use std::rc::Rc;
use std::sync::Arc;

use super::number::{Limit, Number};
use super::pattern::Pattern;
use crate::schema::Format;

/// Whether a value keeps a constraint of the kind `C`.
///
/// `Option<T>` and pointers pass the question on to their `T`; nothing keeps everything.
#[diagnostic::on_unimplemented(
    message = "this constraint does not apply to `{Self}`",
    label = "cannot be checked on `{Self}`",
    note = "the schema shows a constraint only on a plain number, text, list or map; inside another type write it there, and use `#[validate(custom = ...)]` for anything else"
)]
pub trait Keeps<C: ?Sized> {
    /// Checks this value only, not what it contains.
    fn keeps(&self, constraint: &C) -> bool;
}

/// `range`, `minimum`, `maximum` and their exclusive forms.
#[derive(Debug)]
pub struct Range(pub Limit);

/// `multipleOf`.
#[derive(Debug)]
pub struct MultipleOf(pub Number);

/// `length`: the characters of a text or the items of a list.
#[derive(Debug)]
pub struct Length(pub Limit);

/// `minLength` and `maxLength`, in characters (Unicode scalar values).
#[derive(Debug)]
pub struct TextLength(pub Limit);

/// `minItems` and `maxItems`.
#[derive(Debug)]
pub struct ItemCount(pub Limit);

/// `minProperties` and `maxProperties`.
#[derive(Debug)]
pub struct PropertyCount(pub Limit);

/// `uniqueItems`.
#[derive(Debug)]
pub struct UniqueItems(pub bool);

/// `contains`: a text within the text.
#[derive(Debug)]
pub struct Contains(pub String);

/// `inner`: a constraint on every item.
#[derive(Debug)]
pub struct Each<'a, C: ?Sized>(pub &'a C);

/// `required`: the field is an `Option`, and yet has to be there.
#[diagnostic::on_unimplemented(
    message = "`required` does not apply to `{Self}`",
    label = "only an `Option` can be absent",
    note = "remove `required`: a field that is no `Option` and has no default is required anyway"
)]
pub trait Optional {
    /// Whether there is a value.
    fn is_present(&self) -> bool;
}

impl<T> Optional for Option<T> {
    #[inline]
    fn is_present(&self) -> bool {
        self.is_some()
    }
}

impl<C: ?Sized, T: Keeps<C>> Keeps<C> for Option<T> {
    #[inline]
    fn keeps(&self, constraint: &C) -> bool {
        self.as_ref().is_none_or(|value| value.keeps(constraint))
    }
}

impl<C: ?Sized, T: Keeps<C> + ToOwned + ?Sized> Keeps<C> for Cow<'_, T> {
    #[inline]
    fn keeps(&self, constraint: &C) -> bool {
        (**self).keeps(constraint)
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<C: ?Sized, T: Keeps<C> + ?Sized> Keeps<C> for $pointer {
            #[inline]
            fn keeps(&self, constraint: &C) -> bool {
                (**self).keeps(constraint)
            }
        }
    )*};
}

pointers!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<C: ?Sized, T: Keeps<C>> Keeps<C> for Wrapping<T> {
    #[inline]
    fn keeps(&self, constraint: &C) -> bool {
        self.0.keeps(constraint)
    }
}

impl<C: ?Sized, T: Keeps<C>> Keeps<C> for Reverse<T> {
    #[inline]
    fn keeps(&self, constraint: &C) -> bool {
        self.0.keeps(constraint)
    }
}

macro_rules! numbers {
    ($($number:ty $(: $get:ident)?),*) => {$(
        impl Keeps<Range> for $number {
            #[inline]
            fn keeps(&self, range: &Range) -> bool {
                range.0.admits(Number::from((*self)$(.$get())?))
            }
        }

        impl Keeps<MultipleOf> for $number {
            #[inline]
            fn keeps(&self, step: &MultipleOf) -> bool {
                Number::from((*self)$(.$get())?).is_multiple_of(step.0)
            }
        }
    )*};
}

numbers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64);
numbers!(NonZero<i8>: get, NonZero<i16>: get, NonZero<i32>: get, NonZero<i64>: get);
numbers!(NonZero<i128>: get, NonZero<isize>: get, NonZero<u8>: get, NonZero<u16>: get);
numbers!(NonZero<u32>: get, NonZero<u64>: get, NonZero<u128>: get, NonZero<usize>: get);

impl Keeps<Range> for serde_json::Number {
    fn keeps(&self, range: &Range) -> bool {
        range.0.admits(self.into())
    }
}

impl Keeps<MultipleOf> for serde_json::Number {
    fn keeps(&self, step: &MultipleOf) -> bool {
        Number::from(self).is_multiple_of(step.0)
    }
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl Keeps<Length> for $text {
            #[inline]
            fn keeps(&self, length: &Length) -> bool {
                length.0.admits_characters(self)
            }
        }

        impl Keeps<TextLength> for $text {
            #[inline]
            fn keeps(&self, length: &TextLength) -> bool {
                length.0.admits_characters(self)
            }
        }

        impl Keeps<Pattern> for $text {
            #[inline]
            fn keeps(&self, pattern: &Pattern) -> bool {
                pattern.is_match(self)
            }
        }

        impl Keeps<Format> for $text {
            fn keeps(&self, format: &Format) -> bool {
                format.accepts(self)
            }
        }

        impl Keeps<Contains> for $text {
            #[inline]
            fn keeps(&self, contains: &Contains) -> bool {
                self.contains(&contains.0)
            }
        }
    )*};
}

texts!(str, String);

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty),* $(,)?) => {$(
        impl<$($generics)*> Keeps<Length> for $list {
            #[inline]
            fn keeps(&self, length: &Length) -> bool {
                length.0.admits(self.len().into())
            }
        }

        impl<$($generics)*> Keeps<ItemCount> for $list {
            #[inline]
            fn keeps(&self, count: &ItemCount) -> bool {
                count.0.admits(self.len().into())
            }
        }

        impl<'a, C: ?Sized, $($generics)*> Keeps<Each<'a, C>> for $list
        where
            T: Keeps<C>,
        {
            #[inline]
            fn keeps(&self, each: &Each<'a, C>) -> bool {
                self.iter().all(|item| item.keeps(each.0))
            }
        }

        impl<$($generics)*> Keeps<UniqueItems> for $list
        where
            T: Eq + Hash,
        {
            fn keeps(&self, unique: &UniqueItems) -> bool {
                let mut seen = HashSet::with_capacity(if unique.0 { self.len() } else { 0 });
                !unique.0 || self.iter().all(|item| seen.insert(item))
            }
        }
    )*};
}

lists! {
    [T] [T],
    [T] Vec<T>,
    [T] VecDeque<T>,
    [T] LinkedList<T>,
    [T] BinaryHeap<T>,
    [T] BTreeSet<T>,
    [T, S] HashSet<T, S>,
    [T, const N: usize] [T; N],
}

macro_rules! maps {
    ($([$($generics:tt)*] $map:ty),* $(,)?) => {$(
        impl<$($generics)*> Keeps<PropertyCount> for $map {
            #[inline]
            fn keeps(&self, count: &PropertyCount) -> bool {
                count.0.admits(self.len().into())
            }
        }
    )*};
}

maps! {
    [K, V] BTreeMap<K, V>,
    [K, V, S] HashMap<K, V, S>,
    [] serde_json::Map<String, serde_json::Value>,
}

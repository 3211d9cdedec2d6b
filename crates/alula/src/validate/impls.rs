//! `Validate` for the types of the standard library, `serde_json` and `uuid`.
//!
//! None of them has a constraint of its own. Containers ask what they contain.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{NonZero, Wrapping};
use std::ops::{Bound, Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Report, Validate};

/// Values that JSON can also write as a key.
macro_rules! keys {
    ($($leaf:ty),* $(,)?) => {$(
        impl Validate for $leaf {
            #[inline]
            fn is_valid(&self) -> bool {
                true
            }

            fn key(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

keys!(bool, char, str, String, uuid::Uuid, serde_json::Number);
keys!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64);
keys!(NonZero<i8>, NonZero<i16>, NonZero<i32>, NonZero<i64>, NonZero<i128>, NonZero<isize>);
keys!(NonZero<u8>, NonZero<u16>, NonZero<u32>, NonZero<u64>, NonZero<u128>, NonZero<usize>);
keys!(IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6);

macro_rules! leaves {
    ($($leaf:ty),* $(,)?) => {$(
        impl Validate for $leaf {
            #[inline]
            fn is_valid(&self) -> bool {
                true
            }
        }
    )*};
}

leaves!((), Duration, SystemTime, OsStr, OsString, CStr, CString, Path, PathBuf);
leaves!(serde_json::Value, serde_json::Map<String, serde_json::Value>);

impl<T: ?Sized> Validate for PhantomData<T> {
    #[inline]
    fn is_valid(&self) -> bool {
        true
    }
}

/// Types that JSON does not show: they stand for the value inside.
macro_rules! wrappers {
    ($([$($generics:tt)*] $wrapper:ty, $inner:tt;)*) => {$(
        impl<$($generics)*> Validate for $wrapper {
            #[inline]
            fn is_valid(&self) -> bool {
                wrappers!($inner self).is_valid()
            }

            fn report(&self, report: &mut Report) {
                wrappers!($inner self).report(report);
            }

            fn key(&self) -> String {
                wrappers!($inner self).key()
            }
        }
    )*};
    (deref $self:ident) => { (**$self) };
    (field $self:ident) => { $self.0 };
}

wrappers! {
    [T: Validate + ?Sized] &T, deref;
    [T: Validate + ?Sized] &mut T, deref;
    [T: Validate + ?Sized] Box<T>, deref;
    [T: Validate + ?Sized] Rc<T>, deref;
    [T: Validate + ?Sized] Arc<T>, deref;
    [T: Validate + ToOwned + ?Sized] Cow<'_, T>, deref;
    [T: Validate] Wrapping<T>, field;
    [T: Validate] Reverse<T>, field;
}

impl<T: Validate> Validate for Option<T> {
    #[inline]
    fn is_valid(&self) -> bool {
        self.as_ref().is_none_or(T::is_valid)
    }

    fn report(&self, report: &mut Report) {
        if let Some(value) = self {
            value.report(report);
        }
    }
}

impl<T: Validate, E: Validate> Validate for Result<T, E> {
    #[inline]
    fn is_valid(&self) -> bool {
        match self {
            Ok(value) => value.is_valid(),
            Err(error) => error.is_valid(),
        }
    }

    fn report(&self, report: &mut Report) {
        match self {
            Ok(value) => report.visit("Ok", value),
            Err(error) => report.visit("Err", error),
        }
    }
}

impl<T: Validate> Validate for Bound<T> {
    #[inline]
    fn is_valid(&self) -> bool {
        match self {
            Self::Included(value) | Self::Excluded(value) => value.is_valid(),
            Self::Unbounded => true,
        }
    }

    fn report(&self, report: &mut Report) {
        match self {
            Self::Included(value) => report.visit("Included", value),
            Self::Excluded(value) => report.visit("Excluded", value),
            Self::Unbounded => {}
        }
    }
}

impl<T: Validate> Validate for Range<T> {
    #[inline]
    fn is_valid(&self) -> bool {
        self.start.is_valid() && self.end.is_valid()
    }

    fn report(&self, report: &mut Report) {
        report.visit("start", &self.start);
        report.visit("end", &self.end);
    }
}

impl<T: Validate> Validate for RangeInclusive<T> {
    #[inline]
    fn is_valid(&self) -> bool {
        self.start().is_valid() && self.end().is_valid()
    }

    fn report(&self, report: &mut Report) {
        report.visit("start", self.start());
        report.visit("end", self.end());
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty),* $(,)?) => {$(
        impl<$($generics)*> Validate for $list {
            #[inline]
            fn is_valid(&self) -> bool {
                self.iter().all(T::is_valid)
            }

            fn report(&self, report: &mut Report) {
                for (index, item) in self.iter().enumerate() {
                    report.visit(index, item);
                }
            }
        }
    )*};
}

lists! {
    [T: Validate] [T],
    [T: Validate] Vec<T>,
    [T: Validate] VecDeque<T>,
    [T: Validate] LinkedList<T>,
    [T: Validate, const N: usize] [T; N],
}

/// Lists that forget where an item stood in the JSON, so a failure names the list only.
macro_rules! bags {
    ($([$($generics:tt)*] $bag:ty),* $(,)?) => {$(
        impl<$($generics)*> Validate for $bag {
            #[inline]
            fn is_valid(&self) -> bool {
                self.iter().all(T::is_valid)
            }

            fn report(&self, report: &mut Report) {
                for item in self {
                    item.report(report);
                }
            }
        }
    )*};
}

bags! {
    [T: Validate] BinaryHeap<T>,
    [T: Validate] BTreeSet<T>,
    [T: Validate, S] HashSet<T, S>,
}

/// Keys are checked as well: the document turns the pattern of a key into `patternProperties`.
macro_rules! maps {
    ($([$($generics:tt)*] $map:ty),* $(,)?) => {$(
        impl<$($generics)*> Validate for $map {
            #[inline]
            fn is_valid(&self) -> bool {
                self.iter().all(|(key, value)| key.is_valid() && value.is_valid())
            }

            fn report(&self, report: &mut Report) {
                for (key, value) in self {
                    report.at(key.key(), |report| {
                        key.report(report);
                        value.report(report);
                    });
                }
            }
        }
    )*};
}

maps! {
    [K: Validate, V: Validate] BTreeMap<K, V>,
    [K: Validate, V: Validate, S] HashMap<K, V, S>,
}

macro_rules! tuples {
    ($($name:ident.$index:tt)+) => {
        impl<$($name: Validate),+> Validate for ($($name,)+) {
            #[inline]
            fn is_valid(&self) -> bool {
                $(self.$index.is_valid())&&+
            }

            fn report(&self, report: &mut Report) {
                $(report.visit($index as usize, &self.$index);)+
            }
        }
    };
}

tuples!(A.0);
tuples!(A.0 B.1);
tuples!(A.0 B.1 C.2);
tuples!(A.0 B.1 C.2 D.3);
tuples!(A.0 B.1 C.2 D.3 E.4);
tuples!(A.0 B.1 C.2 D.3 E.4 F.5);
tuples!(A.0 B.1 C.2 D.3 E.4 F.5 G.6);
tuples!(A.0 B.1 C.2 D.3 E.4 F.5 G.6 H.7);
tuples!(A.0 B.1 C.2 D.3 E.4 F.5 G.6 H.7 I.8);
tuples!(A.0 B.1 C.2 D.3 E.4 F.5 G.6 H.7 I.8 J.9);
tuples!(A.0 B.1 C.2 D.3 E.4 F.5 G.6 H.7 I.8 J.9 K.10);
tuples!(A.0 B.1 C.2 D.3 E.4 F.5 G.6 H.7 I.8 J.9 K.10 L.11);

//! serde over pairs of text: the happy path, without a JSON value in between.
//!
//! Whatever is not plain is refused here, without a reason: the schema-directed way reads it again
//! and has the words.

use std::fmt::{self, Display};

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::files::FILE;
use super::pairs::{Given, Run, Runs};
use super::{Form, TextShape};
use crate::schema::number::{parse_bool, parse_float, parse_int};

/// The value did not come out on the happy path.
#[derive(Debug)]
pub(super) struct NotPlain;

impl Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not plain")
    }
}

impl std::error::Error for NotPlain {}

impl Error for NotPlain {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

/// All parameters of one place.
pub(super) struct Parameters<'p> {
    shape: &'p TextShape,
    runs: &'p Runs<'p>,
}

impl<'p> Parameters<'p> {
    pub(super) fn new(shape: &'p TextShape, runs: &'p Runs<'p>) -> Self {
        Self { shape, runs }
    }

    fn single(&self) -> Result<Texts<'p>, NotPlain> {
        match &self.shape.form {
            Form::Single(name) => self.runs.get(name).map(Texts::of).ok_or(NotPlain),
            Form::Struct | Form::Tuple(_) => Err(NotPlain),
        }
    }
}

/// A path value may be of any type; all other places hold structs and maps.
macro_rules! single_value {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
            self.single()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Parameters<'_> {
    type Error = NotPlain;

    single_value! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_some(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match &self.shape.form {
            Form::Struct => self.deserialize_map(visitor),
            Form::Single(_) => self.single()?.deserialize_any(visitor),
            Form::Tuple(_) => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        let shape = self.shape;
        let entries = self.runs.iter().filter_map(move |run| {
            let name = shape.field_name(run.name())?;
            (!shape.is_absent(name, run)).then_some((name, run))
        });
        visitor.visit_map(Entries { entries, value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        let Form::Tuple(names) = &self.shape.form else {
            return self.single()?.deserialize_seq(visitor);
        };
        let runs = self.runs;
        visitor.visit_seq(Items(names.iter().map(|name| runs.get(name).map(Texts::of))))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_unit()
    }
}

struct Entries<'p, I> {
    entries: I,
    value: Option<Run<'p>>,
}

impl<'de, 'p, I: Iterator<Item = (&'p str, Run<'p>)>> MapAccess<'de> for Entries<'p, I> {
    type Error = NotPlain;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NotPlain> {
        let Some((name, run)) = self.entries.next() else { return Ok(None) };
        self.value = Some(run);
        let key: StrDeserializer<'_, NotPlain> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, NotPlain> {
        let run = self.value.take().ok_or(NotPlain)?;
        seed.deserialize(Texts::of(run))
    }
}

/// Items of a sequence; `None` is a value that did not arrive.
struct Items<I>(I);

impl<'de, 'p, I: Iterator<Item = Option<Texts<'p>>>> SeqAccess<'de> for Items<I> {
    type Error = NotPlain;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, NotPlain> {
        match self.0.next() {
            Some(Some(texts)) => seed.deserialize(texts).map(Some),
            Some(None) => Err(NotPlain),
            None => Ok(None),
        }
    }
}

/// The values of one name, as a list or as the one that counts; or one item of such a list.
#[derive(Clone, Copy)]
struct Texts<'p> {
    one: Given<'p>,
    /// Absent for an item.
    all: Option<Run<'p>>,
}

impl<'p> Texts<'p> {
    fn of(run: Run<'p>) -> Self {
        Self { one: run.one(), all: Some(run) }
    }

    fn item(item: Given<'p>) -> Self {
        Self { one: item, all: None }
    }

    fn text(&self) -> Result<&'p str, NotPlain> {
        match self.one {
            Given::Text(text) => Ok(text),
            Given::File(_) => Err(NotPlain),
        }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
            let number = parse_int(self.text()?).map_err(|_| NotPlain)?;
            match (i64::try_from(number), u64::try_from(number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (Err(_), Ok(number)) => visitor.visit_u64(number),
                (Err(_), Err(_)) => Err(NotPlain),
            }
        }
    )*};
}

macro_rules! floats {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
            match parse_float(self.text()?) {
                Some(number) if number.is_finite() => visitor.visit_f64(number),
                _ => Err(NotPlain),
            }
        }
    )*};
}

macro_rules! strings {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
            visitor.visit_str(self.text()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Texts<'_> {
    type Error = NotPlain;

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    floats! { deserialize_f32 deserialize_f64 }

    strings! {
        deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_bool(parse_bool(self.text()?).ok_or(NotPlain)?)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        match (self.all, self.one) {
            (Some(run), _) if run.len() > 1 => self.deserialize_seq(visitor),
            (_, Given::Text(text)) => visitor.visit_str(text),
            (_, Given::File(at)) => {
                visitor.visit_map(MapDeserializer::new(std::iter::once((FILE, at))))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        match self.one {
            Given::File(at) if name == FILE => {
                visitor.visit_u64(u64::try_from(at).map_err(|_| NotPlain)?)
            }
            Given::Text(_) if name == FILE => Err(NotPlain),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        let run = self.all.ok_or(NotPlain)?;
        visitor.visit_seq(Items(run.items().map(|item| Some(Texts::item(item)))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotPlain> {
        visitor.visit_enum(UnitVariant(self.text()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotPlain> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { unit unit_struct tuple tuple_struct map struct }
}

/// A variant without content, by its name.
struct UnitVariant<'p>(&'p str);

impl<'de> EnumAccess<'de> for UnitVariant<'_> {
    type Error = NotPlain;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), NotPlain> {
        let name: StrDeserializer<'_, NotPlain> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'_> {
    type Error = NotPlain;

    fn unit_variant(self) -> Result<(), NotPlain> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, NotPlain> {
        Err(NotPlain)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, NotPlain> {
        Err(NotPlain)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NotPlain> {
        Err(NotPlain)
    }
}

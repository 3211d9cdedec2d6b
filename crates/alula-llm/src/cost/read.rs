//! Reads prices from TOML. A mistake is told with its line, its row and its field.

use std::{fmt::Display, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    CostKind, KINDS,
    date::{Day, parse_day, parse_minute},
    prices::{Layer, Models, Own, Price, Row},
    rates::{Peak, PerKind, Rates, Tier},
};
use crate::{Error, ErrorKind, Result};

/// The prices of a row.
const RATES: [(&str, CostKind); 13] = [
    ("input", CostKind::Input),
    ("cache_read", CostKind::CacheRead),
    ("cache_read_audio", CostKind::CacheReadAudio),
    ("cache_write", CostKind::CacheWrite),
    ("cache_write_1h", CostKind::CacheWriteHour),
    ("audio_input", CostKind::AudioInput),
    ("image_input", CostKind::ImageInput),
    ("output", CostKind::Output),
    ("reasoning", CostKind::Reasoning),
    ("audio_output", CostKind::AudioOutput),
    ("image_output", CostKind::ImageOutput),
    ("search", CostKind::Search),
    ("request", CostKind::Request),
];

type Item<'d> = Spanned<DeValue<'d>>;
type Tiers = Vec<(Box<str>, Tier)>;

/// Reads the prices of a file that holds nothing else.
pub(super) fn layer(text: &str) -> Result<Layer> {
    read(text, "provider", true)
}

/// Reads the prices of the providers in one list of a file.
pub(super) fn layer_in(text: &str, list: &str) -> Result<Layer> {
    read(text, list, false)
}

fn read(text: &str, list: &str, is_alone: bool) -> Result<Layer> {
    let place = Place { text, provider: "", model: "" };
    let document = DeTable::parse(text)
        .map_err(|error| place.wrong(error.span().unwrap_or_default(), error.message()))?;
    if is_alone {
        place.known(document.get_ref(), &[list])?;
    }
    let mut layer = Layer::new();
    if let Some(providers) = document.get_ref().get(list) {
        for provider in place.list(list, providers)? {
            place.provider(provider, &mut layer)?;
        }
    }
    Ok(layer)
}

/// Where the reader is.
#[derive(Clone, Copy)]
struct Place<'d> {
    text: &'d str,
    provider: &'d str,
    model: &'d str,
}

impl<'d> Place<'d> {
    fn provider(self, item: &'d Item<'d>, layer: &mut Layer) -> Result<()> {
        let table = self.table("provider", item)?;
        self.known(table, &["name", "as_of", "source", "tiers", "prices"])?;
        let name = self.string("name", self.needed(item, table, "name")?)?;
        let place = Self { provider: name, ..self };
        place.day("as_of", place.needed(item, table, "as_of")?)?;
        place.string("source", place.needed(item, table, "source")?)?;
        let tiers = place.tiers(table)?;
        let models = layer.entry(name.into()).or_default();
        for row in place.list("prices", place.needed(item, table, "prices")?)? {
            place.row(row, &tiers, models)?;
        }
        Ok(())
    }

    fn row(
        self,
        item: &'d Item<'d>,
        shared: &[(Box<str>, Tier)],
        models: &mut Models,
    ) -> Result<()> {
        let table = self.table("prices", item)?;
        let names = self.list("models", self.needed(item, table, "models")?)?;
        let names = names.iter().map(|name| Ok((self.string("models", name)?, name.span())));
        let names: Vec<(&str, Range<usize>)> = names.collect::<Result<_>>()?;
        let first = names.first().map(|(name, _)| *name);
        let model = first.ok_or_else(|| self.wrong(item.span(), "a price needs models"))?;
        let place = Self { model, ..self };
        let since = table.get("since").map(|since| place.day("since", since)).transpose()?;
        let price = place.price(item, table, shared)?;
        let row = Arc::new(Row { since: since.unwrap_or_default(), price });
        for (name, span) in names {
            let rows = match name.strip_suffix('*') {
                Some(beginning) => models.beginnings.entry(beginning.into()).or_default(),
                None => models.exact.entry(name.into()).or_default(),
            };
            match rows.binary_search_by_key(&row.since, |row| row.since) {
                Ok(_) => {
                    return Err(place.wrong(span, format_args!("{name:?} has a price already")));
                }
                Err(index) => rows.insert(index, row.clone()),
            }
        }
        Ok(())
    }

    fn price(
        self,
        item: &Item<'_>,
        table: &'d DeTable<'d>,
        shared: &[(Box<str>, Tier)],
    ) -> Result<Price> {
        const OTHERS: [&str; 7] = ["models", "since", "free", "like", "above", "tiers", "peak"];
        let rates = self.rates(table, &OTHERS)?;
        let is_free = match table.get("free") {
            Some(free) => self.flag("free", free)?,
            None => false,
        };
        let has_rates = rates.base.iter().any(Option::is_some) || !rates.above.is_empty();
        let rates = match (table.get("like"), is_free, has_rates) {
            (Some(like), false, false) => return self.like(like),
            (None, true, false) => Rates::free(),
            (None, false, true) if table.contains_key("input") => rates,
            _ => return Err(self.wrong(item.span(), "a price is `input`, `free` or `like`")),
        };
        let mut tiers = self.tiers(table)?;
        tiers.extend_from_slice(shared);
        let peak = table.get("peak").map(|peak| self.peak(peak)).transpose()?;
        Ok(Price::Own(Box::new(Own { rates, tiers, peak })))
    }

    fn like(self, like: &Item<'_>) -> Result<Price> {
        let target = self.string("like", like)?;
        let (provider, model) = target.split_once('/').ok_or_else(|| {
            self.wrong(like.span(), "`like` is no provider/model, or provider/* for the same name")
        })?;
        let model = (model != "*").then(|| model.into());
        Ok(Price::Like { provider: provider.into(), model })
    }

    /// Prices, among fields that are something else.
    fn rates(self, table: &'d DeTable<'d>, others: &[&str]) -> Result<Rates> {
        let mut above = Vec::new();
        if let Some(steps) = table.get("above") {
            for step in self.list("above", steps)? {
                let fields = self.table("above", step)?;
                let tokens = self.whole("tokens", self.needed(step, fields, "tokens")?)?;
                above.push((tokens, self.per_kind(fields, &["tokens"])?));
            }
            above.sort_by_key(|(tokens, _)| *tokens);
        }
        Ok(Rates { base: self.per_kind(table, others)?, above })
    }

    fn per_kind(self, table: &'d DeTable<'d>, others: &[&str]) -> Result<PerKind> {
        let mut rates = [None; KINDS];
        for (key, value) in table {
            let name: &str = key.get_ref();
            match RATES.iter().find(|(field, _)| *field == name) {
                Some((_, kind)) => {
                    let rate = Some(self.whole(name, value)?);
                    rates.get_mut(*kind as usize).into_iter().for_each(|slot| *slot = rate);
                }
                None if others.contains(&name) => {}
                None => return Err(self.unknown(key)),
            }
        }
        Ok(rates)
    }

    fn tiers(self, table: &'d DeTable<'d>) -> Result<Tiers> {
        let Some(tiers) = table.get("tiers") else { return Ok(Tiers::new()) };
        let tiers = self.table("tiers", tiers)?.iter().map(|(name, tier)| {
            let tier = match tier.get_ref() {
                DeValue::Table(table) => Tier::Rates(Box::new(self.rates(table, &["above"])?)),
                _ => Tier::Percent(self.whole(name.get_ref(), tier)?),
            };
            Ok((name.get_ref().as_ref().into(), tier))
        });
        tiers.collect()
    }

    fn peak(self, peak: &'d Item<'d>) -> Result<Peak> {
        let table = self.table("peak", peak)?;
        self.known(table, &["percent", "weekdays", "utc"])?;
        let weekdays = table.get("weekdays").map(|it| self.flag("weekdays", it)).transpose()?;
        let hours = self.list("utc", self.needed(peak, table, "utc")?)?.iter().map(|hours| {
            let (from, to) = self.string("utc", hours)?.split_once('-').unwrap_or_default();
            let span = parse_minute(from).zip(parse_minute(to)).filter(|(from, to)| from < to);
            span.ok_or_else(|| self.wrong(hours.span(), "`utc` is not like \"06:00-10:00\""))
        });
        Ok(Peak {
            percent: self.whole("percent", self.needed(peak, table, "percent")?)?,
            hours: hours.collect::<Result<_>>()?,
            weekdays_only: weekdays.unwrap_or_default(),
        })
    }

    fn table(self, field: &str, item: &'d Item<'_>) -> Result<&'d DeTable<'d>> {
        match item.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(item.span(), format_args!("`{field}` is no table"))),
        }
    }

    fn list(self, field: &str, item: &'d Item<'d>) -> Result<&'d [Item<'d>]> {
        match item.get_ref() {
            DeValue::Array(items) => Ok(items),
            _ => Err(self.wrong(item.span(), format_args!("`{field}` is no list"))),
        }
    }

    fn string<'i>(self, field: &str, item: &'i Item<'_>) -> Result<&'i str> {
        match item.get_ref() {
            DeValue::String(text) if !text.is_empty() => Ok(text),
            _ => Err(self.wrong(item.span(), format_args!("`{field}` is no text"))),
        }
    }

    fn flag(self, field: &str, item: &Item<'_>) -> Result<bool> {
        match item.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.wrong(item.span(), format_args!("`{field}` is neither true nor false"))),
        }
    }

    fn whole(self, field: &str, item: &Item<'_>) -> Result<u64> {
        let number = match item.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            self.wrong(item.span(), format_args!("`{field}` is no whole number from 0"))
        })
    }

    fn day(self, field: &str, item: &Item<'_>) -> Result<Day> {
        let day = parse_day(self.string(field, item)?);
        day.ok_or_else(|| {
            self.wrong(item.span(), format_args!("`{field}` is no day like \"2026-10-26\""))
        })
    }

    fn needed(self, item: &Item<'_>, table: &'d DeTable<'d>, field: &str) -> Result<&'d Item<'d>> {
        let value = table.get(field);
        value.ok_or_else(|| self.wrong(item.span(), format_args!("`{field}` is missing")))
    }

    fn known(self, table: &DeTable<'_>, fields: &[&str]) -> Result<()> {
        match table.keys().find(|key| !fields.contains(&key.get_ref().as_ref())) {
            Some(key) => Err(self.unknown(key)),
            None => Ok(()),
        }
    }

    fn unknown(self, key: &Spanned<impl Display>) -> Error {
        self.wrong(key.span(), format_args!("`{}` is no field of it", key.get_ref()))
    }

    fn wrong(self, at: Range<usize>, what: impl Display) -> Error {
        let before = self.text.as_bytes().get(..at.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let place = match (self.provider, self.model) {
            ("", _) => String::new(),
            (provider, "") => format!(" ({provider})"),
            (provider, model) => format!(" ({provider}/{model})"),
        };
        Error::new(ErrorKind::Config, format!("prices, line {line}{place}: {what}"))
    }
}

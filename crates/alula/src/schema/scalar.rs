//! Scalars: booleans, numbers, strings and choices, strict and lax.

use serde_json::Value;

use super::compile::{integer_value, whole};
use super::node::{Bound, ChoiceRules, NumberRules, TextRules};
use super::number::{IntError, parse_bool, parse_float, parse_int};
use super::text::is_file;
use super::walk::{Mode, Walk};
use super::words::{self, Limit, Words};

/// From here on a 64-bit float is no longer a 64-bit integer.
const INT_FLOAT_MAX: f64 = 9_223_372_036_854_775_808.0;

impl<'a> Walk<'a> {
    pub(super) fn boolean(&mut self, input: &'a Value) {
        let found = match input {
            Value::Bool(_) => return,
            Value::String(text) if self.is_lax() => parse_bool(text).ok_or(words::BOOL_PARSING),
            Value::Number(number) if self.is_lax() => match number.as_f64() {
                Some(0.0) => Ok(false),
                Some(1.0) => Ok(true),
                Some(float) if float.fract() == 0.0 => Err(words::BOOL_PARSING),
                _ => Err(words::BOOL_TYPE),
            },
            _ => Err(words::BOOL_TYPE),
        };
        match found {
            Ok(flag) => self.edit(Value::Bool(flag)),
            Err(words) => self.fail(words, input),
        }
    }

    pub(super) fn integer(&mut self, rules: &'a NumberRules, input: &'a Value) {
        let read = match input {
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => Ok((i128::from(whole), false)),
                (None, Some(whole)) => Ok((i128::from(whole), false)),
                (None, None) => Self::integer_of_float(rules, number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) if self.is_lax() => match parse_int(text) {
                Ok(whole) => Ok((whole, true)),
                Err(IntError::Parsing) => Err(words::INT_PARSING),
                Err(IntError::Size) => Err(words::INT_PARSING_SIZE),
            },
            Value::Bool(flag) if self.is_lax() => Ok((i128::from(*flag), true)),
            _ => Err(words::INT_TYPE),
        };
        let checked = read.and_then(|(whole, edit)| {
            rules.check_integer(whole)?;
            let value = edit.then(|| integer_value(whole).ok_or(words::INT_PARSING_SIZE));
            value.transpose()
        });
        match checked {
            Ok(Some(value)) => self.edit(value),
            Ok(None) => {}
            Err(words) => self.fail(words, input),
        }
    }

    /// A number with a point or an exponent, or with too many digits for 64 bits.
    fn integer_of_float(rules: &NumberRules, float: f64) -> Result<(i128, bool), Words> {
        if float.fract() != 0.0 {
            return Err(words::INT_FROM_FLOAT);
        }
        if float.abs() >= INT_FLOAT_MAX {
            rules.check_float(float)?;
            return Err(words::INT_PARSING_SIZE);
        }
        // For JSON Schema, as for JavaScript, 4.0 is an integer; only serde tells it from 4.
        whole(float).map(|whole| (whole, true)).ok_or(words::INT_TYPE)
    }

    pub(super) fn float(&mut self, rules: &'a NumberRules, input: &'a Value) {
        let read = match input {
            Value::Number(number) => Ok((number.as_f64().unwrap_or(f64::NAN), false)),
            Value::String(text) if self.is_lax() => match parse_float(text) {
                Some(float) if float.is_finite() => Ok((float, true)),
                // Pydantic takes `nan`, but no answer in JSON could say it.
                Some(_) => Err(words::FINITE_NUMBER),
                None => Err(words::FLOAT_PARSING),
            },
            Value::Bool(flag) if self.is_lax() => Ok((f64::from(u8::from(*flag)), true)),
            _ => Err(words::FLOAT_TYPE),
        };
        match read.and_then(|(float, edit)| rules.check_float(float).map(|()| (float, edit))) {
            Ok((float, true)) => self.edit(Value::from(float)),
            Ok((_, false)) => {}
            Err(words) => self.fail(words, input),
        }
    }

    pub(super) fn text(&mut self, rules: &'a TextRules, input: &'a Value) {
        let checked = match (input, rules.format) {
            (Value::String(text), _) => rules.check(text),
            (_, Some(format)) => Err(words::format_type(format)),
            (_, None) => Err(words::STRING_TYPE),
        };
        if let Err(words) = checked {
            self.fail(words, input);
        }
    }

    pub(super) fn file(&mut self, input: &'a Value) {
        if !is_file(input) {
            self.fail(words::file_type(input), input);
        }
    }

    pub(super) fn choice(&mut self, rules: &'a ChoiceRules, input: &'a Value) {
        if rules.values.contains(input) {
            return;
        }
        // A number of an enum, as the text of a parameter.
        if let (Mode::Text | Mode::Settings | Mode::Form, Value::String(text)) = (self.mode, input)
        {
            let written: Option<Value> = serde_json::from_str(text).ok();
            if let Some(value) = written.filter(|value| rules.values.contains(value)) {
                return self.edit(value);
            }
        }
        self.fail(words::choice(rules), input);
    }
}

impl NumberRules {
    fn check_integer(&self, number: i128) -> Result<(), Words> {
        let order = |bound: &Bound| match bound.exact {
            Some(exact) => Some(number.cmp(&exact)),
            None => to_float(number).partial_cmp(&bound.float),
        };
        self.check(order, |bound| match bound.exact {
            Some(exact) => number.checked_rem(exact).is_none_or(|rest| rest == 0),
            None => is_multiple(to_float(number), bound.float),
        })
    }

    fn check_float(&self, number: f64) -> Result<(), Words> {
        self.check(
            |bound| number.partial_cmp(&bound.float),
            |bound| is_multiple(number, bound.float),
        )
    }

    /// The first limit that is passed, in pydantic's order.
    fn check(
        &self,
        order: impl Fn(&Bound) -> Option<std::cmp::Ordering>,
        is_multiple: impl Fn(&Bound) -> bool,
    ) -> Result<(), Words> {
        let refuse = |limit, bound: &Option<Bound>, good: &dyn Fn(&Bound) -> bool| match bound {
            Some(bound) if !good(bound) => Err(words::out_of_range(limit, bound)),
            _ => Ok(()),
        };
        refuse(Limit::MultipleOf, &self.multiple_of, &is_multiple)?;
        refuse(Limit::Le, &self.le, &|bound| order(bound).is_some_and(|order| order.is_le()))?;
        refuse(Limit::Lt, &self.lt, &|bound| order(bound).is_some_and(|order| order.is_lt()))?;
        refuse(Limit::Ge, &self.ge, &|bound| order(bound).is_some_and(|order| order.is_ge()))?;
        refuse(Limit::Gt, &self.gt, &|bound| order(bound).is_some_and(|order| order.is_gt()))
    }
}

impl TextRules {
    /// The first rule that `text` breaks.
    pub(super) fn check(&self, text: &str) -> Result<(), Words> {
        if let Some(format) = self.format {
            format.check(text)?;
        }
        if self.min.is_some() || self.max.is_some() {
            let chars = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            if let Some(max) = self.max.filter(|max| chars > *max) {
                return Err(words::string_too_long(max));
            }
            if let Some(min) = self.min.filter(|min| chars < *min) {
                return Err(words::string_too_short(min));
            }
        }
        match self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            Some(pattern) => Err(words::pattern_mismatch(pattern.as_str())),
            None => Ok(()),
        }
    }
}

/// As pydantic: a thousand-millionth of the number is no remainder.
fn is_multiple(number: f64, of: f64) -> bool {
    let rest = (number % of).abs();
    let threshold = number.abs() / 1e9;
    rest <= threshold || (rest - of.abs()).abs() <= threshold
}

/// There is no checked conversion; text rounds as a parser would.
fn to_float(number: i128) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}

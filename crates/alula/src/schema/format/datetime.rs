//! Dates and times as pydantic reads them: ISO 8601, or a number of seconds since 1970.

type Reason = &'static str;

const TOO_SHORT: Reason = "input is too short";
const EXTRA: Reason = "unexpected extra characters at the end of the input";

/// Whether `text` is a datetime, or a date that stands for its midnight.
///
/// When it is neither, pydantic reports why it is not a date, and so does this.
pub(super) fn datetime(text: &str) -> Result<(), Reason> {
    if read_datetime(text).is_ok() || is_timestamp(text) {
        return Ok(());
    }
    let mut input = Cursor::new(text);
    input.date()?;
    input.end()
}

/// Whether `text` is a date: `Ok(false)` is a datetime that is not midnight.
pub(super) fn date(text: &str) -> Result<bool, Reason> {
    let mut input = Cursor::new(text);
    if input.date().and_then(|()| input.end()).is_ok() {
        return Ok(true);
    }
    match read_datetime(text) {
        Ok(midnight) => Ok(midnight),
        Err(_) if is_timestamp(text) => Ok(false),
        Err(reason) => Err(reason),
    }
}

/// Whether `text` is a time of day.
pub(super) fn time(text: &str) -> Result<(), Reason> {
    let mut input = Cursor::new(text);
    input.time()?;
    input.zone()?;
    input.end()
}

/// Reads a whole datetime; whether it is midnight.
fn read_datetime(text: &str) -> Result<bool, Reason> {
    let mut input = Cursor::new(text);
    input.date()?;
    match input.next() {
        Some(b'T' | b't' | b'_' | b' ') => {}
        Some(_) => return Err("invalid datetime separator, expected `T`, `t`, `_` or space"),
        None => return Err(TOO_SHORT),
    }
    let midnight = input.time()?;
    input.zone()?;
    input.end()?;
    Ok(midnight)
}

fn is_timestamp(text: &str) -> bool {
    let number = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction)
}

struct Cursor<'t> {
    rest: &'t [u8],
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text.as_bytes() }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn end(&self) -> Result<(), Reason> {
        if self.rest.is_empty() { Ok(()) } else { Err(EXTRA) }
    }

    fn number(&mut self, digits: usize, reason: Reason) -> Result<u32, Reason> {
        let mut number = 0;
        for _ in 0..digits {
            match self.next() {
                Some(digit @ b'0'..=b'9') => number = number * 10 + u32::from(digit - b'0'),
                Some(_) => return Err(reason),
                None => return Err(TOO_SHORT),
            }
        }
        Ok(number)
    }

    fn separator(&mut self, byte: u8, reason: Reason) -> Result<(), Reason> {
        match self.next() {
            Some(found) if found == byte => Ok(()),
            Some(_) => Err(reason),
            None => Err(TOO_SHORT),
        }
    }

    fn date(&mut self) -> Result<(), Reason> {
        const SEPARATOR: Reason = "invalid date separator, expected `-`";
        if self.rest.len() < "YYYY-MM-DD".len() {
            return Err(TOO_SHORT);
        }
        let year = self.number(4, "invalid character in year")?;
        self.separator(b'-', SEPARATOR)?;
        let month = self.number(2, "invalid character in month")?;
        self.separator(b'-', SEPARATOR)?;
        let day = self.number(2, "invalid character in day")?;
        if !(1..=12).contains(&month) {
            return Err("month value is outside expected range of 1-12");
        }
        if !(1..=days_in(year, month)).contains(&day) {
            return Err("day value is outside expected range");
        }
        if year == 0 { Err("year 0 is out of range") } else { Ok(()) }
    }

    /// Hours and minutes, then seconds and a fraction if they are there; whether it is midnight.
    fn time(&mut self) -> Result<bool, Reason> {
        const SEPARATOR: Reason = "invalid time separator, expected `:`";
        if self.rest.len() < "HH:MM".len() {
            return Err(TOO_SHORT);
        }
        let hour = self.number(2, "invalid character in hour")?;
        if hour > 23 {
            return Err("hour value is outside expected range of 0-23");
        }
        self.separator(b':', SEPARATOR)?;
        let minute = self.number(2, "invalid character in minute")?;
        if minute > 59 {
            return Err("minute value is outside expected range of 0-59");
        }
        let mut midnight = hour == 0 && minute == 0;
        if self.peek() == Some(b':') {
            self.next();
            let second = self.number(2, "invalid character in second")?;
            if second > 59 {
                return Err("second value is outside expected range of 0-59");
            }
            let no_fraction = self.fraction()?;
            midnight &= second == 0 && no_fraction;
        }
        Ok(midnight)
    }

    /// The digits after `.` or `,`; whether all are zero.
    fn fraction(&mut self) -> Result<bool, Reason> {
        if !matches!(self.peek(), Some(b'.' | b',')) {
            return Ok(true);
        }
        self.next();
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err("second fraction digits missing after `.`");
        }
        let (fraction, rest) = self.rest.split_at(digits);
        self.rest = rest;
        Ok(fraction.iter().all(|digit| *digit == b'0'))
    }

    fn zone(&mut self) -> Result<(), Reason> {
        const MINUS_SIGN: &[u8] = "\u{2212}".as_bytes();
        match self.peek() {
            None => return Ok(()),
            Some(b'Z' | b'z') => {
                self.next();
                return Ok(());
            }
            Some(b'+' | b'-') => {
                self.next();
            }
            Some(_) => match self.rest.strip_prefix(MINUS_SIGN) {
                Some(rest) => self.rest = rest,
                None => return Err("invalid timezone sign"),
            },
        }
        let hour =
            self.number(2, "invalid timezone hour").map_err(short("invalid timezone hour"))?;
        if self.peek() == Some(b':') {
            self.next();
        }
        let minute =
            self.number(2, "invalid timezone minute").map_err(short("invalid timezone minute"))?;
        if minute > 59 {
            return Err("timezone minute value is outside expected range of 0-59");
        }
        if hour > 23 { Err("timezone offset must be less than 24 hours") } else { Ok(()) }
    }
}

/// An input that ends inside a zone is a wrong zone, not a short input.
fn short(reason: Reason) -> impl Fn(Reason) -> Reason {
    move |_| reason
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_may_follow_any_second() {
        for zone in ["", "Z", "+03:39", "-0030"] {
            for second in ["00.5", "35.286451", "59,000000001"] {
                let text = format!("12:58:{second}{zone}");
                assert_eq!(time(&text), Ok(()), "{text}");
                let text = format!("2024-02-29T{text}");
                assert_eq!(datetime(&text), Ok(()), "{text}");
                assert_eq!(date(&text), Ok(false), "{text}");
            }
        }
        assert_eq!(date("2024-02-29T00:00:00.000"), Ok(true));
        assert_eq!(date("2024-02-29T00:00:01.000"), Ok(false));
    }
}

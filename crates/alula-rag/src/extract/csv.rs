//! Tables as text.
//!
//! Each record becomes a line of `column: value; column: value`. A part of the document that is
//! found by itself then still says what its values mean, which rows below a head of a table do not.

use csv::{ReaderBuilder, StringRecord};

use super::{
    ExtractLimits, Unreadable,
    writer::{Writer, utf8},
};
use crate::Extracted;

/// What may stand between values. What is rarer within them comes first.
const DELIMITERS: [u8; 4] = [b'\t', b'|', b';', b','];

/// How much of a document is looked at to tell its delimiter.
const SAMPLE_BYTES: usize = 64 << 10;
const SAMPLE_RECORDS: usize = 100;

pub(super) fn parse(document: &[u8], limits: &ExtractLimits) -> Result<Extracted, Unreadable> {
    let text = utf8(document)?;
    let mut reader = reader(text, delimiter(text));
    let mut writer = Writer::new(limits);
    let mut record = StringRecord::new();
    let mut next =
        |record: &mut StringRecord| reader.read_record(record).map_err(Unreadable::damaged);
    let mut columns = Vec::new();
    if next(&mut record)? {
        if is_head(&record) {
            columns = record.iter().map(one_line).collect();
        } else {
            write(&columns, &record, &mut writer)?;
        }
    }
    while next(&mut record)? {
        write(&columns, &record, &mut writer)?;
    }
    // A head alone is the only text there is.
    if writer.chars() == 0 {
        writer.push(&columns.join("; "))?;
    }
    writer.finish()
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes())
}

/// The delimiter by which most records have as many values as the first, and more than one.
fn delimiter(text: &str) -> u8 {
    let sample = text.get(..text.floor_char_boundary(SAMPLE_BYTES)).unwrap_or(text);
    let score = |delimiter: u8| {
        let mut records = reader(sample, delimiter).into_records().take(SAMPLE_RECORDS).flatten();
        let width = records.next().map_or(0, |record| record.len());
        let (mut alike, mut all) = (1, 1);
        for record in records {
            all += 1;
            alike += usize::from(record.len() == width);
        }
        if width > 1 { alike * 1_000 / all + width.min(100) } else { 0 }
    };
    let scores = DELIMITERS.map(|delimiter| (score(delimiter), delimiter));
    let best = scores.into_iter().rev().max_by_key(|(score, _)| *score);
    best.map_or(b',', |(_, delimiter)| delimiter)
}

/// Whether a record names the columns: each by a name of its own, and none is a number.
fn is_head(record: &StringRecord) -> bool {
    let mut names: Vec<&str> = record.iter().map(str::trim).collect();
    let is_name = |name: &&str| {
        !name.is_empty() && name.chars().count() <= 100 && name.chars().any(char::is_alphabetic)
    };
    let named = names.len() > 1 && names.iter().all(is_name);
    names.sort_unstable();
    named && names.windows(2).all(|pair| pair.first() != pair.last())
}

fn write(columns: &[String], record: &StringRecord, to: &mut Writer) -> Result<(), Unreadable> {
    let mut is_first = true;
    for (index, value) in record.iter().enumerate() {
        let value = one_line(value);
        if value.is_empty() {
            continue;
        }
        if !is_first {
            to.push("; ")?;
        }
        if let Some(column) = columns.get(index) {
            to.push(column)?;
            to.push(": ")?;
        }
        to.push(&value)?;
        is_first = false;
    }
    to.line()
}

fn one_line(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let extracted = parse(text.as_bytes(), &ExtractLimits::default()).unwrap();
        assert_eq!(extracted.text, expected, "{text}");
    }

    #[test]
    fn each_record_says_what_its_values_are() {
        check("name,age\nAnn,3\nBob,\n\n", "name: Ann; age: 3\nname: Bob");
        check("name;price\n\"A;\nB\";1,5\nC;2,5", "name: A; B; price: 1,5\nname: C; price: 2,5");
        check("a\tb, c\n1\t2, 3\n", "a: 1; b, c: 2, 3");
        check("a|b\n1|2\n", "a: 1; b: 2");
        // More values than columns, and fewer.
        check("a,b\n1,2,3\n4\n", "a: 1; b: 2; 3\na: 4");
    }

    #[test]
    fn without_names_there_are_only_values() {
        check("1,2\n3,4\n", "1; 2\n3; 4");
        check("x,x\n3,4\n", "x; x\n3; 4");
        check("one line\nanother\n", "one line\nanother");
        check("name,age\n", "name; age");
    }
}

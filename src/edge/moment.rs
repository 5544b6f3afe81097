//! Moments as text. A list has dozens, and the library's general formatting took a sixth of its CPU.

use std::str::from_utf8;

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};

/// The longest text: a year of six digits with its sign, and nanoseconds.
const LONGEST: usize = 34;

/// A moment as RFC 3339 text in UTC with `Z`, with 0, 3, 6 or 9 digits of a second's fraction, as few as it needs.
pub struct Moment {
    text: [u8; LONGEST],
    len: usize,
}

impl Moment {
    /// The text of this moment.
    pub fn of(at: DateTime<Utc>) -> Self {
        let mut moment = Self { text: [0; LONGEST], len: 0 };
        match u32::try_from(at.year()) {
            Ok(year @ 0..=9_999) => moment.write(year, at),
            // Beyond RFC 3339; the library has a form for it all the same.
            _ => moment.push(at.to_rfc3339_opts(SecondsFormat::AutoSi, true).as_bytes()),
        }
        moment
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Made of ASCII.
        from_utf8(&self.text[..self.len]).unwrap_or_default()
    }

    fn write(&mut self, year: u32, at: DateTime<Utc>) {
        self.digits(year, 4);
        for (before, number) in
            [(b'-', at.month()), (b'-', at.day()), (b'T', at.hour()), (b':', at.minute()), (b':', at.second())]
        {
            self.push(&[before]);
            self.digits(number, 2);
        }
        // A leap second has more than a thousand million.
        let nanos = at.nanosecond() % 1_000_000_000;
        if nanos > 0 {
            let (fraction, width) = match nanos {
                n if n.is_multiple_of(1_000_000) => (n / 1_000_000, 3),
                n if n.is_multiple_of(1_000) => (n / 1_000, 6),
                n => (n, 9),
            };
            self.push(b".");
            self.digits(fraction, width);
        }
        self.push(b"Z");
    }

    fn digits(&mut self, mut number: u32, width: usize) {
        let place = &mut self.text[self.len..self.len + width];
        for digit in place.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.len += width;
    }

    fn push(&mut self, bytes: &[u8]) {
        self.text[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(at: DateTime<Utc>) {
        assert_eq!(Moment::of(at).as_str(), at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    }

    #[test]
    fn the_text_is_the_librarys_also_at_the_edges() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, DateTime::UNIX_EPOCH] {
            same(at);
        }
        for (seconds, nanos) in [(253_402_300_799, 999_999_999), (253_402_300_800, 0), (-62_167_219_200, 0), (1, 1_000)]
        {
            same(DateTime::from_timestamp(seconds, nanos).expect("a moment"));
        }
    }

    proptest! {
        #[test]
        fn the_text_is_the_librarys(seconds in -1_000_000_000_000_i64..1_000_000_000_000, nanos in 0..1_000_000_000_u32,
            unit in prop::sample::select(vec![1_u32, 1_000, 1_000_000, 1_000_000_000])) {
            same(DateTime::from_timestamp(seconds, nanos / unit * unit).expect("a moment"));
        }
    }
}

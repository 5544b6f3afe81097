//! The values of a JSON text with their lines.
//!
//! Each value is taken as a slice of the text, whose address is its place. The slices of a nested value are scanned once for
//! every level around it, which the maximum depth bounds.

use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::scalar::{INEXACT, number};
use super::{Composer, Document, Fault, Place};

/// Refuses what is not JSON; makes no values.
///
/// # Errors
/// The first fault.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| fault_of(&error, (error.line(), error.column())))
}

/// The documents of a text.
///
/// # Errors
/// The first fault.
pub(super) fn read(text: &str, composer: &mut Composer) -> Result<Vec<Document>, Fault> {
    check(text)?;
    let root = serde_json::from_str::<&RawValue>(text).map_err(|error| fault_of(&error, (1, 1)))?;
    let mut reader = Reader { composer, text, counted_bytes: 0, line: 1, fault: None };
    let line = reader.line_of(root.get());
    reader.composer.note_line(&Place::ROOT, line);
    let value = reader.value(root.get(), &Place::ROOT)?;
    Ok(composer.split(value))
}

fn fault_of(error: &serde_json::Error, (line, column): (usize, usize)) -> Fault {
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    Fault::at(line, column, format!("is no JSON: {reason}. Correct it here, or just before"))
}

/// Where a slice of a text begins, in bytes.
fn offset(text: &str, slice: &str) -> usize {
    slice.as_ptr().addr() - text.as_ptr().addr()
}

/// Where a slice of a text begins, for people.
fn line_and_column(text: &str, slice: &str) -> (usize, usize) {
    let before = text.get(..offset(text, slice)).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

struct Reader<'c, 't> {
    composer: &'c mut Composer,
    text: &'t str,
    /// How far lines have been counted, and the line there.
    counted_bytes: usize,
    line: usize,
    /// What ended the reading, while the parser passes its own error up.
    fault: Option<Fault>,
}

impl<'t> Reader<'_, 't> {
    /// The line where a slice of the text begins, which must not begin before one asked for earlier.
    fn line_of(&mut self, slice: &'t str) -> usize {
        let offset = offset(self.text, slice);
        let passed = self.text.as_bytes().get(self.counted_bytes..offset).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.counted_bytes = self.counted_bytes.max(offset);
        self.line
    }

    fn fault(&self, slice: &'t str, message: impl Into<String>) -> Fault {
        let (line, column) = line_and_column(self.text, slice);
        Fault::at(line, column, message)
    }

    fn value(&mut self, slice: &'t str, at: &Place<'_>) -> Result<Value, Fault> {
        self.composer.begin_value(at).map_err(|refusal| self.fault(slice, refusal))?;
        match slice.as_bytes().first() {
            Some(b'{') => self.composer.begin_object().map_err(|refusal| self.fault(slice, refusal)),
            Some(b'[') => self.composer.begin_list().map_err(|refusal| self.fault(slice, refusal)),
            Some(b'-' | b'0'..=b'9') => match number(slice) {
                Some(Some(number)) => return Ok(Value::Number(number)),
                _ => return Err(self.fault(slice, INEXACT)),
            },
            _ => {
                let read = serde_json::from_str(slice);
                return read.map_err(|error| fault_of(&error, line_and_column(self.text, slice)));
            }
        }?;
        let read = serde_json::Deserializer::from_str(slice).deserialize_any(Members { reader: self, at });
        read.map_err(|error| self.ended_by(&error, slice))
    }

    /// The fault of an inner value, or else one of the parser's own.
    fn ended_by(&mut self, error: &serde_json::Error, slice: &'t str) -> Fault {
        self.fault.take().unwrap_or_else(|| fault_of(error, line_and_column(self.text, slice)))
    }

    /// An inner value; its fault is kept while the parser passes an error of its own up.
    fn inner<E: serde::de::Error>(&mut self, slice: &'t str, at: &Place<'_>) -> Result<Value, E> {
        self.value(slice, at).map_err(|fault| {
            self.fault = Some(fault);
            E::custom("refused")
        })
    }
}

/// Reads what is in an object or a list.
struct Members<'r, 'p, 'c, 't> {
    reader: &'r mut Reader<'c, 't>,
    at: &'p Place<'p>,
}

impl<'t> Visitor<'t> for Members<'_, '_, '_, 't> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<Value, A::Error> {
        let Self { reader, at } = self;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<&RawValue>()? {
            let key = key.get();
            let line = reader.line_of(key);
            let name: String = serde_json::from_str(key).map_err(A::Error::custom)?;
            let place = at.inner(&name);
            let text = reader.text;
            let is_new = reader.composer.note_key(&object, &place, || line_and_column(text, key));
            reader.composer.note_line(&place, line);
            let value = reader.inner(members.next_value::<&RawValue>()?.get(), &place)?;
            if is_new {
                object.insert(name, value);
            }
        }
        Ok(Value::Object(object))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut slices: A) -> Result<Value, A::Error> {
        let Self { reader, at } = self;
        let mut items = Vec::new();
        while let Some(slice) = slices.next_element::<&RawValue>()? {
            let index = items.len().to_string();
            let place = at.inner(&index);
            let line = reader.line_of(slice.get());
            reader.composer.note_line(&place, line);
            items.push(reader.inner(slice.get(), &place)?);
        }
        Ok(Value::Array(items))
    }
}

//! The values of a YAML text with their lines.

use std::cell::Cell;
use std::rc::Rc;

use saphyr_parser::{BufferedInput, Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value};

use super::scalar::{INEXACT, plain};
use super::{Composer, Document, Fault, Place};

/// How many characters besides letters and digits may stand between two events of the parser. Inside brackets it keeps all
/// tokens until the closing one, since what is in the brackets may be a key: some 54 times the text. An event makes at most
/// two tokens of such a character.
const MOST_UNREAD: usize = 4_096;

/// The documents of a text.
///
/// # Errors
/// The first fault.
pub(super) fn read(text: &str, composer: &mut Composer) -> Result<Vec<Document>, Fault> {
    let unread = Rc::new(Cell::new(0));
    let characters = Characters { text: text.chars(), unread: unread.clone() };
    let mut reader = Reader { parser: Parser::new_from_iter(characters), unread, last: Span::default(), composer };
    reader.documents()
}

/// The characters of a text, which ends where the parser has kept too many of them.
struct Characters<'t> {
    text: std::str::Chars<'t>,
    unread: Rc<Cell<usize>>,
}

impl Iterator for Characters<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let next = self.text.next().filter(|_| self.unread.get() <= MOST_UNREAD)?;
        self.unread.update(|unread| unread + usize::from(!next.is_alphanumeric()));
        Some(next)
    }
}

struct Reader<'c, 't> {
    parser: Parser<'t, BufferedInput<Characters<'t>>>,
    unread: Rc<Cell<usize>>,
    /// Where the last event was.
    last: Span,
    composer: &'c mut Composer,
}

impl<'t> Reader<'_, 't> {
    fn documents(&mut self) -> Result<Vec<Document>, Fault> {
        let mut documents = Vec::new();
        while let Some((event, _)) = self.next()? {
            if matches!(event, Event::DocumentStart(_)) {
                let (event, span) = self.expect()?;
                // A marker without a document behind it, as at the end of a file.
                if matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty()) {
                    continue;
                }
                self.composer.note_line(&Place::ROOT, span.start.line());
                let value = self.value(event, span, &Place::ROOT)?;
                documents.extend(self.composer.split(value));
            }
        }
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Fault> {
        let next = self.parser.next_event().transpose();
        if self.unread.replace(0) > MOST_UNREAD {
            return Err(fault(
                self.last,
                "is followed by a text, a comment or a list in brackets that is too long: \
                 write lists and objects without brackets, an item a line",
            ));
        }
        let next = next.map_err(|error| broken(&error))?;
        if let Some((_, span)) = &next {
            self.last = *span;
        }
        Ok(next)
    }

    fn expect(&mut self) -> Result<(Event<'t>, Span), Fault> {
        self.next()?.ok_or_else(|| Fault::at(1, 1, "ends too early"))
    }

    fn value(&mut self, event: Event<'t>, span: Span, at: &Place<'_>) -> Result<Value, Fault> {
        let refused = |refusal: String| fault(span, refusal);
        self.composer.begin_value(at).map_err(refused)?;
        match event {
            Event::MappingStart(_, None) => {
                self.composer.begin_object().map_err(refused)?;
                self.object(at)
            }
            Event::SequenceStart(_, None) => {
                self.composer.begin_list().map_err(refused)?;
                self.list(at)
            }
            Event::Scalar(text, ScalarStyle::Plain, _, None) => plain(&text).ok_or_else(|| fault(span, INEXACT)),
            Event::Scalar(text, _, _, None) => Ok(Value::String(text.into_owned())),
            Event::Alias(_) => Err(fault(span, "is an alias: write what it stands for")),
            _ => Err(fault(span, "has a tag: take it out, and put quotes around what is to be a text")),
        }
    }

    fn object(&mut self, at: &Place<'_>) -> Result<Value, Fault> {
        let mut object = Map::new();
        loop {
            let (event, span) = self.expect()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(object)),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(fault(span, "is no text, as a key must be")),
            };
            let place = at.inner(&key);
            let is_new = self.composer.note_key(&object, &place, || (span.start.line(), span.start.col() + 1));
            self.composer.note_line(&place, span.start.line());
            let (event, of_value) = self.expect()?;
            let value = self.value(event, of_value, &place)?;
            if is_new {
                object.insert(key, value);
            }
        }
    }

    fn list(&mut self, at: &Place<'_>) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.expect()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            let index = items.len().to_string();
            let place = at.inner(&index);
            self.composer.note_line(&place, span.start.line());
            items.push(self.value(event, span, &place)?);
        }
    }
}

fn fault(span: Span, message: impl Into<String>) -> Fault {
    Fault::at(span.start.line(), span.start.col() + 1, message)
}

fn broken(error: &ScanError) -> Fault {
    let (at, info) = (error.marker(), error.info());
    let cure = "correct it here, or just before; put quotes around texts with a colon, # or a leading sign in them";
    Fault::at(at.line(), at.col() + 1, format!("cannot be read as YAML: {info}. Cure: {cure}"))
}

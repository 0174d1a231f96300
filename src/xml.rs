//! A small reader and writer over quick-xml. The reader trusts nothing: bytes, depth and elements are limited, a
//! DOCTYPE is refused (so no entity can be declared), and text must be UTF-8. Around the root there may only be white
//! space, comments and processing instructions. Small documents become a tree. Long lists are read row by row, and only
//! the needed parts are kept.

mod element;

use std::io::{BufRead, BufReader, Read};

use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use element::is_legal;
pub use element::{Element, escape};

/// The greatest depth of elements. The deepest documents of the panel (forms) stay below 20.
pub const MAX_DEPTH: usize = 64;

/// Most elements that are kept of one document, or of one row of a list. A form with all its lists and messages stays
/// below 20 000.
pub const MAX_ELEMENTS: usize = 100_000;

/// Why a document cannot be trusted. The error never quotes the document, because it may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// The bytes could not be read.
    #[error("the document could not be read: {0}")]
    Io(std::io::Error),
    /// More bytes than allowed.
    #[error("the document is longer than {0} bytes")]
    TooLong(u64),
    /// Elements are nested deeper than [`MAX_DEPTH`].
    #[error("the document is nested deeper than {MAX_DEPTH} elements")]
    TooDeep,
    /// More elements than [`MAX_ELEMENTS`].
    #[error("the document has more than {MAX_ELEMENTS} elements")]
    TooMany,
    /// A DOCTYPE: entities could be declared there.
    #[error("the document has a DOCTYPE")]
    Doctype,
    /// Another encoding than UTF-8 is declared: its name.
    #[error("the document declares the encoding {0}, and only UTF-8 is read")]
    Encoding(String),
    /// An entity that XML does not predefine, or a malformed reference.
    #[error("the document uses an entity that is not predefined")]
    Entity,
    /// It ends before its root does, or is empty.
    #[error("the document is cut off or empty")]
    CutOff,
    /// Text or elements around the root.
    #[error("the document has something besides its root element")]
    Rubbish,
    /// Any other error; its position in bytes.
    #[error("not well-formed XML at byte {0}")]
    Malformed(u64),
}

/// Reads a small document of at most `limit` bytes into a tree.
///
/// # Errors
/// [`XmlError`]
pub fn parse(bytes: &[u8], limit: u64) -> Result<Element, XmlError> {
    walk(bytes, limit, &mut Some)
}

/// Reads a small document of at most `limit` bytes from a stream into a tree.
///
/// # Errors
/// [`XmlError`]
pub fn parse_stream(stream: impl Read, limit: u64) -> Result<Element, XmlError> {
    walk(BufReader::new(stream), limit, &mut Some)
}

/// What a list holds besides its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFrame {
    /// The root with its attributes and the kept children.
    pub root: Element,
    /// The number of rows that were passed on.
    pub rows: usize,
}

/// Reads a list of at most `limit` bytes. Children of the root named `row` are passed on one at a time, children named
/// in `keep` stay in the frame, and everything else is checked and dropped. The rows are valid only when the whole list
/// was read without error; otherwise the caller drops what it has collected.
///
/// # Errors
/// [`XmlError`]
pub fn read_rows(
    stream: impl Read,
    limit: u64,
    row: &str,
    keep: &[&str],
    on_row: &mut dyn FnMut(Element),
) -> Result<ListFrame, XmlError> {
    let mut rows = 0;
    let root = walk(BufReader::new(stream), limit, &mut |element: Element| {
        if element.name == row {
            rows += 1;
            on_row(element);
            None
        } else {
            keep.contains(&element.name.as_str()).then_some(element)
        }
    })?;
    Ok(ListFrame { root, rows })
}

/// Counts the bytes that were read, and fails when there are more than allowed.
struct Limited<R> {
    stream: R,
    left: u64,
    exceeded: bool,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let available = self.stream.fill_buf()?;
        if self.left == 0 && !available.is_empty() {
            self.exceeded = true;
            return Err(std::io::Error::other("too long"));
        }
        let count = available.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        Ok(&available[..count])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        self.stream.consume(count);
    }
}

/// The only loop over events. `child_of_root` gets each finished child of the root and returns whether the root keeps
/// it.
fn walk(
    stream: impl BufRead,
    limit: u64,
    child_of_root: &mut dyn FnMut(Element) -> Option<Element>,
) -> Result<Element, XmlError> {
    let mut reader = Reader::from_reader(Limited { stream, left: limit, exceeded: false });
    let mut buffer = Vec::new();
    let mut builder = Builder { open: Vec::new(), root: None, count: 0, staying: 1, child_of_root };
    let mut first = true;
    loop {
        buffer.clear();
        let error = match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => return builder.finish(),
            Ok(event) => {
                builder.event(&event, reader.buffer_position(), first)?;
                first &= matches!(&event, Event::Text(text) if is_blank(&text.xml10_content()));
                continue;
            }
            Err(error) => error,
        };
        if reader.get_mut().exceeded {
            return Err(XmlError::TooLong(limit));
        }
        if let quick_xml::Error::Io(error) = error {
            return Err(XmlError::Io(std::io::Error::new(error.kind(), error)));
        }
        // How far quick-xml reads into a broken DOCTYPE depends on the chunks in which it arrives.
        if buffer.starts_with(b"<!D") || buffer.starts_with(b"<!d") {
            return Err(XmlError::Doctype);
        }
        let cut_off = matches!(error, quick_xml::Error::Syntax(_));
        return Err(if cut_off { XmlError::CutOff } else { XmlError::Malformed(reader.error_position()) });
    }
}

/// Names of encodings that are UTF-8 or a subset of it. `utf8` is a common spelling.
const UTF8_NAMES: [&str; 4] = ["utf-8", "utf8", "us-ascii", "ascii"];

/// Most characters of a declared encoding that are shown.
const ENCODING_CHARS: usize = 30;

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
    let name = match declaration.encoding() {
        None => return Ok(()),
        Some(Ok(name)) => name,
        Some(Err(_)) => return Err(XmlError::Encoding("?".to_owned())),
    };
    if UTF8_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let is_shown = |c: &char| c.is_ascii_alphanumeric() || "-_.:".contains(*c);
    Err(XmlError::Encoding(name.chars().filter(is_shown).take(ENCODING_CHARS).collect()))
}

/// The character of a reference `&name;`. `None` for a character that XML forbids: it is dropped, as when it is not
/// escaped, because one odd name must not hide a whole list.
fn referred(name: &str) -> Result<Option<char>, XmlError> {
    let predefined = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#').ok_or(XmlError::Entity)?;
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                return Err(XmlError::Entity);
            }
            return Ok(u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|c| is_legal(*c)));
        }
    };
    Ok(Some(predefined))
}

/// The value of an attribute: references are resolved, each white space becomes a space, and characters that XML
/// forbids are dropped.
fn attribute_value(raw: &str) -> Result<String, XmlError> {
    let raw = raw.replace("\r\n", " ");
    let mut value = String::with_capacity(raw.len());
    let spaced = |c: char| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c };
    let mut rest = raw.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        value.extend(before.chars().filter(|c| is_legal(*c)).map(spaced));
        let (name, after) = after.split_once(';').ok_or(XmlError::Entity)?;
        value.extend(referred(name)?);
        rest = after;
    }
    value.extend(rest.chars().filter(|c| is_legal(*c)).map(spaced));
    Ok(value)
}

/// Whether a text counts as empty: white space, or a byte order mark, which some put after it.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c == '\u{feff}')
}

struct Builder<'c> {
    open: Vec<Element>,
    root: Option<Element>,
    /// Elements in memory now.
    count: usize,
    /// How many of these are the root and the elements that it keeps.
    staying: usize,
    child_of_root: &'c mut dyn FnMut(Element) -> Option<Element>,
}

impl Builder<'_> {
    fn event(&mut self, event: &Event<'_>, position: u64, first: bool) -> Result<(), XmlError> {
        match event {
            Event::Decl(declaration) if first => check_declaration(declaration),
            Event::Decl(_) => Err(XmlError::Malformed(position)),
            Event::DocType(_) => Err(XmlError::Doctype),
            Event::Start(start) => self.start(start, position),
            Event::Empty(start) => {
                self.start(start, position)?;
                self.end()
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.cdata(&text.xml10_content()),
            Event::GeneralRef(reference) => self.reference(reference),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, position: u64) -> Result<(), XmlError> {
        if self.root.is_some() {
            return Err(XmlError::Rubbish);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        self.count += 1;
        if self.count > MAX_ELEMENTS {
            return Err(XmlError::TooMany);
        }
        let mut element = Element::new(checked_name(start.name().as_ref(), position)?);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| XmlError::Malformed(position))?;
            let name = checked_name(attribute.key.as_ref(), position)?.to_owned();
            element.attributes.push((name, attribute_value(&attribute.value)?));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        let element = self.open.pop().ok_or(XmlError::Rubbish)?;
        let depth = self.open.len();
        match self.open.last_mut() {
            None => self.root = Some(element),
            Some(root) if depth == 1 => {
                if let Some(kept) = (self.child_of_root)(element) {
                    root.children.push(kept);
                    self.staying = self.count;
                }
                // Elements that were passed on or dropped no longer count, because only those in memory are limited.
                self.count = self.staying;
            }
            Some(parent) => parent.children.push(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(element) => {
                // Control characters are dropped, because one bad name must not hide a whole list.
                element.text.extend(text.chars().filter(|c| is_legal(*c)));
                Ok(())
            }
            None if is_blank(text) => Ok(()),
            None => Err(XmlError::Rubbish),
        }
    }

    fn cdata(&mut self, text: &str) -> Result<(), XmlError> {
        if self.open.is_empty() { Err(XmlError::Rubbish) } else { self.text(text) }
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        let element = self.open.last_mut().ok_or(XmlError::Rubbish)?;
        element.text.extend(referred(reference)?);
        Ok(())
    }

    fn finish(self) -> Result<Element, XmlError> {
        if self.open.is_empty() { self.root.ok_or(XmlError::CutOff) } else { Err(XmlError::CutOff) }
    }
}

/// A name that can be written again without becoming markup.
fn checked_name(name: &str, position: u64) -> Result<&str, XmlError> {
    let strange = |c: char| c.is_whitespace() || c.is_control() || "<>&\"'=/".contains(c);
    if name.is_empty() || name.contains(strange) { Err(XmlError::Malformed(position)) } else { Ok(name) }
}

#[cfg(test)]
mod tests;

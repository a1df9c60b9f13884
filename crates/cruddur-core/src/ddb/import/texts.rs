//! The items of a source, each as its text: a line, or an element of one array, which
//! may be the `Items` of an answer to Scan or Query, as the AWS CLI prints it.

use std::collections::HashMap;
use std::io::{self, BufRead, Cursor, Read};
use std::mem;

/// The longest item: one of 400 KB whose every byte is written as `\u0001` has
/// less, and a line without end must not fill the memory.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A text that cannot be used.
pub(super) struct Bad {
    pub message: String,
    /// Whether nothing can be read after it.
    pub ends: bool,
}

impl Bad {
    pub fn item(message: String) -> Bad {
        Bad {
            message,
            ends: false,
        }
    }

    fn end(message: impl Into<String>) -> Bad {
        Bad {
            message: message.into(),
            ends: true,
        }
    }

    fn unreadable(error: &io::Error) -> Bad {
        Bad::end(format!("it cannot be read: {error}"))
    }
}

/// How the items lie in the source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Unknown,
    Lines,
    /// Elements of an array, in any layout, and whether one has been read.
    Array {
        begun: bool,
    },
    Ended,
}

/// What an answer begins with, but for white space. No item does: an attribute's value
/// is an object.
const ANSWER: [&str; 4] = ["{", "\"Items\"", ":", "["];

pub(super) struct Texts {
    source: Box<dyn BufRead + Send>,
    form: Form,
    /// Whether the array is a part of an answer.
    within_answer: bool,
    /// Whether the latest answer says that there is another, which has not come.
    pub goes_on: bool,
    /// The line that reading has come to, from 1 when it has begun.
    at: u64,
    /// The line on which the latest item begins.
    pub line: u64,
    pub text: Vec<u8>,
}

impl Texts {
    pub fn of(source: impl BufRead + Send + 'static) -> Texts {
        Texts {
            source: Box::new(source),
            form: Form::Unknown,
            within_answer: false,
            goes_on: false,
            at: 1,
            line: 1,
            text: Vec::new(),
        }
    }

    /// Whether this is an array, whose items may have any number of lines.
    pub fn are_elements(&self) -> bool {
        matches!(self.form, Form::Array { .. })
    }

    /// Reads the next item's text; `false` at the end.
    pub fn read(&mut self) -> Result<bool, Bad> {
        self.text.clear();
        loop {
            if self.form == Form::Unknown {
                self.form = self.look()?;
            }
            match self.form {
                Form::Array { begun } => {
                    self.form = Form::Array { begun: true };
                    if self.read_element(begun)? {
                        return Ok(true);
                    }
                    if !self.within_answer {
                        self.form = Form::Ended;
                        return Ok(false);
                    }
                    self.end_answer()?;
                }
                Form::Ended => return Ok(false),
                Form::Unknown | Form::Lines => return self.read_line(),
            }
        }
    }

    fn look(&mut self) -> Result<Form, Bad> {
        // Windows editors put a byte order mark before the first line.
        let begin = self.source.fill_buf().map_err(|e| Bad::unreadable(&e))?;
        if begin.starts_with(&[0x1f, 0x8b]) {
            return Err(Bad::end(
                "the file is compressed; pipe it through `gunzip -c`",
            ));
        }
        if begin.starts_with(BYTE_ORDER_MARK) {
            self.source.consume(BYTE_ORDER_MARK.len());
        }
        match self.peek()? {
            Some(b'[') => {
                self.source.consume(1);
                Ok(Form::Array { begun: false })
            }
            Some(b'{') if self.begins_answer().map_err(|e| Bad::unreadable(&e))? => {
                self.within_answer = true;
                Ok(Form::Array { begun: false })
            }
            _ => Ok(Form::Lines),
        }
    }

    /// Reads what an answer begins with. Of anything else nothing is read.
    fn begins_answer(&mut self) -> io::Result<bool> {
        let mut read = Vec::new();
        let is_answer = self.matches(&mut read)?;
        if is_answer {
            self.at += read.iter().filter(|byte| **byte == b'\n').count() as u64;
        } else {
            let rest = mem::replace(&mut self.source, Box::new(io::empty()));
            self.source = Box::new(Cursor::new(read).chain(rest));
        }
        Ok(is_answer)
    }

    /// Reads what an answer says besides its items, and gets ready for another: there
    /// is one a page.
    fn end_answer(&mut self) -> Result<(), Bad> {
        // As of an object whose items have been taken out.
        let mut rest = b"{\"\":0".to_vec();
        let mut nesting = Nesting {
            depth: 1,
            ..Nesting::default()
        };
        loop {
            let Some(byte) = self.byte()? else {
                return Err(Bad::end("the answer has no end: the file is cut off"));
            };
            rest.push(byte);
            if nesting.ends_with(byte) {
                break;
            }
            if rest.len() as u64 > MAX_BYTES {
                return Err(Bad::end("the answer goes on without an end"));
            }
        }
        let rest: HashMap<String, serde_json::Value> =
            serde_json::from_slice(&rest).map_err(|error| {
                Bad::end(format!("the answer is not JSON after its items: {error}"))
            })?;
        let says = |name| rest.get(name).is_some_and(|value| !value.is_null());
        self.goes_on = ["NextToken", "LastEvaluatedKey"].into_iter().any(says);
        self.within_answer = false;
        self.form = Form::Unknown;
        Ok(())
    }

    fn matches(&mut self, read: &mut Vec<u8>) -> io::Result<bool> {
        for token in ANSWER {
            for (position, expected) in token.bytes().enumerate() {
                loop {
                    let Some(&byte) = self.source.fill_buf()?.first() else {
                        return Ok(false);
                    };
                    if byte != expected && !(position == 0 && byte.is_ascii_whitespace()) {
                        return Ok(false);
                    }
                    self.source.consume(1);
                    read.push(byte);
                    if byte == expected {
                        break;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Reads the next line that is not blank.
    fn read_line(&mut self) -> Result<bool, Bad> {
        loop {
            self.line = self.at;
            self.text.clear();
            // One byte more than allowed, to tell a line that is too long.
            let read = (&mut self.source)
                .take(MAX_BYTES + 1)
                .read_until(b'\n', &mut self.text)
                .map_err(|e| Bad::unreadable(&e))?;
            self.at += 1;
            if read as u64 > MAX_BYTES && self.text.last() != Some(&b'\n') {
                self.skip_line().map_err(|e| Bad::unreadable(&e))?;
                return Err(Bad::item(too_long("the line")));
            }
            if read == 0 || !self.text.iter().all(u8::is_ascii_whitespace) {
                return Ok(read > 0);
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let length = buffer.len();
            if let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
                self.source.consume(end + 1);
                return Ok(());
            }
            if length == 0 {
                return Ok(());
            }
            self.source.consume(length);
        }
    }

    /// Reads the next element, which has to be an object. What is wrong within it
    /// is for the parser to find; here it ends with the bracket that closes it.
    fn read_element(&mut self, begun: bool) -> Result<bool, Bad> {
        let mut next = self.peek()?;
        self.line = self.at;
        if next == Some(b']') {
            self.source.consume(1);
            if self.within_answer {
                return Ok(false);
            }
            return match self.peek()? {
                None => Ok(false),
                Some(_) => {
                    self.line = self.at;
                    Err(Bad::end("there is something after the end of the array"))
                }
            };
        }
        if begun && next.is_some() {
            if next != Some(b',') {
                return Err(Bad::end("expected `,` or `]` after an item of the array"));
            }
            self.source.consume(1);
            next = self.peek()?;
            self.line = self.at;
        }
        match next {
            Some(b'{') => {}
            Some(_) => return Err(Bad::end("expected an item, which begins with `{`")),
            None => return Err(Bad::end("the array has no end: the file is cut off")),
        }
        let mut nesting = Nesting::default();
        loop {
            let Some(byte) = self.byte()? else {
                return Err(Bad::end("the item has no end: the file is cut off"));
            };
            self.text.push(byte);
            if nesting.ends_with(byte) {
                return Ok(true);
            }
            if self.text.len() as u64 > MAX_BYTES {
                return Err(Bad::end(too_long("the item")));
            }
        }
    }

    /// The next byte that is no white space, which stays.
    fn peek(&mut self) -> Result<Option<u8>, Bad> {
        loop {
            let buffer = self.source.fill_buf().map_err(|e| Bad::unreadable(&e))?;
            match buffer.first() {
                Some(byte) if byte.is_ascii_whitespace() => self.byte()?,
                other => return Ok(other.copied()),
            };
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, Bad> {
        let buffer = self.source.fill_buf().map_err(|e| Bad::unreadable(&e))?;
        let Some(&byte) = buffer.first() else {
            return Ok(None);
        };
        self.source.consume(1);
        self.at += u64::from(byte == b'\n');
        Ok(Some(byte))
    }
}

/// How deep a byte lies within objects and arrays.
#[derive(Default)]
struct Nesting {
    depth: u32,
    within_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes note of the next byte, and says whether nothing is open after it.
    fn ends_with(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.within_string => self.escaped = true,
            b'"' => self.within_string = !self.within_string,
            _ if self.within_string => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }
}

fn too_long(what: &str) -> String {
    format!("{what} has more than {MAX_BYTES} bytes, and an item has 400 KB at most")
}

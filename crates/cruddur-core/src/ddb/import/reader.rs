//! The thread that reads lines and makes requests of them.

use std::io::{self, BufRead, Read};

use tokio::sync::{mpsc, oneshot};

use super::{BadLine, KEPT_BAD_LINES, OnError};
use crate::ddb::batch::Request;
use crate::ddb::{json, limits};

/// How many requests are handed over at once.
const CHUNK: usize = 25;
/// How many bytes of items are handed over at once, so that a file of large
/// items takes no more memory than one of small ones.
const CHUNK_BYTES: usize = 512 * 1024;
/// How many chunks may wait to be written.
const WAITING: usize = 4;
/// The longest line: an item of 400 KB whose every byte is written as `\u0001`
/// has less, and a line without end must not fill the memory.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// What the reader saw.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// All lines but blank ones, and what could not be read of one.
    pub read: u64,
    pub bad: Vec<BadLine>,
    pub bad_total: u64,
}

/// Starts a thread that nobody waits for: a read of standard input may block
/// forever, and must not keep the process from ending.
pub(super) fn start(
    source: impl BufRead + Send + 'static,
    on_error: OnError,
) -> (mpsc::Receiver<Vec<Request>>, oneshot::Receiver<Reading>) {
    let (chunks, receiver) = mpsc::channel(WAITING);
    let (result, reading) = oneshot::channel();
    std::thread::spawn(move || {
        let mut reader = Reader {
            source,
            line: 0,
            buffer: Vec::new(),
            reading: Reading::default(),
        };
        reader.run(&chunks, on_error);
        // Nobody may be waiting for it any more.
        let _ = result.send(reader.reading);
    });
    (receiver, reading)
}

struct Reader<R> {
    source: R,
    line: u64,
    buffer: Vec<u8>,
    reading: Reading,
}

impl<R: BufRead> Reader<R> {
    fn run(&mut self, chunks: &mpsc::Sender<Vec<Request>>, on_error: OnError) {
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut bytes = 0;
        loop {
            match self.next() {
                Ok(Some(request)) => {
                    self.reading.read += 1;
                    bytes += self.buffer.len();
                    chunk.push(request);
                }
                Ok(None) => break,
                Err(bad) => {
                    let ends = bad.ends || on_error == OnError::Stop;
                    self.note(bad.message);
                    if ends {
                        break;
                    }
                }
            }
            if chunk.len() == CHUNK || bytes >= CHUNK_BYTES {
                bytes = 0;
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
                if chunks.blocking_send(full).is_err() {
                    return;
                }
            }
        }
        if !chunk.is_empty() {
            // Where nobody takes it, writing has stopped for a reason of its own.
            let _ = chunks.blocking_send(chunk);
        }
    }

    fn note(&mut self, message: String) {
        self.reading.read += 1;
        self.reading.bad_total += 1;
        if self.reading.bad.len() < KEPT_BAD_LINES {
            self.reading.bad.push(BadLine {
                line: self.line,
                message,
            });
        }
    }

    /// The next line that is not blank, as a request.
    fn next(&mut self) -> Result<Option<Request>, Bad> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let text = std::str::from_utf8(&self.buffer).map_err(|error| {
            Bad::line(format!(
                "it is not UTF-8 from byte {} on",
                error.valid_up_to() + 1
            ))
        })?;
        // Windows editors put a byte order mark before the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let item = json::parse_typed(text).map_err(Bad::line)?;
        limits::check_item(&item).map_err(Bad::line)?;
        Ok(Some(Request::put(item, self.line)))
    }

    /// Reads the next line into the buffer; `false` at the end.
    fn read_line(&mut self) -> Result<bool, Bad> {
        self.line += 1;
        self.buffer.clear();
        // One byte more than allowed, to tell a line that is too long.
        let read = (&mut self.source)
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| Bad::end(format!("it cannot be read: {error}")))?;
        if self.line == 1 && self.buffer.starts_with(&[0x1f, 0x8b]) {
            return Err(Bad::end(
                "the file is compressed; pipe it through `gunzip -c`".to_owned(),
            ));
        }
        if read as u64 > MAX_LINE && self.buffer.last() != Some(&b'\n') {
            self.skip_line()
                .map_err(|error| Bad::end(format!("it cannot be read: {error}")))?;
            return Err(Bad::line(format!(
                "the line has more than {MAX_LINE} bytes, and an item has 400 KB at most"
            )));
        }
        Ok(read > 0)
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
}

/// A line that cannot be used.
struct Bad {
    message: String,
    /// Whether nothing can be read after it.
    ends: bool,
}

impl Bad {
    fn line(message: String) -> Bad {
        Bad {
            message,
            ends: false,
        }
    }

    fn end(message: String) -> Bad {
        Bad {
            message,
            ends: true,
        }
    }
}

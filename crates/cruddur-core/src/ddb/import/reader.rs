//! The thread that reads items and makes requests of them.

use std::io::BufRead;

use tokio::sync::{mpsc, oneshot};

use super::texts::{Bad, Texts};
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

/// What the reader saw.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// All lines but blank ones, and what could not be read of one.
    pub read: u64,
    pub bad: Vec<BadLine>,
    pub bad_total: u64,
    /// Whether it ended with an answer after which another one comes.
    pub goes_on: bool,
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
            texts: Texts::of(source),
            reading: Reading::default(),
        };
        reader.run(&chunks, on_error);
        reader.reading.goes_on = reader.texts.goes_on;
        // Nobody may be waiting for it any more.
        let _ = result.send(reader.reading);
    });
    (receiver, reading)
}

struct Reader {
    texts: Texts,
    reading: Reading,
}

impl Reader {
    fn run(&mut self, chunks: &mpsc::Sender<Vec<Request>>, on_error: OnError) {
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut bytes = 0;
        loop {
            match self.next() {
                Ok(Some(request)) => {
                    self.reading.read += 1;
                    bytes += self.texts.text.len();
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
                line: self.texts.line,
                message,
            });
        }
    }

    /// The next item, as a request.
    fn next(&mut self) -> Result<Option<Request>, Bad> {
        if !self.texts.read()? {
            return Ok(None);
        }
        let text = std::str::from_utf8(&self.texts.text).map_err(|error| {
            Bad::item(format!(
                "it is not UTF-8 from byte {} on",
                error.valid_up_to() + 1
            ))
        })?;
        // Of files that were put together each may have begun with one.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed = match self.texts.are_elements() {
            false if text.trim() == "{" => Err(
                "an item is a line of its own, or one of an array; the file may be one object \
                 over several lines"
                    .to_owned(),
            ),
            false => json::parse_typed(text),
            true => json::parse_element(text),
        };
        let item = parsed.map_err(Bad::item)?;
        limits::check_item(&item).map_err(Bad::item)?;
        Ok(Some(Request::put(item, self.texts.line)))
    }
}

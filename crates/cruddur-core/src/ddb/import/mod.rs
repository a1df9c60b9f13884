//! Items of typed JSON, read and written to the table.

mod reader;
mod texts;

use std::io::BufRead;

use futures_util::{StreamExt, stream};
use tokio::sync::oneshot::error::RecvError;

use super::Table;
use super::batch::{WriteOptions, Written};
use crate::{Error, Result};
use reader::Reading;

/// What a bad line means for the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// The lines before it are written, those after it are not.
    #[default]
    Stop,
    /// All other lines are written.
    Continue,
}

/// How [`Table::import`] goes about it.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// What a bad line means for the others.
    pub on_error: OnError,
    /// Only read and check the lines.
    pub dry_run: bool,
    /// How the items are written.
    pub write: WriteOptions,
}

/// A line that is no item of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

/// How many bad lines are kept word by word; the rest is counted.
pub const KEPT_BAD_LINES: usize = 100;

/// What an import came to.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// Lines that were read, bad ones as well; blank lines do not count.
    pub read: u64,
    /// Items that were written; with `dry_run`, that would have been.
    pub written: u64,
    /// The first bad lines, [`KEPT_BAD_LINES`] at most.
    pub bad: Vec<BadLine>,
    /// All bad lines.
    pub bad_total: u64,
    /// Those of them that only DynamoDB found fault with.
    pub refused: u64,
    /// Whether the source is the answer to a scan, as the AWS CLI prints it, that says
    /// there is more than it has.
    pub goes_on: bool,
    /// Why it ended before the file did, where no bad line is the reason.
    pub stopped: Option<Error>,
    /// The first line that was read and, for that reason, not written.
    pub first_unwritten: Option<u64>,
    /// Write capacity units; 0 where they are not asked for, as in [`Written`].
    pub consumed_capacity: f64,
    /// Whether it was a dry run, which sends nothing.
    pub dry_run: bool,
}

impl Table {
    /// Writes every item of a source: typed JSON, a line each, as
    /// [`super::json::write_typed`] writes it or as AWS's export to S3 does
    /// (`{"Item":{…}}`), or the elements of one array, in any layout, whose lines
    /// are those on which they begin. An item with the same key is replaced; of several
    /// lines with one key the last one stays.
    ///
    /// The source is read on a thread of its own, no faster than DynamoDB takes
    /// the items. `progress` is called with the number of items written so far.
    ///
    /// What is wrong with lines is in the result, beside what was written;
    /// [`Imported::into_result`] makes an error of it. A line that only
    /// DynamoDB finds fault with (all its documented limits are checked here)
    /// may be noticed when lines soon after it are already written.
    pub async fn import(
        &self,
        source: impl BufRead + Send + 'static,
        options: &ImportOptions,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Imported {
        let (chunks, reading) = reader::start(source, options.on_error);
        let source = stream::unfold(chunks, |mut chunks| async move {
            Some((chunks.recv().await?, chunks))
        });
        if options.dry_run {
            let mut imported = Imported {
                dry_run: true,
                ..Imported::default()
            };
            let mut source = std::pin::pin!(source);
            while source.next().await.is_some() {}
            imported.take_reading(reading.await);
            imported.written = imported.read - imported.bad_total;
            return imported;
        }
        let requests = Box::pin(source.map(stream::iter).flatten());
        let write = WriteOptions {
            stop_on_rejection: options.on_error == OnError::Stop,
            ..options.write.clone()
        };
        let written = self.write_all(requests, &write, progress).await;
        let mut imported = Imported::default();
        // Where writing stopped early the reader may still wait for a line of a
        // pipe; what it read is of no interest then.
        let abandoned =
            written.stopped.is_some() || (write.stop_on_rejection && written.rejected_total > 0);
        if !abandoned {
            imported.take_reading(reading.await);
        }
        imported.take_written(written);
        imported
    }
}

impl Imported {
    fn take_reading(&mut self, reading: Result<Reading, RecvError>) {
        let Ok(reading) = reading else {
            let cause = "reading ended without a word";
            self.stopped = Some(Error::Failed(cause.to_owned()));
            return;
        };
        self.read = reading.read;
        self.bad = reading.bad;
        self.bad_total = reading.bad_total;
        self.goes_on = reading.goes_on;
    }

    fn take_written(&mut self, written: Written) {
        self.written = written.written;
        self.read = self.read.max(written.written + written.unwritten);
        self.consumed_capacity = written.consumed_capacity;
        self.stopped = self.stopped.take().or(written.stopped);
        self.first_unwritten = written.first_unwritten;
        self.bad_total += written.rejected_total;
        self.refused = written.rejected_total;
        let refused = written.rejected.into_iter().map(|rejected| BadLine {
            line: rejected.tag,
            message: rejected.message,
        });
        self.bad.extend(refused);
        self.bad.sort_by_key(|bad| bad.line);
        self.bad.truncate(KEPT_BAD_LINES);
    }

    /// The error that this amounts to where not every line was written; `file`
    /// is the source's name for it.
    ///
    /// # Errors
    ///
    /// [`Error::Partial`]; where nothing was written the cause itself, or
    /// [`Error::NotDone`] of several.
    pub fn into_result(self, file: &str, on_error: OnError) -> Result<Imported> {
        if let Some(cause) = self.stopped {
            if self.written == 0 {
                return Err(cause);
            }
            return Err(Error::Partial {
                message: format!(
                    "{} lines of {file} were written, then: {cause}",
                    self.written
                ),
                not_done: vec![match self.first_unwritten {
                    Some(line) => format!("some lines of {file} from line {line} on"),
                    None => format!("the rest of {file}"),
                }],
            });
        }
        let Some(first) = self.bad.first() else {
            return Ok(self);
        };
        let are = match self.dry_run {
            true => "would be",
            false => "are",
        };
        if on_error == OnError::Stop {
            let cause = input(file, first);
            if self.written == 0 {
                return Err(cause);
            }
            // Lines before it may wait to be sent again.
            let unwritten = self.first_unwritten.unwrap_or(first.line);
            let line = unwritten.min(first.line);
            // By the time DynamoDB finds fault with one, later ones are under way.
            let (before_it, some_lines) = match self.refused {
                0 => (" before it", ""),
                _ => ("", "some lines of "),
            };
            return Err(Error::Partial {
                message: format!(
                    "{cause}; items{before_it} that {are} written: {}",
                    self.written
                ),
                not_done: vec![format!("{some_lines}{file} from line {line} on")],
            });
        }
        let mut not_done: Vec<_> = self
            .bad
            .iter()
            .map(|bad| input(file, bad).to_string())
            .collect();
        if let Some(more @ 1..) = self.bad_total.checked_sub(not_done.len() as u64) {
            not_done.push(format!("and {more} more lines"));
        }
        let message = format!(
            "items of {file} that {are} written: {}; bad lines: {}",
            self.written, self.bad_total
        );
        Err(match self.written {
            0 => Error::NotDone { message, not_done },
            _ => Error::Partial { message, not_done },
        })
    }
}

fn input(file: &str, bad: &BadLine) -> Error {
    Error::Input {
        file: file.to_owned(),
        line: Some(bad.line),
        message: bad.message.clone(),
    }
}

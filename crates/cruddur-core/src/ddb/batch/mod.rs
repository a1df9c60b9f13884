//! Many writes by BatchWriteItem: 25 a call, several calls at once, and what
//! DynamoDB hands back is sent again until it is taken.
//!
//! A request is turned into its JSON when it is made and goes into the call's
//! body as it is. So it is there for another try without a copy, and whoever
//! makes the requests (import's reading thread, say) bears the cost.

mod request;
mod writer;

use std::time::Duration;

use futures_util::Stream;

use super::Table;
use crate::{Error, Result};

pub use request::Request;

/// How [`Table::write_all`] goes about it.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// How many calls are under way at once. Three or four fill both DynamoDB
    /// Local and the embedded engine, as long as the next ones come at once; on
    /// a machine that the server keeps busy they do not. AWS spreads them over its
    /// partitions.
    pub in_flight: usize,
    /// Write capacity units a second it keeps to, on average. Above zero.
    pub max_capacity: Option<f64>,
    /// After how long without a single item taken it gives up.
    pub patience: Duration,
    /// Whether an item that DynamoDB refuses ends it. Of the items behind it only
    /// those are written that were under way when its call was refused.
    pub stop_on_rejection: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions {
            in_flight: 8,
            max_capacity: None,
            patience: Duration::from_secs(60),
            stop_on_rejection: true,
        }
    }
}

/// An item that DynamoDB refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What the request was tagged with.
    pub tag: u64,
    /// DynamoDB's words.
    pub message: String,
}

/// How many rejected items are kept word by word; the rest is counted.
pub const KEPT_REJECTIONS: usize = 100;

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Puts and deletes that were carried out.
    pub written: u64,
    /// Requests that were handed back, or whose call failed, to be sent again.
    pub resent: u64,
    /// The first refused items, [`KEPT_REJECTIONS`] at most.
    pub rejected: Vec<Rejected>,
    /// All refused items.
    pub rejected_total: u64,
    /// Write capacity units, of table and index together; 0 where they are not
    /// asked for, outside production and without [`WriteOptions::max_capacity`].
    pub consumed_capacity: f64,
    /// Why it ended before the source did.
    pub stopped: Option<Error>,
    /// Requests that were taken from the source and not carried out.
    pub unwritten: u64,
    /// The smallest tag among these.
    pub first_unwritten: Option<u64>,
}

impl Written {
    /// The error that this amounts to where not all was written, for callers
    /// whose requests are named `what` ("messages", say).
    ///
    /// # Errors
    ///
    /// The cause itself where nothing was written, else [`Error::Partial`].
    pub fn into_result(self, what: &str) -> Result<Written> {
        let cause = match (&self.stopped, self.rejected.first()) {
            (Some(error), _) => error.clone(),
            (None, Some(rejected)) => Error::Failed(rejected.message.clone()),
            (None, None) => return Ok(self),
        };
        if self.written == 0 {
            return Err(cause);
        }
        Err(Error::Partial {
            message: format!("{} {what} were written, then: {cause}", self.written),
            not_done: vec![format!(
                "{} {what} and what came after them",
                self.unwritten + self.rejected_total
            )],
        })
    }
}

impl Table {
    /// Carries out every request of a source, pulling from it no faster than
    /// DynamoDB takes them, in memory that does not grow with their number.
    ///
    /// Two requests for the same key keep their order. Requests for other keys
    /// may overtake each other. `progress` is called with the number carried
    /// out so far.
    ///
    /// What stopped it early is in the result, beside what was done by then.
    pub async fn write_all<S>(
        &self,
        source: S,
        options: &WriteOptions,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Written
    where
        S: Stream<Item = Request> + Unpin,
    {
        writer::Writer::new(self, options)
            .run(source, progress)
            .await
    }
}

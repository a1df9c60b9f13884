//! Every item of the table, page by page.

mod segment;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use super::Table;
use super::json::{self, Attributes};
use crate::{Error, Result, Service, aws};
use segment::{Segment, Shared};

/// How many items are asked for to see whether there are more, and which engine
/// has them.
const FEW: usize = 100;
/// The most segments, each of which has a connection and a page of 1 MB. AWS takes up
/// to a million, for many machines that share a scan; a process may often open no
/// more than 1,024 files.
pub const MAX_SEGMENTS: u32 = 256;
/// How many segments are read at once unless told otherwise. DynamoDB Local is
/// three times as fast with four as with one. The embedded engine reads the
/// whole table for each segment, and so three times as slow: there it is one.
pub const DEFAULT_SEGMENTS: u32 = 4;

/// How [`Table::scan`] goes about it.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// How many parts of the table are read at once. `None` is what is fastest:
    /// one where there is a limit, the table is small, the engine is the embedded
    /// one or this is production, else [`DEFAULT_SEGMENTS`].
    pub segments: Option<u32>,
    /// The most items that are wanted.
    pub limit: Option<u64>,
    /// Read capacity units a second it keeps to, on average. Above zero.
    pub max_capacity: Option<f64>,
    /// After how long without a single page it gives up.
    pub patience: Duration,
}

impl Default for ScanOptions {
    fn default() -> Self {
        ScanOptions {
            segments: None,
            limit: None,
            max_capacity: None,
            patience: Duration::from_secs(120),
        }
    }
}

/// What a scan came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scanned {
    /// The number of items that were handed on.
    pub items: u64,
    /// Whether there are more than the limit.
    pub cut: bool,
    /// Read capacity units; 0 where they are not asked for, outside production
    /// and without [`ScanOptions::max_capacity`].
    pub consumed_capacity: f64,
}

impl Table {
    /// Hands every item to `sink`, a page at a time, until there are no more or
    /// the sink breaks off. Pages of different segments come in any order. No
    /// more than two pages a segment are in memory: the next is read while one
    /// is handed on, on another thread where the runtime has one.
    ///
    /// # Errors
    ///
    /// [`Error::TableNotFound`], [`Error::Usage`] for a number of segments that
    /// is none, the sink's own error, or why a request failed.
    pub async fn scan<E: From<Error>>(
        &self,
        options: &ScanOptions,
        mut sink: impl FnMut(Vec<Attributes<'_>>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Scanned, E> {
        let mut segments = match (options.segments, options.limit) {
            (Some(segments @ 1..=MAX_SEGMENTS), _) => segments,
            (Some(segments), _) => return Err(no_segments(segments).into()),
            // Whoever wants a few items, or slowly, wants no four pages at once.
            (None, Some(_)) => 1,
            (None, None) if options.max_capacity.is_some() => 1,
            // What four take at once, an app that uses the table lacks.
            (None, None) if self.production => 1,
            (None, None) => DEFAULT_SEGMENTS,
        };
        let shared = Arc::new(Shared::new(self, options));
        let segment = |number, segments| Segment::new(&shared, number, segments).next();
        let unreadable = |cause: String| aws::unreadable(Service::DynamoDb, &self.at, &cause);
        let mut scanned = Scanned::default();
        let mut first = None;
        if options.segments.is_none() && segments > 1 {
            // A small page tells whether segments are worth it. Where they are
            // it was read for nothing, but it costs a few units at most.
            let mut look = Segment::new(&shared, 0, 1);
            look.page_items = FEW;
            let (look, page) = look.next().await?;
            if page.next.is_none() || shared.engine.is_embedded() {
                segments = 1;
                first = Some((look, page));
            } else {
                scanned.consumed_capacity += page.units;
            }
        }
        let begun = u32::from(first.is_some());
        let mut pages: JoinSet<_> = (begun..segments)
            .map(|number| segment(number, segments))
            .collect();
        loop {
            let (segment, page) = match first.take() {
                Some(page) => page,
                None => match pages.join_next().await {
                    Some(page) => page.map_err(ended)??,
                    None => break,
                },
            };
            scanned.consumed_capacity += page.units;
            if let Some(segment) = segment.after(&page)? {
                pages.spawn(segment.next());
            }
            let items = page.items.text().and_then(json::parse_array);
            let mut items = items.map_err(unreadable)?;
            let left = options.limit.map(|limit| limit - scanned.items);
            if let Some(left) = left.filter(|&left| left < items.len() as u64) {
                items.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                scanned.cut = true;
            }
            scanned.items += items.len() as u64;
            let flow = if items.is_empty() {
                ControlFlow::Continue(())
            } else {
                sink(items)?
            };
            if scanned.cut || flow.is_break() {
                break;
            }
        }
        shared.pay().await;
        Ok(scanned)
    }

    /// Whether there is no item at all.
    ///
    /// # Errors
    ///
    /// As [`Table::scan`].
    pub async fn is_empty(&self) -> Result<bool> {
        let options = ScanOptions {
            limit: Some(1),
            ..ScanOptions::default()
        };
        let scanned = self.scan::<Error>(&options, |_| Ok(ControlFlow::Break(())));
        Ok(scanned.await?.items == 0)
    }
}

/// Why there is no page: nobody ends its task, so that it panicked.
fn ended(error: JoinError) -> Error {
    Error::Failed(format!("a page of the table was not read: {error}"))
}

fn no_segments(segments: u32) -> Error {
    Error::Usage(format!(
        "{segments} segments are not possible: 1 to {MAX_SEGMENTS} are"
    ))
}

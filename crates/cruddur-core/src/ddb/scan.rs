//! Every item of the table, page by page.

mod page;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::scan::{ScanError, ScanOutput};
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::Table;
use super::engine::Engine;
use super::json::Attributes;
use super::pace::Pace;
use super::retry::{self, Patience};
use crate::aws::HttpResponse;
use crate::{Error, Result, Service};
use page::{Page, PageClient};

/// How much JSON a page should be, in bytes: AWS reads 1 MB of items for one,
/// whose names, types and quotes take the rest.
const PAGE_BYTES: usize = 1280 * 1024;
/// How many items a first page asks for, before their size is known.
const FIRST_PAGE: usize = 1_000;
/// How many items are asked for to see whether there are more, and which engine
/// has them.
const FEW: usize = 100;
/// AWS takes up to a million segments.
const MAX_SEGMENTS: u32 = 1_000_000;
/// How many segments are read at once unless told otherwise. DynamoDB Local is
/// three times as fast with four as with one. The embedded engine reads the
/// whole table for each segment, and so three times as slow: there it is one.
pub const DEFAULT_SEGMENTS: u32 = 4;

/// How [`Table::scan`] goes about it.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// How many parts of the table are read at once. `None` is what is fastest:
    /// one where there is a limit, the table is small or the engine is the
    /// embedded one, else [`DEFAULT_SEGMENTS`].
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
    /// is none, the sink's own error, or what a request failed of.
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
            (None, None) => DEFAULT_SEGMENTS,
        };
        let shared = Arc::new(Shared::new(self, options));
        let segment = |number, segments| Segment::new(&shared, number, segments).next();
        let mut scanned = Scanned::default();
        let mut first = None;
        if options.segments.is_none() && segments > 1 {
            // A small page tells whether segments are worth it. Where they are
            // it was read for nothing, but it costs a few units at most.
            let mut look = Segment::new(&shared, 0, 1);
            look.page_items = FEW;
            let page = look.next().await?;
            if page.1.last_evaluated_key.is_none() || shared.engine.is_embedded() {
                segments = 1;
                first = Some(page);
            } else {
                scanned.consumed_capacity += units(&page.1);
            }
        }
        let begun = u32::from(first.is_some());
        let mut pages: JoinSet<_> = (begun..segments)
            .map(|number| segment(number, segments))
            .collect();
        loop {
            let (segment, answer, page) = match first.take() {
                Some(page) => page,
                None => match pages.join_next().await {
                    Some(page) => page.map_err(ended)??,
                    None => break,
                },
            };
            scanned.consumed_capacity += units(&answer);
            if let Some(segment) = segment.after(answer, &page)? {
                pages.spawn(segment.next());
            }
            let mut items = page.items().map_err(|cause| self.unreadable(cause))?;
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

    fn unreadable(&self, cause: String) -> Error {
        Error::WrongServer {
            service: Service::DynamoDb,
            at: self.at.clone(),
            cause: format!("its answer cannot be read: {cause}"),
        }
    }
}

/// Why there is no page: nobody ends its task, so that it panicked.
fn ended(error: JoinError) -> Error {
    Error::Failed(format!("a page of the table was not read: {error}"))
}

/// Nobody panics while holding it.
fn lock(pace: &Mutex<Pace>) -> MutexGuard<'_, Pace> {
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

fn units(page: &ScanOutput) -> f64 {
    page.consumed_capacity()
        .and_then(|capacity| capacity.capacity_units)
        .unwrap_or_default()
}

fn no_segments(segments: u32) -> Error {
    Error::Usage(format!(
        "{segments} segments are not possible: 1 to {MAX_SEGMENTS} are"
    ))
}

/// What the segments of a scan have in common.
struct Shared {
    table: Table,
    engine: Engine,
    pace: Option<Mutex<Pace>>,
    options: ScanOptions,
}

impl Shared {
    fn new(table: &Table, options: &ScanOptions) -> Shared {
        let pace = |units| Mutex::new(Pace::new(units, Instant::now()));
        Shared {
            table: table.clone(),
            engine: Engine::default(),
            pace: options.max_capacity.map(pace),
            options: options.clone(),
        }
    }
}

/// One part of the table, and how far it has been read.
struct Segment {
    shared: Arc<Shared>,
    client: PageClient,
    segment: u32,
    segments: u32,
    start: Option<HashMap<String, AttributeValue>>,
    page_items: usize,
    /// How many items this segment can still contribute, and one more, by which
    /// it shows that there are more.
    left: Option<u64>,
}

impl Segment {
    fn new(shared: &Arc<Shared>, segment: u32, segments: u32) -> Segment {
        let options = &shared.options;
        Segment {
            shared: Arc::clone(shared),
            client: PageClient::new(&shared.table.client),
            segment,
            segments,
            start: None,
            // A small item costs half a unit.
            page_items: match options.max_capacity {
                Some(units) => ((units * 2.0) as usize).clamp(1, FIRST_PAGE),
                None => FIRST_PAGE,
            },
            left: options.limit.map(|limit| limit.saturating_add(1)),
        }
    }

    /// Reads the next page, trying again while DynamoDB has no capacity left.
    async fn next(self) -> Result<(Segment, ScanOutput, Page)> {
        let table = &self.shared.table;
        let mut patience = Patience::new(self.shared.options.patience);
        loop {
            let charged = self.turn().await;
            let answer = self.send().await;
            self.settle(charged, &answer);
            let (transient, error) = match answer {
                Ok(answer) => match self.client.take() {
                    Some(page) => return Ok((self, answer, page)),
                    // An answer without a list is none: even an empty page has one.
                    None => (true, table.empty_answer()),
                },
                Err(error) => (retry::is_transient(&error), table.error(error)),
            };
            let pause = if transient { patience.failure() } else { None };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// Waits until a page may be asked for, and charges it.
    async fn turn(&self) -> f64 {
        let Some(pace) = &self.shared.pace else {
            return 0.0;
        };
        loop {
            // Segments wait for the same moment, and one of them gets it.
            let next = {
                let mut pace = lock(pace);
                let (now, next) = (Instant::now(), pace.next());
                if next <= now {
                    return pace.charge(now);
                }
                next
            };
            tokio::time::sleep_until(next).await;
        }
    }

    fn settle<E>(&self, charged: f64, answer: &Result<ScanOutput, E>) {
        if let Some(pace) = &self.shared.pace {
            lock(pace).settle(charged, answer.as_ref().map_or(0.0, units));
        }
    }

    async fn send(&self) -> Result<ScanOutput, SdkError<ScanError, HttpResponse>> {
        let request = self.request().customize();
        let engine = self.shared.engine.clone();
        request.interceptor(engine).send().await
    }

    fn request(&self) -> aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder {
        let items = match self.left {
            Some(left) => self
                .page_items
                .min(usize::try_from(left).unwrap_or(usize::MAX)),
            None => self.page_items,
        };
        let Shared { table, options, .. } = &*self.shared;
        let capacity = table.counts_capacity(options.max_capacity);
        let request = self
            .client
            .client
            .scan()
            .table_name(&table.name)
            .limit(i32::try_from(items).unwrap_or(i32::MAX))
            .set_return_consumed_capacity(capacity)
            .set_exclusive_start_key(self.start.clone());
        if self.segments == 1 {
            return request;
        }
        // Both fit: a scan has no more than a million segments.
        request
            .segment(i32::try_from(self.segment).unwrap_or(i32::MAX))
            .total_segments(i32::try_from(self.segments).unwrap_or(i32::MAX))
    }

    /// What is left to read after a page, if anything.
    fn after(mut self, answer: ScanOutput, page: &Page) -> Result<Option<Segment>> {
        let items = usize::try_from(answer.count).unwrap_or_default();
        self.left = self.left.map(|left| left.saturating_sub(items as u64));
        let next = answer.last_evaluated_key;
        let Some(next) = next.filter(|_| self.left != Some(0)) else {
            return Ok(None);
        };
        let table = &self.shared.table;
        self.start = table.next_page(self.start.as_ref(), Some(next))?;
        self.adapt(items, page.bytes());
        Ok(Some(self))
    }

    /// Asks for as many items as fill a page, going by the last one. DynamoDB
    /// Local is ten times as slow when it is asked for all that is left; and a
    /// few too many cost little, while a few too few cost another page.
    fn adapt(&mut self, items: usize, bytes: usize) {
        if let Some(average) = bytes.checked_div(items) {
            // With a bound, a page takes a second or so: half a unit is 4 KB.
            let page = match self.shared.options.max_capacity {
                Some(units) => PAGE_BYTES.min((units * 8192.0) as usize),
                None => PAGE_BYTES,
            };
            self.page_items = (page / average.max(1) + 1).clamp(1, 100_000);
        }
    }
}

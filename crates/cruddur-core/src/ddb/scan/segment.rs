//! One part of a table, read page by page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::operation::scan::{ScanError, ScanOutput};
use tokio::time::Instant;

use super::ScanOptions;
use crate::Result;
use crate::aws::{Aside, HttpResponse, List};
use crate::ddb::Table;
use crate::ddb::engine::Engine;
use crate::ddb::item::Item;
use crate::ddb::pace::Pace;
use crate::ddb::retry::{self, Patience};

/// How much JSON a page should be, in bytes: AWS reads 1 MB of items for one,
/// whose names, types and quotes take the rest.
const PAGE_BYTES: usize = 1280 * 1024;
/// How many items a first page asks for, before their size is known.
const FIRST_PAGE: usize = 1_000;

/// What the segments of a scan have in common.
pub(super) struct Shared {
    table: Table,
    pub engine: Engine,
    pace: Option<Mutex<Pace>>,
    /// When any segment last had a page. While pages come none is given up,
    /// however long it has gone without: they share what little there is.
    last_page: Mutex<Instant>,
    options: ScanOptions,
}

impl Shared {
    pub fn new(table: &Table, options: &ScanOptions) -> Shared {
        let pace = |units| Mutex::new(Pace::new(units, Instant::now()));
        Shared {
            table: table.clone(),
            engine: Engine::default(),
            pace: options.max_capacity.map(pace),
            last_page: Mutex::new(Instant::now()),
            options: options.clone(),
        }
    }

    /// Waits until all that was consumed is paid for.
    pub async fn pay(&self) {
        if let Some(pace) = &self.pace {
            let paid = lock(pace).next();
            tokio::time::sleep_until(paid).await;
        }
    }
}

/// What one request brought.
pub(super) struct Page {
    pub items: List,
    count: usize,
    /// Read capacity units.
    pub units: f64,
    /// Where the next one starts, if there is one.
    pub next: Option<Item>,
}

/// One part of the table, and how far it has been read.
pub(super) struct Segment {
    shared: Arc<Shared>,
    /// Each of its requests is sent once.
    client: Client,
    items: Aside,
    segment: u32,
    segments: u32,
    start: Option<Item>,
    /// How many items the next page asks for.
    pub page_items: usize,
    /// How many items this segment can still contribute, and one more, by which
    /// it shows that there are more.
    left: Option<u64>,
}

impl Segment {
    pub fn new(shared: &Arc<Shared>, segment: u32, segments: u32) -> Segment {
        let options = &shared.options;
        Segment {
            shared: Arc::clone(shared),
            client: retry::without_retries(&shared.table.client),
            items: Aside::new("Items"),
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
    pub async fn next(self) -> Result<(Segment, Page)> {
        let table = &self.shared.table;
        let mut patience = Patience::new(self.shared.options.patience);
        loop {
            let charged = self.turn().await;
            let answer = self.send().await;
            self.settle(charged, &answer);
            let (transient, error) = match answer {
                Ok(answer) => match self.items.take() {
                    Some(items) => {
                        *lock(&self.shared.last_page) = Instant::now();
                        return Ok((self, Page::new(items, answer)));
                    }
                    // An answer without a list is none: even an empty page has one.
                    None => (true, table.empty_answer()),
                },
                Err(error) => (retry::is_transient(&error), table.error(error)),
            };
            patience.progress_at(*lock(&self.shared.last_page));
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
        let request = request.interceptor(self.shared.engine.clone());
        request.interceptor(self.items.clone()).send().await
    }

    fn request(&self) -> ScanFluentBuilder {
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
            .scan()
            .table_name(&table.name)
            .limit(i32::try_from(items).unwrap_or(i32::MAX))
            .set_return_consumed_capacity(capacity)
            .set_exclusive_start_key(self.start.clone());
        if self.segments == 1 {
            return request;
        }
        // Both fit: a scan has no more than `MAX_SEGMENTS`.
        request
            .segment(i32::try_from(self.segment).unwrap_or(i32::MAX))
            .total_segments(i32::try_from(self.segments).unwrap_or(i32::MAX))
    }

    /// What is left to read after a page, if anything.
    pub fn after(mut self, page: &Page) -> Result<Option<Segment>> {
        self.left = self.left.map(|left| left.saturating_sub(page.count as u64));
        let next = page.next.clone().filter(|_| self.left != Some(0));
        if next.is_none() {
            return Ok(None);
        }
        let table = &self.shared.table;
        self.start = table.next_page(self.start.as_ref(), next)?;
        self.adapt(page.count, page.items.bytes());
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

impl Page {
    fn new(items: List, answer: ScanOutput) -> Page {
        Page {
            items,
            count: usize::try_from(answer.count).unwrap_or_default(),
            units: units(&answer),
            next: answer.last_evaluated_key,
        }
    }
}

fn units(answer: &ScanOutput) -> f64 {
    let capacity = answer.consumed_capacity();
    capacity.and_then(|c| c.capacity_units).unwrap_or_default()
}

/// Nobody panics while holding it.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

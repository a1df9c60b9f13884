//! The loop that keeps several calls under way.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::batch_write_item::{BatchWriteItemError, BatchWriteItemOutput};
use aws_smithy_types::body::SdkBody;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;

use super::request::{self, Request};
use super::{KEPT_REJECTIONS, Rejected, WriteOptions, Written};
use crate::Error;
use crate::aws::{self, HttpResponse};
use crate::ddb::Table;
use crate::ddb::pace::Pace;
use crate::ddb::retry::{self, Patience};

/// AWS takes 25 requests a call.
const CALL_REQUESTS: usize = 25;
/// AWS takes 16 MB of JSON a call, in which a byte of an item may take six.
/// Fewer also keep the memory of several calls small.
const CALL_BYTES: usize = 1024 * 1024;

type Failure = SdkError<BatchWriteItemError, HttpResponse>;
/// What was sent, what it was charged, and what came of it.
type Answer = (Vec<Request>, f64, Result<BatchWriteItemOutput, Failure>);
type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

pub(super) struct Writer<'a> {
    table: &'a Table,
    client: Client,
    options: &'a WriteOptions,
    calls: FuturesUnordered<Call>,
    /// How many calls may be under way now; fewer while DynamoDB is short of
    /// capacity.
    window: usize,
    patience: Patience,
    /// When the next call may begin.
    not_before: Instant,
    pace: Option<Pace>,
    /// How many requests go into a call.
    call_requests: usize,
    /// The keys of all requests taken and not yet done with.
    busy: HashSet<u64>,
    /// The call that is being put together.
    filling: Vec<Request>,
    filling_bytes: usize,
    /// Taken from the source, but cannot go into that call.
    held: Option<Request>,
    /// To be sent again.
    again: VecDeque<Request>,
    /// To be sent again, each alone: a call with one of them was refused.
    alone: VecDeque<Request>,
    /// Whether these go one after the other, as nothing shall be written behind the
    /// one that is refused, but for what was under way by then.
    one_by_one: bool,
    /// Whether nothing more is taken from the source.
    ended: bool,
    result: Written,
}

impl<'a> Writer<'a> {
    pub fn new(table: &'a Table, options: &'a WriteOptions) -> Self {
        Writer {
            table,
            client: retry::without_retries(&table.client),
            options,
            calls: FuturesUnordered::new(),
            window: options.in_flight.max(1),
            patience: Patience::new(options.patience),
            not_before: Instant::now(),
            pace: options
                .max_capacity
                .map(|units| Pace::new(units, Instant::now())),
            // A request costs a unit or more, and a call a second or so.
            call_requests: match options.max_capacity {
                Some(units) => (units as usize).clamp(1, CALL_REQUESTS),
                None => CALL_REQUESTS,
            },
            busy: HashSet::new(),
            filling: Vec::new(),
            filling_bytes: 0,
            held: None,
            again: VecDeque::new(),
            alone: VecDeque::new(),
            one_by_one: false,
            ended: false,
            result: Written::default(),
        }
    }

    pub async fn run<S>(mut self, mut source: S, progress: &mut (dyn FnMut(u64) + Send)) -> Written
    where
        S: Stream<Item = Request> + Unpin,
    {
        loop {
            // One look at the clock, so that nothing falls between two.
            let now = Instant::now();
            self.send(now);
            let next = self.next();
            let waits = next > now;
            let pulls = self.has_room();
            if self.calls.is_empty() && !pulls && !(waits && self.has_unsent()) {
                break;
            }
            tokio::select! {
                // Answers first: they free the way for more.
                biased;
                Some((requests, charged, answer)) = self.calls.next(), if !self.calls.is_empty() => {
                    let before = self.result.written;
                    self.settle(charged, &answer);
                    self.take_answer(requests, answer);
                    if self.result.written > before {
                        progress(self.result.written);
                    }
                }
                request = source.next(), if pulls => match request {
                    Some(request) => self.accept(request),
                    None => self.ended = true,
                },
                () = tokio::time::sleep_until(next), if waits => {}
            }
        }
        // What the last calls cost is paid for as well, before somebody else consumes.
        if let Some(pace) = self.pace.as_ref().filter(|_| !self.is_stopped()) {
            tokio::time::sleep_until(pace.next()).await;
        }
        self.finish()
    }

    /// When the next call may begin.
    fn next(&self) -> Instant {
        match &self.pace {
            Some(pace) => pace.next().max(self.not_before),
            None => self.not_before,
        }
    }

    fn settle(&mut self, charged: f64, answer: &Result<BatchWriteItemOutput, Failure>) {
        if let Some(pace) = &mut self.pace {
            pace.settle(charged, answer.as_ref().map_or(0.0, units));
        }
    }

    fn is_stopped(&self) -> bool {
        self.result.stopped.is_some()
            || (self.options.stop_on_rejection && self.result.rejected_total > 0)
    }

    fn has_unsent(&self) -> bool {
        !self.is_stopped() && self.unsent().next().is_some()
    }

    /// What was taken from the source and is in no call.
    fn unsent(&self) -> impl Iterator<Item = &Request> {
        let waiting = self.again.iter().chain(&self.alone).chain(&self.filling);
        waiting.chain(&self.held)
    }

    /// Whether another request can be taken from the source.
    fn has_room(&self) -> bool {
        !self.ended
            && !self.is_stopped()
            && self.held.is_none()
            && self.filling.len() < self.call_requests
            && self.again.is_empty()
            && self.alone.is_empty()
    }

    fn accept(&mut self, request: Request) {
        let too_big = self.filling_bytes + request.size > CALL_BYTES && !self.filling.is_empty();
        // A call takes a key once, and calls may overtake each other: a second
        // request for a key waits until the first is done.
        if too_big || self.busy.contains(&request.key) {
            self.held = Some(request);
            return;
        }
        self.busy.insert(request.key);
        self.filling_bytes += request.size;
        self.filling.push(request);
    }

    /// Begins as many calls as may be under way now.
    fn send(&mut self, now: Instant) {
        let window = if self.one_by_one { 1 } else { self.window };
        while !self.is_stopped() && self.calls.len() < window && self.next() <= now {
            if let Some(request) = self.held.take() {
                self.accept(request);
            }
            let Some(requests) = self.next_call() else {
                break;
            };
            let call = self.call(requests);
            self.calls.push(call);
        }
    }

    fn next_call(&mut self) -> Option<Vec<Request>> {
        if let Some(request) = self.alone.pop_front() {
            return Some(vec![request]);
        }
        if !self.again.is_empty() {
            let mut bytes = 0;
            let fits = |request: &&Request| {
                bytes += request.size;
                bytes <= CALL_BYTES
            };
            let count = self.again.iter().take(self.call_requests).take_while(fits);
            let count = count.count().max(1);
            return Some(self.again.drain(..count).collect());
        }
        let full = self.filling.len() == self.call_requests || self.held.is_some() || self.ended;
        if self.filling.is_empty() || !full {
            return None;
        }
        self.filling_bytes = 0;
        Some(std::mem::take(&mut self.filling))
    }

    fn call(&mut self, requests: Vec<Request>) -> Call {
        let charged = match &mut self.pace {
            Some(pace) => pace.charge(Instant::now()),
            None => 0.0,
        };
        let capacity = self.table.counts_capacity(self.options.max_capacity);
        let body = request::body(&self.table.name, &requests, capacity.is_some());
        let length = body.len().to_string();
        let body = SdkBody::from(body);
        let call = self
            .client
            .batch_write_item()
            .customize()
            .mutate_request(move |request| {
                request
                    .headers_mut()
                    .insert("content-length", length.clone());
                // A body of bytes can always be cloned.
                *request.body_mut() = body.try_clone().unwrap_or_else(SdkBody::empty);
            });
        Box::pin(async move { (requests, charged, call.send().await) })
    }

    fn take_answer(
        &mut self,
        requests: Vec<Request>,
        answer: Result<BatchWriteItemOutput, Failure>,
    ) {
        if self.alone.is_empty() {
            self.one_by_one = false;
        }
        match answer {
            // An answer that does not say what was left is none: the list of it
            // is there when it is empty, too.
            Ok(output) if output.unprocessed_items.is_none() => {
                self.again(requests);
                self.slow_down(&self.table.empty_answer());
            }
            Ok(output) => self.take_output(requests, &output),
            Err(error) if retry::is_transient(&error) => {
                let cause = self.table.error(error);
                self.again(requests);
                self.slow_down(&cause);
            }
            Err(error) if aws::code_of(&error) == Some("ValidationException") => {
                self.take_refusal(requests, &error);
            }
            Err(error) => {
                let error = self.table.error(error);
                self.again.extend(requests);
                self.stop(error);
            }
        }
    }

    fn take_output(&mut self, requests: Vec<Request>, output: &BatchWriteItemOutput) {
        self.result.consumed_capacity += units(output);
        let returned: Vec<_> = output
            .unprocessed_items
            .iter()
            .flat_map(|tables| tables.values().flatten())
            .map(request::hash_of_returned)
            .collect();
        let (again, done): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .partition(|request| returned.contains(&Some(request.key)));
        for request in &done {
            self.busy.remove(&request.key);
        }
        self.result.written += done.len() as u64;
        if again.len() != returned.len() {
            self.stop(Error::Failed(format!(
                "DynamoDB at {} handed back items that it was not given",
                self.table.at
            )));
        }
        if again.is_empty() {
            self.patience.success();
            self.window = (self.window + 1).min(self.options.in_flight.max(1));
            return;
        }
        if !done.is_empty() {
            self.patience.progress();
        }
        self.again(again);
        self.slow_down(&Error::Failed("it handed every item back".to_owned()));
    }

    /// DynamoDB refuses a call for a single bad item, and does not say which.
    fn take_refusal(&mut self, requests: Vec<Request>, error: &Failure) {
        if requests.len() > 1 {
            self.alone.extend(requests);
            self.one_by_one = self.options.stop_on_rejection;
            return;
        }
        let message = aws::ProvideErrorMetadata::message(error).unwrap_or("no reason given");
        let message = aws::shortened(message);
        for request in requests {
            self.busy.remove(&request.key);
            self.result.rejected_total += 1;
            if self.result.rejected.len() < KEPT_REJECTIONS {
                self.result.rejected.push(Rejected {
                    tag: request.tag,
                    message: message.clone(),
                });
            }
        }
    }

    fn again(&mut self, requests: Vec<Request>) {
        self.result.resent += requests.len() as u64;
        self.again.extend(requests);
    }

    /// Fewer calls at once, and none for a while.
    fn slow_down(&mut self, cause: &Error) {
        self.window = (self.window / 2).max(1);
        match self.patience.failure() {
            Some(pause) => self.not_before = self.not_before.max(Instant::now() + pause),
            None => self.stop(match cause {
                Error::Unreachable { .. } | Error::WrongServer { .. } => cause.clone(),
                _ => Error::Failed(format!(
                    "DynamoDB at {} took nothing for {} s: {cause}",
                    self.table.at,
                    self.options.patience.as_secs()
                )),
            }),
        }
    }

    fn stop(&mut self, error: Error) {
        self.result.stopped.get_or_insert(error);
    }

    fn finish(mut self) -> Written {
        debug_assert!(!self.has_unsent(), "it ended without a reason");
        let tags: Vec<u64> = self.unsent().map(|request| request.tag).collect();
        self.result.unwritten = tags.len() as u64;
        self.result.first_unwritten = tags.into_iter().min();
        self.result
    }
}

fn units(output: &BatchWriteItemOutput) -> f64 {
    let tables = output.consumed_capacity().iter();
    tables.filter_map(|capacity| capacity.capacity_units).sum()
}

//! Reads a stream: every shard, parents before children, from a position on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use super::checkpoint::{Checkpoint, Position};
use super::client::{From, Page, Shard, Streams, Unread};
use super::record::StreamRecord;
use crate::ddb::Table;
use crate::{Error, Result};

/// How many shards are read at once.
const AT_ONCE: usize = 8;
/// How often the table is asked whether its stream is still the same one. The
/// answer is not cheap: DynamoDB Local counts the table's items for it.
const LOOK_AFTER: Duration = Duration::from_secs(5);
/// How often in a row a position is given up before its error is believed.
const RESETS: u32 = 5;

/// Where reading begins when there is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record that the stream still has.
    Oldest,
    /// With what happens from now on.
    Now,
}

/// What one round over all shards gave.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    pub records: Vec<StreamRecord>,
    /// Every shard that was to be read could be.
    pub complete: bool,
    /// A shard has an end that was not reached.
    pub amid: bool,
    reached: Vec<(String, Position)>,
    iterators: Vec<(String, Option<String>)>,
}

/// A stream that is being read.
pub(crate) struct Reader<'a> {
    table: &'a Table,
    streams: &'a Streams,
    checkpoint: Checkpoint,
    shards: Vec<Shard>,
    iterators: BTreeMap<String, String>,
    /// The shards of the first listing, where reading begins with what is new.
    at_start: Vec<String>,
    /// When the table was last asked; not since something went wrong.
    looked: Option<Instant>,
    /// How often in a row reading a shard had to begin anew.
    resets: BTreeMap<String, u32>,
    /// Whether the stream is another one than before, and read from its beginning.
    replaced: bool,
    /// Whether records may have gone before they were read.
    gap: bool,
}

impl<'a> Reader<'a> {
    /// Finds the table's stream, and goes on at the checkpoint if it is of it.
    pub(crate) async fn open(
        table: &'a Table,
        streams: &'a Streams,
        start: Start,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Reader<'a>> {
        let arn = table.stream_arn().await?;
        let checkpoint = checkpoint.filter(|checkpoint| checkpoint.stream_arn == arn);
        let mut reader = Reader {
            table,
            streams,
            checkpoint: checkpoint.unwrap_or_else(|| Checkpoint::new(&arn)),
            shards: Vec::new(),
            iterators: BTreeMap::new(),
            at_start: Vec::new(),
            looked: Some(Instant::now()),
            resets: BTreeMap::new(),
            replaced: false,
            gap: false,
        };
        reader.list().await?;
        if start == Start::Now {
            reader.skip_to_now();
        }
        Ok(reader)
    }

    /// Whether the stream was replaced by another one, since this was asked.
    pub(crate) fn take_replaced(&mut self) -> bool {
        std::mem::take(&mut self.replaced)
    }

    /// Whether records may have gone before they were read, since this was asked.
    pub(crate) fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }

    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Reads each shard that can be read once. Nothing counts as read until
    /// [`Reader::commit`] is called.
    pub(crate) async fn sweep(&mut self) -> Result<Sweep> {
        let mut sweep = Sweep::default();
        let looked = self.looked.map(|looked| looked.elapsed());
        if self.active().is_empty() || looked.is_none_or(|ago| ago >= LOOK_AFTER) {
            self.look().await?;
        }
        let active = self.active();
        let reader = &*self;
        let pages: Vec<(String, Result<Page, Unread>)> = futures_util::stream::iter(active)
            .map(|shard| async move {
                let page = reader.read(&shard).await;
                (shard, page)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        sweep.complete = true;
        for (shard, page) in pages {
            match page {
                Ok(page) => {
                    self.resets.remove(&shard);
                    sweep.amid |= page.next.is_some() && self.is_closed(&shard);
                    sweep.add(shard, page);
                }
                Err(unread) => {
                    sweep.complete = false;
                    if self.recover(&shard, unread).await? {
                        // The other pages are of the stream before this one.
                        return Ok(Sweep::default());
                    }
                }
            }
        }
        Ok(sweep)
    }

    /// Takes note that the records of a sweep were dealt with. Says whether
    /// that moved the checkpoint.
    pub(crate) async fn commit(&mut self, sweep: Sweep) -> Result<bool> {
        for (shard, iterator) in sweep.iterators {
            match iterator {
                Some(iterator) => self.iterators.insert(shard, iterator),
                None => self.iterators.remove(&shard),
            };
        }
        let moved = !sweep.reached.is_empty();
        let ended = sweep.reached.iter().any(|(_, p)| *p == Position::Ended);
        self.checkpoint.shards.extend(sweep.reached);
        if ended {
            self.list().await?;
        }
        Ok(moved)
    }

    /// Something went wrong: the table may be another one by now.
    pub(crate) fn look_again(&mut self) {
        self.looked = None;
    }

    /// The shards to read: not at their end, and their parent is, or is gone.
    fn active(&self) -> Vec<String> {
        let ended = |id: &str| self.checkpoint.shards.get(id) == Some(&Position::Ended);
        let listed = |id: &str| self.shards.iter().any(|shard| shard.id == id);
        let ready = |parent: &Option<String>| {
            let parent = parent.as_deref();
            parent.is_none_or(|parent| ended(parent) || !listed(parent))
        };
        self.shards
            .iter()
            .filter(|shard| !ended(&shard.id) && ready(&shard.parent))
            .map(|shard| shard.id.clone())
            .collect()
    }

    /// Whether another continues it, so that it has an end. (The embedded engine
    /// gives the last number of every shard, as AWS does of closed ones.)
    fn is_closed(&self, id: &str) -> bool {
        let continues = |shard: &Shard| shard.parent.as_deref() == Some(id);
        self.shards.iter().any(continues)
    }

    async fn read(&self, shard: &str) -> Result<Page, Unread> {
        let iterator = match self.iterators.get(shard) {
            Some(iterator) => iterator.clone(),
            None => {
                let arn = &self.checkpoint.stream_arn;
                self.streams.iterator(arn, shard, self.from(shard)).await?
            }
        };
        self.streams.read(&iterator).await
    }

    fn from(&self, shard: &str) -> From {
        let position = self.checkpoint.shards.get(shard);
        match position.and_then(Position::from) {
            Some(from) => from,
            None if self.at_start.iter().any(|id| id == shard) => From::Latest,
            None => From::TrimHorizon,
        }
    }

    /// Does what makes the next read of the shard work, if anything does. Says
    /// whether the stream is another one now.
    async fn recover(&mut self, shard: &str, unread: Unread) -> Result<bool> {
        let resets = self.resets.entry(shard.to_owned()).or_default();
        // What fails has nothing to do with where the shard is read.
        *resets += u32::from(!matches!(unread, Unread::Failed(_)));
        let believed = *resets > RESETS;
        let expired = matches!(unread, Unread::Expired(_));
        let error = match unread {
            Unread::Failed(error) => return Err(error),
            Unread::Gone if !believed => return self.look().await,
            Unread::Expired(error) | Unread::Stale(error) => error,
            Unread::Gone | Unread::Trimmed => Error::NotFound(format!(
                "the stream {} has no records of {shard} any more",
                self.checkpoint.stream_arn
            )),
        };
        if believed {
            return Err(error);
        }
        // A new iterator may do; where that does not, the position is wrong.
        let known = self.iterators.remove(shard).is_some();
        self.gap |= match known || expired {
            false => self.checkpoint.shards.remove(shard).is_some(),
            // Without a position a new one begins with what comes from now on.
            true => matches!(self.from(shard), From::Latest),
        };
        Ok(false)
    }

    /// Looks whether the table's stream is still this one, and lists its shards.
    async fn look(&mut self) -> Result<bool> {
        let arn = self.table.stream_arn().await?;
        self.looked = Some(Instant::now());
        let replaced = arn != self.checkpoint.stream_arn;
        if replaced {
            self.checkpoint = Checkpoint::new(&arn);
            self.iterators.clear();
            self.at_start.clear();
            self.replaced = true;
        }
        self.list().await?;
        Ok(replaced)
    }

    async fn list(&mut self) -> Result<()> {
        let shards = self.streams.shards(&self.checkpoint.stream_arn).await?;
        self.shards = shards.unwrap_or_default();
        // What the stream no longer lists will not come back.
        let listed = |id: &String| self.shards.iter().any(|shard| shard.id == *id);
        self.gap |= self
            .checkpoint
            .shards
            .iter()
            .any(|(id, position)| !listed(id) && *position != Position::Ended);
        self.checkpoint.shards.retain(|id, _| listed(id));
        self.iterators.retain(|id, _| listed(id));
        Ok(())
    }

    /// Leaves out all that is there already: closed shards, which are those
    /// with children, and the records of the others.
    fn skip_to_now(&mut self) {
        for shard in &self.shards {
            let id = shard.id.clone();
            if self.is_closed(&id) {
                self.checkpoint.shards.insert(id, Position::Ended);
            } else {
                self.at_start.push(id);
            }
        }
    }
}

impl Sweep {
    fn add(&mut self, shard: String, page: Page) {
        let last = page.records.iter().rev();
        let last = last.map(|r| &r.sequence_number).find(|n| !n.is_empty());
        if page.next.is_none() {
            self.reached.push((shard.clone(), Position::Ended));
        } else if let Some(number) = last {
            self.reached
                .push((shard.clone(), Position::After(number.clone())));
        }
        self.iterators.push((shard, page.next));
        self.records.extend(page.records);
    }
}

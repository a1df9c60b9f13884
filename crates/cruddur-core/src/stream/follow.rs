//! Follows a table's stream: keeps its conversations up to date, or hands its
//! records to whoever watches.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use super::apply::{Applied, apply, foretell};
use super::checkpoint::Checkpoint;
use super::client::Streams;
use super::reader::{Reader, Start, Sweep};
use super::record::StreamRecord;
use crate::ddb::Table;
use crate::{Error, Result};

/// How long nothing is asked after nothing was found, at first and at most.
const IDLE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// How long nothing is asked after an error, at first and at most.
const LOST: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// After how many rounds without a record a stream counts as drained, on this
/// machine and in AWS, which answers with empty pages amid records ("it might take
/// multiple calls to get to a portion of the shard that contains stream records",
/// `GetRecords`).
const QUIET_ROUNDS: (u32, u32) = (5, 50);
/// After how many such rounds amid a shard that has an end nobody believes in it.
const LONGEST_SHARD: u32 = 2_000;
/// The pause between two of these, at first and at most. DynamoDB Local and the
/// embedded engine have a record as soon as its write is answered: the pauses before
/// their five rounds are no more than 30 ms.
const QUIET: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// Something that happened on the way and that a person may want to know.
#[derive(Debug, Clone)]
pub enum Notice {
    /// The stream cannot be read, or the table not be written. It is tried
    /// again until it can; this is said once.
    Lost(Error),
    /// It can again.
    Back,
    /// The table has another stream than before: it is read from its beginning.
    Replaced,
    /// The stream no longer holds what may have come next: DynamoDB keeps a record
    /// for 24 hours. It goes on with the oldest that there is.
    Gap,
}

/// Is told what following a stream does.
pub trait Sink {
    /// A batch of records was applied, or is to be shown. Of one that has to be
    /// applied again, it is without the records, what was moved by then.
    ///
    /// # Errors
    ///
    /// End the following.
    fn batch(&mut self, records: &[StreamRecord], applied: &Applied) -> Result<()>;

    /// Everything up to here is done. To be kept for the next start.
    ///
    /// # Errors
    ///
    /// End the following.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()>;

    /// Something else happened.
    fn notice(&mut self, notice: Notice);
}

/// Keeps the conversations of a table up to date until `shutdown` resolves:
/// pattern E over its stream, from the checkpoint on or from the oldest record.
///
/// Every record is applied at least once: the checkpoint is handed out after
/// its records were. A server that goes away is waited for, and a stream that
/// was replaced is followed from its beginning. On shutdown the batch in hand
/// is finished first.
///
/// With `dry_run` it says what it would do, as [`foretell`] does, writes nothing
/// and hands out no checkpoint.
///
/// # Errors
///
/// What stands in the way at the start: no table, [`Error::TableIncomplete`]
/// where it has no stream, [`Error::TableDiffers`] where its stream carries no new
/// images, nobody who answers. Later only what does not pass by itself, such as
/// [`Error::TableIncomplete`] where a message finds no index.
pub async fn follow(
    table: &Table,
    streams: &Streams,
    checkpoint: Option<Checkpoint>,
    dry_run: bool,
    sink: &mut impl Sink,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let mut shutdown = pin!(shutdown);
    let reader = tokio::select! {
        reader = Reader::open(table, streams, Start::Oldest, checkpoint) => reader?,
        () = &mut shutdown => return Ok(()),
    };
    let mut follower = Follower::new(Work::on(table, dry_run), reader, sink);
    follower.run(shutdown).await
}

/// Applies what the stream holds and returns when nothing more comes; `dry_run`
/// as for [`follow`].
///
/// # Errors
///
/// As [`follow`], and whatever else goes wrong: nothing is waited for.
pub async fn drain(
    table: &Table,
    streams: &Streams,
    checkpoint: Option<Checkpoint>,
    dry_run: bool,
    sink: &mut impl Sink,
) -> Result<()> {
    let reader = Reader::open(table, streams, Start::Oldest, checkpoint).await?;
    let mut follower = Follower::new(Work::on(table, dry_run), reader, sink);
    let (mut quiet, mut pause) = (0, Pause::new(QUIET));
    let enough = match table.is_in_production() {
        false => QUIET_ROUNDS.0,
        true => QUIET_ROUNDS.1,
    };
    loop {
        let sweep = follower.reader.sweep().await?;
        let (complete, amid) = (sweep.complete, sweep.amid);
        if follower.deal_with(sweep).await? {
            quiet = 0;
            pause.reset();
            continue;
        }
        quiet = if complete { quiet + 1 } else { 0 };
        match amid {
            false if quiet >= enough => return Ok(()),
            true if quiet >= LONGEST_SHARD => return Err(streams.has_no_end()),
            _ => {}
        }
        tokio::time::sleep(pause.next()).await;
    }
}

/// Hands out the records of a table's stream until `shutdown` resolves, and
/// changes nothing. No checkpoint is handed out.
///
/// # Errors
///
/// As [`follow`].
pub async fn tail(
    table: &Table,
    streams: &Streams,
    start: Start,
    sink: &mut impl Sink,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let mut shutdown = pin!(shutdown);
    let reader = tokio::select! {
        reader = Reader::open(table, streams, start, None) => reader?,
        () = &mut shutdown => return Ok(()),
    };
    let mut follower = Follower::new(Work::Show, reader, sink);
    follower.run(shutdown).await
}

/// What is done with records.
#[derive(Clone, Copy)]
enum Work<'a> {
    /// They are applied to a table.
    Apply(&'a Table),
    /// It is told what that would do.
    Foretell(&'a Table),
    /// They are handed out, and no more.
    Show,
}

impl<'a> Work<'a> {
    fn on(table: &'a Table, dry_run: bool) -> Work<'a> {
        match dry_run {
            true => Work::Foretell(table),
            false => Work::Apply(table),
        }
    }
}

struct Follower<'a, S> {
    work: Work<'a>,
    reader: Reader<'a>,
    sink: &'a mut S,
    /// What was read and could not be applied yet.
    pending: Option<Sweep>,
}

impl<'a, S: Sink> Follower<'a, S> {
    fn new(work: Work<'a>, reader: Reader<'a>, sink: &'a mut S) -> Self {
        Follower {
            work,
            reader,
            sink,
            pending: None,
        }
    }

    async fn run(&mut self, mut shutdown: Pin<&mut impl Future<Output = ()>>) -> Result<()> {
        let (mut idle, mut lost) = (Pause::new(IDLE), Pause::new(LOST));
        loop {
            // Reading may be cut off anywhere, applying may not.
            let sweep = tokio::select! {
                sweep = self.next() => sweep,
                () = &mut shutdown => return Ok(()),
            };
            let found = match sweep {
                Ok(sweep) => self.deal_with(sweep).await,
                Err(error) => Err(error),
            };
            let pause = match found {
                Ok(found) => {
                    if lost.reset() {
                        self.sink.notice(Notice::Back);
                    }
                    if found {
                        idle.reset();
                        continue;
                    }
                    idle.next()
                }
                Err(error) if passes(&error) => {
                    if !lost.is_running() {
                        self.sink.notice(Notice::Lost(error));
                    }
                    self.reader.look_again();
                    lost.next()
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut shutdown => return Ok(()),
            }
        }
    }

    async fn next(&mut self) -> Result<Sweep> {
        match self.pending.take() {
            Some(sweep) => Ok(sweep),
            None => self.reader.sweep().await,
        }
    }

    /// Applies what was read, then takes note of it. Says whether there was
    /// anything, or a shard came to its end, behind which there may be more.
    async fn deal_with(&mut self, sweep: Sweep) -> Result<bool> {
        if self.reader.take_replaced() {
            self.sink.notice(Notice::Replaced);
        }
        if self.reader.take_gap() {
            self.sink.notice(Notice::Gap);
        }
        let found = !sweep.records.is_empty();
        if found {
            let applied = match self.work {
                Work::Apply(table) => apply(table, &sweep.records).await,
                Work::Foretell(table) => foretell(table, &sweep.records).await,
                Work::Show => Applied::default(),
            };
            if let Some(cause) = applied.cause().cloned() {
                // The next time these stand there already.
                let moved = applied.moved;
                self.sink.batch(
                    &[],
                    &Applied {
                        moved,
                        ..Applied::default()
                    },
                )?;
                // Records of a table that is gone are not to be applied to the
                // one that takes its place.
                let kept = !matches!(cause, Error::TableNotFound { .. });
                self.pending = kept.then_some(sweep);
                return Err(cause);
            }
            self.sink.batch(&sweep.records, &applied)?;
        }
        let moved = self.reader.commit(sweep).await?;
        if moved && matches!(self.work, Work::Apply(_)) {
            self.sink.checkpoint(self.reader.checkpoint())?;
        }
        Ok(found || moved)
    }
}

/// Whether an error may be over by itself: a server that is being started
/// again, a table that is dropped and created anew.
fn passes(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::WrongServer { .. }
            | Error::Service { .. }
            | Error::TableNotFound { .. }
            | Error::NotFound(_)
    )
}

/// A pause that doubles up to a bound.
struct Pause {
    bounds: (Duration, Duration),
    next: Duration,
}

impl Pause {
    fn new(bounds: (Duration, Duration)) -> Pause {
        Pause {
            bounds,
            next: bounds.0,
        }
    }

    fn is_running(&self) -> bool {
        self.next != self.bounds.0
    }

    fn next(&mut self) -> Duration {
        let longer = (self.next * 2).min(self.bounds.1);
        std::mem::replace(&mut self.next, longer)
    }

    /// Starts over. Says whether it had been running.
    fn reset(&mut self) -> bool {
        std::mem::replace(&mut self.next, self.bounds.0) != self.bounds.0
    }
}

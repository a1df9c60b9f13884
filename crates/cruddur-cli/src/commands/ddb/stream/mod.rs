//! `cruddur ddb stream`: the table's stream.

mod apply;
pub mod checkpoint;
mod drain;
mod replay;
mod tail;

use clap::Subcommand;
use cruddur_core::Error;
use cruddur_core::stream::{Applied, Failure};
use serde::Serialize;

use crate::context::Context;
use crate::ui::counted;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum StreamCommand {
    /// Keep conversations up to date with new messages until Ctrl-C (pattern E)
    Apply(apply::ApplyArgs),
    /// Apply what the stream holds, and end when nothing more comes
    Drain(drain::DrainArgs),
    /// Show the changes of the table as they come; changes nothing
    Tail(tail::TailArgs),
    /// Apply an event as AWS Lambda receives it
    Replay(replay::ReplayArgs),
}

pub async fn run(context: &Context, command: StreamCommand) -> anyhow::Result<()> {
    match command {
        StreamCommand::Apply(args) => apply::apply(context, &args).await,
        StreamCommand::Drain(args) => drain::drain(context, &args).await,
        StreamCommand::Tail(args) => tail::tail(context, &args).await,
        StreamCommand::Replay(args) => replay::replay(context, &args).await,
    }
}

/// What is said where records went unread.
const GAP: &str = "the stream may have lost messages since it was last followed (it keeps them for \
                   24 hours); those conversations move with their next message";

/// What came of the records so far.
#[derive(Debug, Default, Serialize)]
struct Totals {
    records: usize,
    moved: usize,
    unchanged: usize,
    ignored: usize,
    failed: usize,
    /// Those that nobody has been told of yet.
    failures: Vec<Failure>,
    dry_run: bool,
}

impl Totals {
    fn new(dry_run: bool) -> Totals {
        Totals {
            dry_run,
            ..Totals::default()
        }
    }

    fn add(&mut self, records: usize, applied: &Applied) {
        self.records += records;
        self.moved += applied.moved.len();
        self.unchanged += applied.unchanged;
        self.ignored += applied.ignored;
        self.failed += applied.failures.len();
        self.failures.extend_from_slice(&applied.failures);
    }

    /// Prints them, and fails if a record did. `later` is what becomes of that one.
    fn show(&self, context: &Context, later: &str) -> anyhow::Result<()> {
        let (moved, were) = match self.dry_run {
            true => ("would be moved", "would not be"),
            false if self.failures.len() == 1 => ("moved", "was not"),
            false => ("moved", "were not"),
        };
        let printed = context.ui.show(self, |out| {
            writeln!(
                out,
                "{}: {} {moved}, {} up to date, {} ignored, {} failed",
                counted(self.records as u64, "record"),
                counted(self.moved as u64, "group"),
                self.unchanged,
                counted(self.ignored as u64, "record"),
                self.failed
            )
        });
        if self.failures.is_empty() {
            return Ok(printed?);
        }
        let message = format!(
            "{} of {} {were} applied to {}{later}",
            self.failures.len(),
            counted(self.records as u64, "record"),
            context.target.table.value
        );
        let not_done = self.failures.iter().map(ToString::to_string).collect();
        Err(match self.failures.len() < self.records {
            true => Error::Partial { message, not_done },
            false => Error::NotDone { message, not_done },
        }
        .into())
    }
}

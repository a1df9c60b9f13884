use std::io::{self, Write as _};

use clap::Args;
use cruddur_core::ddb::Table;
use cruddur_core::stream::{Applied, Checkpoint, Notice, Sink, StreamRecord, Streams, follow};
use cruddur_core::{Error, time};
use tokio::sync::oneshot;

use super::Totals;
use super::checkpoint::CheckpointFile;
use crate::app::Interruption;
use crate::args::{DryRun, Output};
use crate::context::Context;
use crate::ui::{Ui, printable_line};

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Begin with the oldest record of the stream, not where the last run ended
    #[arg(long)]
    from_start: bool,
    #[command(flatten)]
    dry: DryRun,
}

pub async fn apply(context: &Context, args: &ApplyArgs) -> anyhow::Result<()> {
    let table = Table::connect(&context.target).await?;
    let streams = Streams::connect(&context.target).await?;
    let file = CheckpointFile::of(&context.folder, table.name(), context.target.production)?;
    let checkpoint = match args.from_start {
        true => None,
        false => file.load(&context.ui),
    };
    let dry_run = args.dry.dry_run;
    let mut sink = Follower {
        ui: context.ui,
        at: streams.at().to_owned(),
        file,
        totals: Totals::new(dry_run),
        failed: None,
    };
    let mut interruption = Interruption::listen();
    context.ui.status(format_args!(
        "following the stream of {} at {}; Ctrl-C ends it",
        table.name(),
        streams.at()
    ));
    // Listens from the first moment, whatever the follower is busy with. The
    // batch in hand is finished, unless someone insists.
    let (stop, stopped) = oneshot::channel();
    let twice = async {
        interruption.recv().await;
        let _ = stop.send(());
        interruption.recv().await;
    };
    let stopped = async {
        // An error would be that nobody can stop it any more: it has ended.
        let _ = stopped.await;
    };
    let result = tokio::select! {
        result = follow(&table, &streams, checkpoint, dry_run, &mut sink, stopped) => result,
        () = twice => Err(Error::Interrupted),
    };
    if let Some(error) = sink.failed {
        return Err(error.into());
    }
    result?;
    let totals = sink.totals;
    match context.ui.output {
        Output::Jsonl => {}
        _ => totals.show(context, "")?,
    }
    Err(Error::Interrupted.into())
}

/// Keeps the checkpoint, and tells a person what happens.
struct Follower {
    ui: Ui,
    at: String,
    file: CheckpointFile,
    totals: Totals,
    /// Why nothing can be printed any more.
    failed: Option<io::Error>,
}

impl Sink for Follower {
    fn batch(&mut self, records: &[StreamRecord], applied: &Applied) -> Result<(), Error> {
        self.totals.add(records.len(), applied);
        for failure in &applied.failures {
            self.ui.warning(failure);
        }
        // Not to grow with the stream.
        self.totals.failures.clear();
        self.print(applied).map_err(|error| {
            self.failed = Some(error);
            Error::Interrupted
        })
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.file.save(checkpoint)
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Lost(error) => self
                .ui
                .warning(format_args!("{error}; this is tried again until it works")),
            Notice::Back => self.ui.status(format_args!("{} is back", self.at)),
            Notice::Replaced => self
                .ui
                .status("the table has another stream; following it from its beginning"),
            Notice::Gap => self.ui.warning(super::GAP),
        }
    }
}

impl Follower {
    fn print(&self, applied: &Applied) -> io::Result<()> {
        if applied.moved.is_empty() {
            return Ok(());
        }
        match self.ui.output {
            Output::Jsonl => self.ui.lines(&applied.moved),
            Output::Json => Ok(()),
            Output::Table => {
                let mut out = self.ui.out();
                let moved = match self.totals.dry_run {
                    true => "would move",
                    false => "moved",
                };
                for group in &applied.moved {
                    let at = time::to_key(group.last_message_at);
                    let uuid = printable_line(&group.message_group_uuid);
                    writeln!(out, "{moved} {uuid} to {at}")?;
                }
                out.flush()
            }
        }
    }
}

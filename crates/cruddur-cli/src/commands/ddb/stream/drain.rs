use clap::Args;
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::stream::{Applied, Checkpoint, Notice, Sink, StreamRecord, Streams};

use super::Totals;
use super::checkpoint::CheckpointFile;
use crate::args::DryRun;
use crate::context::Context;
use crate::ui::{Ui, counted};

/// What becomes of records that failed.
const PASSED_OVER: &str = ", and passed over from now on; --from-start tries them again";

#[derive(Debug, Args)]
pub struct DrainArgs {
    /// Begin with the oldest record of the stream, not where the last run ended
    #[arg(long)]
    from_start: bool,
    #[command(flatten)]
    dry: DryRun,
}

pub async fn drain(context: &Context, args: &DrainArgs) -> anyhow::Result<()> {
    let table = Table::connect(&context.target).await?;
    let streams = Streams::connect(&context.target).await?;
    let file = CheckpointFile::of(&context.folder, table.name(), context.target.production)?;
    let checkpoint = match args.from_start {
        true => None,
        false => file.load(&context.ui),
    };
    let dry_run = args.dry.dry_run;
    let mut sink = Drain {
        ui: context.ui,
        file,
        totals: Totals::new(dry_run),
    };
    let drained =
        cruddur_core::stream::drain(&table, &streams, checkpoint, dry_run, &mut sink).await;
    match drained {
        Ok(()) if dry_run => sink.totals.show(context, ""),
        Ok(()) => sink.totals.show(context, PASSED_OVER),
        Err(cause) if sink.totals.moved == 0 || dry_run => Err(cause.into()),
        Err(cause) => {
            let moved = counted(sink.totals.moved as u64, "group");
            Err(Error::Partial {
                message: format!("{moved} moved, then: {cause}"),
                not_done: vec![format!("the rest of the stream of {}", table.name())],
            }
            .into())
        }
    }
}

struct Drain {
    ui: Ui,
    file: CheckpointFile,
    totals: Totals,
}

impl Sink for Drain {
    fn batch(&mut self, records: &[StreamRecord], applied: &Applied) -> Result<(), Error> {
        self.totals.add(records.len(), applied);
        Ok(())
    }

    /// Goes past a record that is to blame for its failure, which would fail again.
    /// Any other failure ends the run before this.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.file.save(checkpoint)
    }

    fn notice(&mut self, notice: Notice) {
        if let Notice::Gap = notice {
            self.ui.warning(super::GAP);
        }
    }
}

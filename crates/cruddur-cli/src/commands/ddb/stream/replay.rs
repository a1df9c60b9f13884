use std::path::PathBuf;

use clap::Args;
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::stream::StreamEvent;

use super::Totals;
use crate::args::DryRun;
use crate::context::Context;
use crate::input;

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The event, {"Records":[…]}; - reads standard input
    file: PathBuf,
    #[command(flatten)]
    dry: DryRun,
}

pub async fn replay(context: &Context, args: &ReplayArgs) -> anyhow::Result<()> {
    let text = input::text(&args.file).await?;
    let event = StreamEvent::parse(&text).map_err(|(line, message)| Error::Input {
        file: args.file.display().to_string(),
        line: Some(line),
        message,
    })?;
    let table = Table::connect(&context.target).await?;
    if let Some(other) = event.table().filter(|other| *other != table.name()) {
        context.ui.status(format_args!(
            "the event is of the table {other}; it is applied to {} at {}",
            table.name(),
            table.at()
        ));
    }
    let dry_run = args.dry.dry_run;
    let applied = match dry_run {
        true => cruddur_core::stream::foretell(&table, &event.records).await,
        false => cruddur_core::stream::apply(&table, &event.records).await,
    };
    if let Some(cause) = applied.cause() {
        // No record is to blame for a table that is not there.
        return Err(cause.clone().into());
    }
    let mut totals = Totals::new(dry_run);
    totals.add(event.records.len(), &applied);
    totals.show(context)
}

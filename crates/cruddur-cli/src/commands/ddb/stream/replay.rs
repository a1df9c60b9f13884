use std::path::PathBuf;

use clap::Args;
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::stream::StreamEvent;

use super::Totals;
use crate::args::DryRun;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::input;

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The event, {"Records":[…]}; - reads standard input
    file: PathBuf,
    #[command(flatten)]
    confirmation: Confirmation,
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
    let dry_run = args.dry.dry_run;
    // Its messages may be none of this table's, whose conversations they move.
    if !event.is_of(table.name()) {
        context.ui.detail(format_args!(
            "the event is of {}; it is applied to {} at {}",
            match event.table() {
                Some(other) => format!("the table {other}"),
                None => "a table that it does not name".to_owned(),
            },
            table.name(),
            table.at()
        ));
        if !dry_run {
            args.confirmation.require(context, table.name()).await?;
        }
    }
    let applied = match dry_run {
        true => cruddur_core::stream::foretell(&table, &event.records).await,
        false => cruddur_core::stream::apply(&table, &event.records).await,
    };
    let mut totals = Totals::new(dry_run);
    totals.add(event.records.len(), &applied);
    match applied.cause() {
        // No record is to blame for a table that is not there.
        Some(cause) if totals.moved == 0 => Err(cause.clone().into()),
        _ => totals.show(context, ""),
    }
}

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::stream::StreamEvent;

use super::Totals;
use crate::commands::ddb::unreadable;
use crate::commands::utf8;
use crate::context::Context;

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The event, {"Records":[…]}; - reads standard input
    file: PathBuf,
}

pub async fn replay(context: &Context, args: &ReplayArgs) -> anyhow::Result<()> {
    let name = args.file.display().to_string();
    let bytes = read(&args.file).map_err(|error| unreadable(&name, &error))?;
    let text = utf8(&name, bytes)?;
    let event = StreamEvent::parse(&text).map_err(|(line, message)| Error::Input {
        file: name,
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
    let applied = cruddur_core::stream::apply(&table, &event.records).await;
    if let Some(cause) = applied.cause() {
        // No record is to blame for a table that is not there.
        return Err(cause.clone().into());
    }
    let mut totals = Totals::default();
    totals.add(event.records.len(), &applied);
    totals.show(context)
}

fn read(file: &PathBuf) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

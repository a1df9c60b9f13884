use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cruddur_core::ddb::Table;
use cruddur_core::ddb::batch::WriteOptions;
use cruddur_core::ddb::import::{ImportOptions, OnError};
use serde::Serialize;

use super::MaxCapacity;
use crate::args::DryRun;
use crate::bar::Bar;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::input;
use crate::ui::{counted, printable};

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What `ddb scan --raw` printed, -o json or jsonl, or AWS's export to S3; - reads standard input
    file: PathBuf,
    /// What to do after a bad line
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    on_error: Then,
    #[command(flatten)]
    pace: MaxCapacity,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    dry: DryRun,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Then {
    /// They are not written
    #[default]
    Stop,
    /// They are written
    Continue,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    table: &'a str,
    at: &'a str,
    read: u64,
    written: u64,
    consumed_capacity: f64,
    dry_run: bool,
}

pub async fn import(context: &Context, args: &ImportArgs) -> anyhow::Result<()> {
    let options = ImportOptions {
        on_error: match args.on_error {
            Then::Stop => OnError::Stop,
            Then::Continue => OnError::Continue,
        },
        dry_run: args.dry.dry_run,
        write: WriteOptions {
            max_capacity: args.pace.max_capacity,
            ..WriteOptions::default()
        },
    };
    let source = input::open(&args.file).await?;
    let table = Table::connect(&context.target).await?;
    if options.dry_run {
        // Nothing would be written to a table that is not there.
        table.summary().await?;
    } else {
        guard(context, args, &table).await?;
    }
    let bar = Bar::new(&context.ui, None, "items written");
    let imported = table
        .import(source, &options, &mut |done| bar.set(done, None))
        .await;
    drop(bar);
    let imported = imported.into_result(&args.file.display().to_string(), options.on_error)?;
    if imported.read == 0 {
        // Nothing was sent, so nobody knows yet whether the table is there.
        table.summary().await?;
        let file = args.file.display();
        context.ui.warning(format_args!("{file} holds no items"));
    }
    if imported.goes_on {
        context.ui.warning(format_args!(
            "{} is a part of a table: the answer in it says that there is more",
            args.file.display()
        ));
    }
    let report = Report {
        table: table.name(),
        at: table.at(),
        read: imported.read,
        written: if options.dry_run { 0 } else { imported.written },
        consumed_capacity: imported.consumed_capacity,
        dry_run: options.dry_run,
    };
    context.ui.show(&report, |out| {
        let place = printable(&format!("table {} at {}", table.name(), table.at()));
        let items = counted(imported.written, "item");
        match options.dry_run {
            true => writeln!(out, "would write {items} to {place}"),
            false => writeln!(out, "wrote {items} to {place}"),
        }
    })?;
    super::tell_units(context, imported.consumed_capacity, "write");
    Ok(())
}

/// In production, items are not to be written over by mistake.
async fn guard(context: &Context, args: &ImportArgs, table: &Table) -> anyhow::Result<()> {
    if !context.target.production || table.is_empty().await? {
        return Ok(());
    }
    super::announce(context, table).await?;
    args.confirmation.require(context, table.name()).await
}

use clap::Args;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::schema::{DropOptions, Dropped};
use cruddur_core::{Error, Service};
use serde::Serialize;

use crate::args::{DryRun, not_prod, table_name};
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::ui::printable;

#[derive(Debug, Args)]
pub struct DropArgs {
    /// Another table than the messages table
    #[arg(value_name = "TABLE", value_parser = named)]
    name: Option<String>,
    /// A table that is not there is no error
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    dry: DryRun,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    table: &'a str,
    at: &'a str,
    dropped: bool,
    dry_run: bool,
}

pub async fn drop(context: &Context, args: &DropArgs) -> anyhow::Result<()> {
    let mut table = Table::connect(&context.target).await?;
    match (&args.name, &context.global.table) {
        (Some(name), Some(other)) if name != other => {
            let two = format!("{name} is to be dropped, and --table names {other}");
            return Err(Error::Usage(two).into());
        }
        (Some(name), _) => table = table.named(name),
        (None, _) => {}
    }
    let options = DropOptions {
        if_exists: args.if_exists,
        dry_run: args.dry.dry_run,
        ..DropOptions::default()
    };
    context.may_drop_at(Service::DynamoDb, "--endpoint-url")?;
    if context.target.production || options.dry_run {
        let there = super::announce(context, &table).await?;
        if there && !options.dry_run {
            args.confirmation.require(context, table.name()).await?;
        }
    }
    let dropped = match table.drop(&options).await {
        Ok(dropped) => dropped == Dropped::Dropped,
        // Whoever wants it gone does not want to hear how to create it.
        Err(error @ Error::TableNotFound { .. }) => {
            let said = format!("{error}; with --if-exists that is no error");
            return Err(Error::NotFound(said).into());
        }
        Err(error) => return Err(error.into()),
    };
    let report = Report {
        table: table.name(),
        at: table.at(),
        dropped,
        dry_run: options.dry_run,
    };
    context.ui.show(&report, |out| {
        let said = match (dropped, options.dry_run) {
            (false, _) => "not there:",
            (true, false) => "dropped",
            (true, true) => "would drop",
        };
        let place = printable(&format!("table {} at {}", table.name(), table.at()));
        writeln!(out, "{said} {place}")
    })?;
    Ok(())
}

fn named(text: &str) -> Result<String, String> {
    table_name(&not_prod(text)?)
}

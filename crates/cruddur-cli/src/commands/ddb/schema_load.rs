use clap::{Args, ValueEnum};
use cruddur_core::Error;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::schema::{Billing, Loaded, SchemaOptions};
use serde::Serialize;

use crate::args::DryRun;
use crate::context::Context;
use crate::ui::printable;

#[derive(Debug, Args)]
pub struct SchemaLoadArgs {
    /// Add the index or the stream to a table that lacks them
    #[arg(long)]
    update: bool,
    /// How a new table is paid for
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    billing_mode: Mode,
    /// Read capacity units of a new table, and of its index [default: 5]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(i64).range(1..))]
    read_capacity: Option<i64>,
    /// Write capacity units of a new table, and of its index [default: 5]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(i64).range(1..))]
    write_capacity: Option<i64>,
    #[command(flatten)]
    dry: DryRun,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// A fixed number of units a second
    #[default]
    Provisioned,
    /// By request
    PayPerRequest,
}

impl SchemaLoadArgs {
    fn billing(&self) -> Result<Billing, Error> {
        match self.billing_mode {
            Mode::Provisioned => Ok(Billing::Provisioned {
                read: self.read_capacity.unwrap_or(5),
                write: self.write_capacity.unwrap_or(5),
            }),
            Mode::PayPerRequest if self.read_capacity.or(self.write_capacity).is_some() => {
                let message = "a table that is paid for by request has no capacity units";
                Err(Error::Usage(message.to_owned()))
            }
            Mode::PayPerRequest => Ok(Billing::PayPerRequest),
        }
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    table: &'a str,
    at: &'a str,
    state: &'static str,
    added: &'a [String],
    dry_run: bool,
}

pub async fn schema_load(context: &Context, args: &SchemaLoadArgs) -> anyhow::Result<()> {
    let options = SchemaOptions {
        billing: args.billing()?,
        update: args.update,
        dry_run: args.dry.dry_run,
        ..SchemaOptions::default()
    };
    let table = Table::connect(&context.target).await?;
    let loaded = table.load_schema(&options).await?;
    let (state, added): (_, &[String]) = match &loaded {
        Loaded::Created => ("created", &[]),
        Loaded::AlreadyThere => ("already_there", &[]),
        Loaded::Updated { added } => ("updated", added),
    };
    let report = Report {
        table: table.name(),
        at: table.at(),
        state,
        added,
        dry_run: options.dry_run,
    };
    let place = printable(&format!("table {} at {}", table.name(), table.at()));
    context
        .ui
        .show(&report, |out| match (&loaded, options.dry_run) {
            (Loaded::Created, false) => writeln!(out, "created {place}"),
            (Loaded::Created, true) => writeln!(out, "would create {place}"),
            (Loaded::AlreadyThere, _) => writeln!(out, "already there: {place}"),
            (Loaded::Updated { added }, false) => {
                writeln!(out, "added {} to {place}", added.join(" and "))
            }
            (Loaded::Updated { added }, true) => {
                writeln!(out, "would add {} to {place}", added.join(" and "))
            }
        })?;
    Ok(())
}

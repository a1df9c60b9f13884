//! `cruddur ddb`: the messages table.

mod drop;
mod import;
mod list_tables;
mod patterns;
mod scan;
mod schema_load;
mod seed;
pub mod stream;

use clap::{Args, Subcommand};
use cruddur_core::Error;
use cruddur_core::ddb::Table;

use crate::context::Context;
use crate::ui::counted;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum DdbCommand {
    /// Create the messages table with its index and stream
    SchemaLoad(schema_load::SchemaLoadArgs),
    /// Delete a table with everything in it
    Drop(drop::DropArgs),
    /// List every table of the endpoint
    ListTables(list_tables::ListTablesArgs),
    /// Write conversations to look at
    Seed(seed::SeedArgs),
    /// Print every item of the table
    Scan(scan::ScanArgs),
    /// Write items that a scan printed
    Import(import::ImportArgs),
    /// The access patterns: conversations and messages
    #[command(subcommand)]
    Patterns(patterns::PatternsCommand),
    /// The table's stream: keep conversations up to date, or watch it
    #[command(subcommand)]
    Stream(stream::StreamCommand),
}

// What every command takes that may consume much.
#[derive(Debug, Args)]
struct MaxCapacity {
    /// Consume at most so many capacity units a second, on average
    #[arg(long, value_name = "N", value_parser = units)]
    max_capacity: Option<f64>,
}

fn units(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(units) if (0.1..=1e9).contains(&units) => Ok(units),
        _ => Err("a number of units from 0.1 to 1000000000 is needed"),
    }
}

/// Shows what a table holds that may go; `false` where there is none.
async fn announce(context: &Context, table: &Table) -> anyhow::Result<bool> {
    let summary = match table.summary().await {
        Ok(summary) => summary,
        Err(Error::TableNotFound { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    context.ui.detail(format_args!(
        "table {} at {} ({}) holds {}, {}",
        table.name(),
        table.at(),
        summary.arn.as_deref().unwrap_or("no ARN"),
        counted(summary.items, "item"),
        counted(summary.bytes, "byte")
    ));
    Ok(true)
}

impl DdbCommand {
    /// Whether it has to know who people are.
    pub fn asks_postgres(&self) -> bool {
        use patterns::PatternsCommand::{CreateMessage, CreateMessageGroup, ListConversations};
        match self {
            DdbCommand::Patterns(ListConversations(args)) => args.user_uuid.is_none(),
            DdbCommand::Patterns(CreateMessage(_) | CreateMessageGroup(_))
            | DdbCommand::Seed(_) => true,
            _ => false,
        }
    }
}

/// Says what was consumed, where it was counted.
fn tell_units(context: &Context, units: f64, kind: &str) {
    if units > 0.0 {
        context.ui.status(consumed(units, kind));
    }
}

fn consumed(units: f64, kind: &str) -> String {
    let s = if units == 1.0 { "" } else { "s" };
    format!("consumed {units} {kind} capacity unit{s}")
}

pub async fn run(context: &Context, command: DdbCommand) -> anyhow::Result<()> {
    match command {
        DdbCommand::SchemaLoad(args) => schema_load::schema_load(context, &args).await,
        DdbCommand::Drop(args) => drop::drop(context, &args).await,
        DdbCommand::ListTables(args) => list_tables::list_tables(context, &args).await,
        DdbCommand::Seed(args) => seed::seed(context, &args).await,
        DdbCommand::Scan(args) => scan::scan(context, &args).await,
        DdbCommand::Import(args) => import::import(context, &args).await,
        DdbCommand::Patterns(command) => patterns::run(context, command).await,
        DdbCommand::Stream(command) => stream::run(context, command).await,
    }
}

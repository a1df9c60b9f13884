//! `cruddur ddb`: the messages table.

mod list_tables;

use clap::Subcommand;

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub enum DdbCommand {
    /// List every table of the endpoint
    ListTables(list_tables::ListTablesArgs),
}

pub async fn run(context: &Context, command: DdbCommand) -> anyhow::Result<()> {
    match command {
        DdbCommand::ListTables(args) => list_tables::list_tables(context, &args).await,
    }
}

//! `cruddur ddb`: the messages table.

mod list_tables;
mod patterns;

use clap::Subcommand;

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub enum DdbCommand {
    /// List every table of the endpoint
    ListTables(list_tables::ListTablesArgs),
    /// The access patterns: conversations and messages
    #[command(subcommand)]
    Patterns(patterns::PatternsCommand),
}

pub async fn run(context: &Context, command: DdbCommand) -> anyhow::Result<()> {
    match command {
        DdbCommand::ListTables(args) => list_tables::list_tables(context, &args).await,
        DdbCommand::Patterns(command) => patterns::run(context, command).await,
    }
}

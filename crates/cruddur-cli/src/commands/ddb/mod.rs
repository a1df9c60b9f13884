//! `cruddur ddb`: the messages table.

mod list_tables;
mod patterns;
pub mod stream;

use clap::Subcommand;

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub enum DdbCommand {
    /// List every table of the endpoint
    ListTables(list_tables::ListTablesArgs),
    /// The access patterns: conversations and messages
    #[command(subcommand)]
    Patterns(patterns::PatternsCommand),
    /// The table's stream: keep conversations up to date, or watch it
    #[command(subcommand)]
    Stream(stream::StreamCommand),
}

pub async fn run(context: &Context, command: DdbCommand) -> anyhow::Result<()> {
    match command {
        DdbCommand::ListTables(args) => list_tables::list_tables(context, &args).await,
        DdbCommand::Patterns(command) => patterns::run(context, command).await,
        DdbCommand::Stream(command) => stream::run(context, command).await,
    }
}

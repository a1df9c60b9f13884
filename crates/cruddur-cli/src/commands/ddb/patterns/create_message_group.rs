use chrono::Utc;
use clap::Args;
use cruddur_core::db::Database;
use cruddur_core::db::users::Who;
use cruddur_core::ddb::Table;

use super::{TextArg, show_items};
use crate::args::DryRun;
use crate::context::Context;

#[derive(Debug, Args)]
pub struct CreateMessageGroupArgs {
    /// Who writes, by handle
    #[arg(long)]
    handle: String,
    /// To whom, by handle
    #[arg(long = "with", value_name = "OTHER")]
    other: String,
    #[command(flatten)]
    dry: DryRun,
    #[command(flatten)]
    text: TextArg,
}

pub async fn create_message_group(
    context: &Context,
    args: &CreateMessageGroupArgs,
) -> anyhow::Result<()> {
    let text = args.text.read().await?;
    let database = Database::connect(&context.target)?;
    let who = |handle: &str| Who::Handle(handle.to_owned());
    let (sender, receiver) = database
        .sender_and_receiver(&who(&args.handle), &who(&args.other))
        .await?;
    let table = Table::connect(&context.target).await?;
    let mut group = table
        .draft_message_group(&sender, &receiver, &text, Utc::now())
        .await?;
    if !args.dry.dry_run {
        group = table.put_message_group(group).await?;
    }
    show_items(context, &table, &group.items(), args.dry.dry_run)
}

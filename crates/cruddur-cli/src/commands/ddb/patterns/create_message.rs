use chrono::{TimeDelta, Utc};
use clap::Args;
use cruddur_core::Error;
use cruddur_core::db::Database;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::patterns::GroupUuid;

use super::{SEEDED_GROUP, TextArg, show_items};
use crate::args::DryRun;
use crate::context::Context;

#[derive(Debug, Args)]
pub struct CreateMessageArgs {
    /// Who writes, by handle
    #[arg(long)]
    handle: String,
    /// The message group
    #[arg(long, value_name = "UUID", default_value = SEEDED_GROUP)]
    message_group_uuid: GroupUuid,
    #[command(flatten)]
    dry: DryRun,
    #[command(flatten)]
    text: TextArg,
}

pub async fn create_message(context: &Context, args: &CreateMessageArgs) -> anyhow::Result<()> {
    let text = args.text.read().await?;
    let database = Database::connect(&context.target)?;
    let sender = database.person_by_handle(&args.handle).await?;
    let table = Table::connect(&context.target).await?;
    let now = Utc::now();
    let group = &args.message_group_uuid;
    let mut drafted = table.draft_message(&group.given, &sender, &text, now).await;
    if let (Err(Error::NotFound(_)), Some(usual)) = (&drafted, &group.usual) {
        drafted = table.draft_message(usual, &sender, &text, now).await;
    }
    let mut message = drafted?;
    if message.created_at > now + TimeDelta::seconds(1) {
        context.ui.warning(format_args!(
            "the group's last message is in the future of this machine's clock; \
             this one comes right after it, at {}",
            cruddur_core::time::to_key(message.created_at)
        ));
    }
    if !args.dry.dry_run {
        message = table.put_message(message).await?;
    }
    show_items(context, &table, &[message.to_item()], args.dry.dry_run)
}

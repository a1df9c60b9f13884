use std::io::Write;

use clap::Args;
use cruddur_core::db::Database;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::patterns::parse_uuid;
use uuid::Uuid;

use super::{WindowArgs, tell_rest};
use crate::context::Context;
use crate::times::TimeArgs;
use crate::ui::{printable, write_table};

#[derive(Debug, Args)]
pub struct ListConversationsArgs {
    /// Whose conversations, by handle
    #[arg(long, default_value = "andrewbrown", conflicts_with = "user_uuid")]
    handle: String,
    /// Whose conversations, by uuid; PostgreSQL is not asked
    #[arg(long, value_name = "UUID", value_parser = parse_uuid)]
    pub user_uuid: Option<Uuid>,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    time: TimeArgs,
}

pub async fn list_conversations(
    context: &Context,
    args: &ListConversationsArgs,
) -> anyhow::Result<()> {
    let user_uuid = match args.user_uuid {
        Some(uuid) => uuid.to_string(),
        None => uuid_of(context, &args.handle).await?,
    };
    let table = Table::connect(&context.target).await?;
    let found = table
        .conversations(&user_uuid, args.window.window())
        .await?;
    let shown = |out: &mut dyn Write| {
        let headings = ["with", args.time.heading(), "last message", "message group"];
        let mut table = context.ui.table(&headings);
        for row in &found.items {
            table.add_row([
                printable(row.user_handle.as_deref().unwrap_or("-")),
                args.time.show(&row.last_message_at),
                printable(row.message.as_deref().unwrap_or("-")),
                printable(row.message_group_uuid.as_deref().unwrap_or("-")),
            ]);
        }
        write_table(out, &table)
    };
    context.ui.found(&found, &found.items, shown)?;
    if found.count == 0 {
        context.ui.status(format_args!(
            "no conversations of {user_uuid} in {} at {}",
            table.name(),
            table.at()
        ));
    }
    tell_rest(context, found.consumed_capacity, found.next.as_deref());
    Ok(())
}

async fn uuid_of(context: &Context, handle: &str) -> anyhow::Result<String> {
    let database = Database::connect(&context.target)?;
    Ok(database.person_by_handle(handle).await?.uuid)
}

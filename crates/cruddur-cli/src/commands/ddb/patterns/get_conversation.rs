use std::io::Write;

use clap::Args;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::patterns::GroupUuid;

use super::{SEEDED_GROUP, WindowArgs, tell_rest};
use crate::context::Context;
use crate::times::TimeArgs;
use crate::ui::{printable, write_table};

#[derive(Debug, Args)]
pub struct GetConversationArgs {
    /// The message group
    #[arg(long, value_name = "UUID", default_value = SEEDED_GROUP)]
    message_group_uuid: GroupUuid,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    time: TimeArgs,
}

pub async fn get_conversation(context: &Context, args: &GetConversationArgs) -> anyhow::Result<()> {
    let table = Table::connect(&context.target).await?;
    let group = &args.message_group_uuid;
    let mut found = table.messages(&group.given, args.window.window()).await?;
    if let (0, Some(usual)) = (found.count, &group.usual) {
        found = table.messages(usual, args.window.window()).await?;
    }
    let shown = |out: &mut dyn Write| {
        let mut table = context.ui.table(&["from", args.time.heading(), "message"]);
        for row in &found.items {
            table.add_row([
                printable(row.user_handle.as_deref().unwrap_or("-")),
                args.time.show(&row.created_at),
                printable(row.message.as_deref().unwrap_or("-")),
            ]);
        }
        write_table(out, &table)
    };
    context.ui.found(&found, &found.items, shown)?;
    if found.count == 0 {
        context.ui.status(format_args!(
            "no messages in group {} of {} at {}",
            args.message_group_uuid,
            table.name(),
            table.at()
        ));
    }
    tell_rest(context, found.consumed_capacity, found.next.as_deref());
    Ok(())
}

use clap::Args;
use cruddur_core::db::Database;

use super::place;
use crate::context::Context;
use crate::ui::{printable, write_table};

#[derive(Debug, Args)]
pub struct UsersArgs {
    /// The user with this handle only
    handle: Option<String>,
}

pub async fn users(context: &Context, args: &UsersArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let users = database.users(args.handle.as_deref()).await?;
    context.ui.list(&users, |out| {
        let headings = ["handle", "name", "email", "cognito id", "uuid"];
        let mut table = context.ui.table(&headings);
        for user in &users {
            table.add_row([
                printable(&user.handle),
                printable(&user.display_name),
                printable(&user.email),
                printable(&user.cognito_user_id),
                user.uuid.to_string(),
            ]);
        }
        write_table(out, &table)
    })?;
    if users.is_empty() {
        context
            .ui
            .status(format_args!("no users in {}", place(&database)));
    }
    Ok(())
}

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use cruddur_core::cognito::{Pool, PoolUser};
use cruddur_core::time;

use crate::args::Output;
use crate::context::Context;
use crate::times::TimeArgs;
use crate::ui::{counted, printable, write_table};

#[derive(Debug, Args)]
pub struct ListUsersArgs {
    /// Print one JSON object from each handle to its sub
    #[arg(long)]
    map: bool,
    #[command(flatten)]
    time: TimeArgs,
}

pub async fn list_users(context: &Context, args: &ListUsersArgs) -> anyhow::Result<()> {
    let pool = Pool::connect(&context.target).await?;
    if context.ui.output == Output::Jsonl && !args.map {
        return pool
            .for_each_page(|users| Ok(context.ui.lines(&users)?))
            .await;
    }
    let users = pool.users().await?;
    if args.map {
        return map(context, &users);
    }
    context.ui.list(&users, |out| {
        let created = args.time.heading().replacen("time", "created", 1);
        let headings = ["handle", "sub", "email", "status", "enabled", &created];
        let mut table = context.ui.table(&headings);
        let text = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
        for user in &users {
            table.add_row([
                text(&user.handle),
                text(&user.sub),
                text(&user.email),
                text(&user.status),
                if user.enabled { "yes" } else { "no" }.to_owned(),
                user.created
                    .map_or("-".to_owned(), |at| args.time.show(&time::to_key(at))),
            ]);
        }
        write_table(out, &table)
    })?;
    if users.is_empty() {
        context.ui.status(format_args!(
            "no users in user pool {} at {}",
            pool.id(),
            pool.at()
        ));
    }
    Ok(())
}

/// Prints who has which id. A handle that does not lead to one id is left out.
fn map(context: &Context, users: &[PoolUser]) -> anyhow::Result<()> {
    let mut map = BTreeMap::new();
    let mut several = BTreeSet::new();
    let mut unknown = 0;
    for user in users {
        match (&user.handle, &user.sub) {
            (Some(handle), Some(sub)) => {
                if map.insert(handle, sub).is_some() {
                    several.insert(handle);
                }
            }
            _ => unknown += 1,
        }
    }
    map.retain(|handle, _| !several.contains(handle));
    context.ui.show(&map, |out| {
        serde_json::to_writer_pretty(&mut *out, &map)?;
        writeln!(out)
    })?;
    if unknown > 0 {
        context.ui.warning(format_args!(
            "{} without a preferred_username or without a sub left out",
            counted(unknown, "user")
        ));
    }
    for handle in several {
        context.ui.warning(format_args!(
            "several users have the handle {}, and are left out",
            printable(handle)
        ));
    }
    Ok(())
}

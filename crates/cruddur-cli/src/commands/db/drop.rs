use clap::Args;
use cruddur_core::Service;
use cruddur_core::db::Database;
use serde::Serialize;

use super::{described, place};
use crate::args::DryRun;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::ui::printable;

#[derive(Debug, Args)]
pub struct DropArgs {
    /// End the sessions of those who are connected
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    dry: DryRun,
}

#[derive(Debug, Serialize)]
struct Dropped {
    database: String,
    at: String,
    dropped: bool,
    dry_run: bool,
}

pub async fn drop(context: &Context, args: &DropArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let dry_run = args.dry.dry_run;
    context.may_drop_at(Service::Postgres, "CONNECTION_URL")?;
    let there = database.may_be_dropped(args.force).await?;
    if there && (dry_run || context.target.production) {
        announce(context, &database).await?;
    }
    let dropped = match there {
        false => false,
        true if dry_run => true,
        true => {
            confirm(context, &args.confirmation, &database).await?;
            database.drop(args.force).await?
        }
    };
    let result = Dropped {
        database: database.name(),
        at: database.at(),
        dropped,
        dry_run,
    };
    context.ui.show(&result, |out| {
        let said = match (dropped, dry_run) {
            (false, _) => "not there:",
            (true, false) => "dropped",
            (true, true) => "would drop",
        };
        writeln!(out, "{said} {}", printable(&place(&database)))
    })?;
    Ok(())
}

/// Shows what is about to go.
pub async fn announce(context: &Context, database: &Database) -> anyhow::Result<()> {
    let contents = database.contents().await?;
    context.ui.detail(format_args!(
        "{} holds {}",
        place(database),
        described(&contents)
    ));
    Ok(())
}

/// Has the name of the database typed, in production.
pub async fn confirm(
    context: &Context,
    confirmation: &Confirmation,
    database: &Database,
) -> anyhow::Result<()> {
    confirmation
        .require(context, database.url().named_database()?)
        .await
}

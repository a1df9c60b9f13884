use clap::Args;
use cruddur_core::db::Database;
use serde::Serialize;

use super::place;
use crate::args::DryRun;
use crate::context::Context;
use crate::ui::printable;

#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    dry: DryRun,
}

#[derive(Debug, Serialize)]
struct Created {
    database: String,
    at: String,
    created: bool,
    dry_run: bool,
}

pub async fn create(context: &Context, args: &CreateArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let dry_run = args.dry.dry_run;
    let created = if dry_run {
        !database.exists().await?
    } else {
        database.create().await?
    };
    let result = Created {
        database: database.name(),
        at: database.at(),
        created,
        dry_run,
    };
    context.ui.show(&result, |out| {
        let said = match (created, dry_run) {
            (false, _) => "already there:",
            (true, false) => "created",
            (true, true) => "would create",
        };
        writeln!(out, "{said} {}", printable(&place(&database)))
    })?;
    Ok(())
}

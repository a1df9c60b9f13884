use clap::Args;
use cruddur_core::db::Database;
use cruddur_core::db::script::Script;

use super::load::{self, LoadArgs};
use crate::context::Context;

#[derive(Debug, Args)]
pub struct SchemaLoadArgs {
    #[command(flatten)]
    load: LoadArgs,
}

pub async fn schema_load(context: &Context, args: &SchemaLoadArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let script = args.load.script(Script::schema()).await?;
    let file = script.file.clone();
    args.load.confirm(context, &database).await?;
    let dry_run = args.load.dry_run();
    let loaded = database.load_schema(script, dry_run).await?;
    load::warn_of_marker(context, &database, &loaded);
    load::show(context, &file, &loaded, dry_run)
}

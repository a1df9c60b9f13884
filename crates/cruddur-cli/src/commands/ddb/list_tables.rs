use clap::Args;
use cruddur_core::ddb::Table;

use crate::context::Context;
use crate::ui::printable;

#[derive(Debug, Args)]
pub struct ListTablesArgs {}

pub async fn list_tables(context: &Context, _args: &ListTablesArgs) -> anyhow::Result<()> {
    let tables = Table::connect(&context.target).await?.list_tables().await?;
    context.ui.list(&tables, |out| {
        for table in &tables {
            writeln!(out, "{}", printable(table))?;
        }
        Ok(())
    })?;
    Ok(())
}

//! What `schema-load` and `seed` have in common: a file, and what it did.

use std::path::PathBuf;

use clap::Args;
use cruddur_core::db::Database;
use cruddur_core::db::script::{Loaded, Script};
use serde::Serialize;

use super::drop;
use crate::args::DryRun;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::input;
use crate::ui::{counted, printable};

#[derive(Debug, Args)]
pub struct LoadArgs {
    /// A file of SQL to run instead of the one compiled in; - reads standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    dry: DryRun,
}

impl LoadArgs {
    pub fn dry_run(&self) -> bool {
        self.dry.dry_run
    }

    /// The file that was named, or the one compiled in.
    pub async fn script(&self, compiled_in: Script) -> anyhow::Result<Script> {
        match &self.file {
            Some(file) => {
                let sql = input::text(file).await?;
                Ok(Script::new(file.display().to_string(), sql))
            }
            None => Ok(compiled_in),
        }
    }

    /// A file of a person's own may drop or overwrite anything, which
    /// production is asked about; the ones compiled in only add.
    pub async fn confirm(&self, context: &Context, database: &Database) -> anyhow::Result<()> {
        if self.file.is_none() || self.dry_run() || !context.target.production {
            return Ok(());
        }
        drop::announce(context, database).await?;
        drop::confirm(context, &self.confirmation, database).await
    }
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    file: &'a str,
    #[serde(flatten)]
    loaded: &'a Loaded,
    dry_run: bool,
}

/// Warns of a database that does not say what `--prod` says of it.
pub fn warn_of_marker(context: &Context, database: &Database, loaded: &Loaded) {
    if let Some(Err(unsuited)) = loaded.marked.map(|marked| database.suits(marked)) {
        context.ui.warning(format_args!(
            "{unsuited}; if it is production's, `update cruddur.marker set environment = \
             'production'` in it keeps it from being dropped without --prod"
        ));
    }
}

/// Prints what a file did.
pub fn show(context: &Context, file: &str, loaded: &Loaded, dry_run: bool) -> anyhow::Result<()> {
    let shown = Shown {
        file,
        loaded,
        dry_run,
    };
    context.ui.show(&shown, |out| {
        for (names, verbs) in [
            (&loaded.created, ["created", "would create"]),
            (&loaded.dropped, ["dropped", "would drop"]),
        ] {
            for name in names {
                writeln!(out, "{} {}", verbs[usize::from(dry_run)], printable(name))?;
            }
        }
        writeln!(out, "{}", summary(file, loaded, dry_run))
    })?;
    Ok(())
}

/// One sentence about what a file did.
pub fn summary(file: &str, loaded: &Loaded, dry_run: bool) -> String {
    let file = printable(file);
    let rows = match loaded.rows {
        0 if loaded.is_unchanged() => ", nothing new".to_owned(),
        0 => String::new(),
        rows => format!(", {} written", counted(rows, "row")),
    };
    let statements = counted(loaded.statements as u64, "statement");
    let undone = if dry_run { ", and rolled back" } else { "" };
    format!("{file}: {statements} run{rows}{undone}")
}

//! What setting up makes sure of, step by step.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::Utc;
use cruddur_core::Error;
use cruddur_core::cognito::Pool;
use cruddur_core::db::Database;
use cruddur_core::db::cognito_ids::{Matched, Outcome};
use cruddur_core::db::script::Script;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::schema::{Loaded, SchemaOptions};
use cruddur_core::ddb::seed::{self, SeedOptions, SeedState};
use serde::Serialize;

use crate::commands::db::load::warn_of_marker;
use crate::context::Context;
use crate::ui::{counted, printable};

/// What a step says that found nothing to do.
const THERE: &str = "already there";

/// One thing that was made sure of.
#[derive(Debug, Serialize)]
pub struct Step {
    step: &'static str,
    /// Whether it was not there, or would not be.
    pub changed: bool,
    result: String,
}

/// Creates what is missing; in a dry run only says so.
pub async fn create_missing(
    steps: &mut Steps<'_>,
    database: &Database,
    table: &Table,
) -> anyhow::Result<()> {
    set_up_database(steps, database).await?;
    // Nothing can be tried out in what is not there.
    let has_users = !steps.only_would();
    set_up_cognito_ids(steps, database, has_users).await?;
    let has_table = set_up_table(steps, table).await?;
    set_up_conversations(steps, database, table, has_users && has_table).await
}

/// The steps so far, each told as soon as it is done.
pub struct Steps<'a> {
    context: &'a Context,
    dry_run: bool,
    /// Those that there were so far.
    pub all: Vec<Step>,
}

impl<'a> Steps<'a> {
    pub fn new(context: &'a Context, dry_run: bool) -> Self {
        Steps {
            context,
            dry_run,
            all: Vec::new(),
        }
    }

    pub fn done(&mut self, step: &'static str, changed: bool, result: impl Into<String>) {
        let result = result.into();
        // A dry run's steps are its result.
        if !self.dry_run {
            self.context.ui.status(format_args!("{step}: {result}"));
        }
        self.all.push(Step {
            step,
            changed,
            result,
        });
    }

    /// Takes the words for what was done, or for what would be.
    fn said<'s>(&self, done: &'s str, would: &'s str) -> &'s str {
        if self.dry_run { would } else { done }
    }

    /// Whether this is a dry run, and a step would have changed something.
    fn only_would(&self) -> bool {
        self.dry_run && self.all.iter().any(|step| step.changed)
    }

    /// Prints them, as the result of a dry run.
    pub fn show(&self) -> anyhow::Result<()> {
        self.context.ui.list(&self.all, |out| {
            self.all
                .iter()
                .try_for_each(|one| writeln!(out, "{}: {}", one.step, printable(&one.result)))
        })?;
        Ok(())
    }
}

async fn set_up_database(steps: &mut Steps<'_>, database: &Database) -> anyhow::Result<()> {
    let created = match steps.dry_run {
        true => !database.exists().await?,
        false => database.create().await?,
    };
    let result = match created {
        true => steps.said("created", "would be created"),
        false => THERE,
    };
    steps.done("database", created, format!("{} {result}", database.name()));
    if steps.only_would() {
        steps.done("schema", true, "would be loaded");
    } else {
        let loaded = database
            .load_schema(Script::schema(), steps.dry_run)
            .await?;
        warn_of_marker(steps.context, database, &loaded);
        let created = steps.said("created", "would create");
        let result = match loaded.created.as_slice() {
            [] => THERE.to_owned(),
            names => format!("{created} {}", names.join(", ")),
        };
        steps.done("schema", !loaded.is_unchanged(), result);
    }
    if steps.only_would() {
        steps.done("seed", true, "would be loaded");
    } else {
        let loaded = database.load_seed(Script::seed(), steps.dry_run).await?;
        let wrote = steps.said("wrote", "would write");
        let result = match loaded.rows {
            0 => THERE.to_owned(),
            rows => format!("{wrote} {}", counted(rows, "row")),
        };
        steps.done("seed", loaded.rows > 0, result);
    }
    Ok(())
}

async fn set_up_cognito_ids(
    steps: &mut Steps<'_>,
    database: &Database,
    has_users: bool,
) -> anyhow::Result<()> {
    let Some(id) = &steps.context.target.user_pool_id else {
        let skipped = "skipped: AWS_COGNITO_USER_POOL_ID is not set";
        steps.done("Cognito ids", false, skipped);
        return Ok(());
    };
    if !has_users {
        let result = format!("would be taken from user pool {}", id.value);
        steps.done("Cognito ids", true, result);
        return Ok(());
    }
    let pool = Pool::connect(&steps.context.target).await?;
    let matched = database
        .match_cognito_ids(async |take| pool.accounts(take).await)
        .await?;
    // What is there is not written over, be it another pool's.
    let missing: Vec<Matched> = matched
        .iter()
        .filter(|one| !one.overwrites())
        .cloned()
        .collect();
    let missing = Arc::new(missing);
    if !steps.dry_run {
        database.set_cognito_ids(&missing).await?;
    }
    let count = |outcome| missing.iter().filter(|one| one.outcome == outcome).count();
    let (changed, unchanged) = (count(Outcome::Changed), count(Outcome::Unchanged));
    let said = steps.said("changed", "would change");
    let mut result = format!("{changed} {said}, {unchanged} unchanged");
    let left = [
        (matched.len() - missing.len(), "with another id here"),
        (missing.len() - changed - unchanged, "without a match"),
    ];
    let left: Vec<String> = left
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{count} {why}"))
        .collect();
    if !left.is_empty() {
        let flags = steps.context.global.flags();
        result += &format!(
            ", {} (see `cruddur db update-cognito-user-ids{flags} --dry-run`)",
            left.join(", ")
        );
    }
    steps.done("Cognito ids", changed > 0, result);
    Ok(())
}

/// Says whether the table is there, which it is but for a dry run.
async fn set_up_table(steps: &mut Steps<'_>, table: &Table) -> anyhow::Result<bool> {
    // An index or a stream that an older version did not make is missing, too.
    let options = SchemaOptions {
        update: true,
        dry_run: steps.dry_run,
        ..SchemaOptions::default()
    };
    let loaded = table.load_schema(&options).await?;
    let result = match &loaded {
        Loaded::Created => steps.said("created", "would be created").to_owned(),
        Loaded::AlreadyThere => THERE.to_owned(),
        Loaded::Updated { added } => {
            format!(
                "{} {}",
                steps.said("added", "would add"),
                added.join(" and ")
            )
        }
    };
    let changed = !matches!(loaded, Loaded::AlreadyThere);
    steps.done("table", changed, format!("{} {result}", table.name()));
    Ok(!(steps.dry_run && matches!(loaded, Loaded::Created)))
}

async fn set_up_conversations(
    steps: &mut Steps<'_>,
    database: &Database,
    table: &Table,
    has_both: bool,
) -> anyhow::Result<()> {
    for conversation in seed::built_in()? {
        let handles: Vec<&str> = conversation.users.iter().map(String::as_str).collect();
        if !has_both {
            let result = format!("{}: would be seeded", handles.join(" and "));
            steps.done("conversation", true, result);
            continue;
        }
        // Where people talk already, a conversation of nobody's is not what is missing.
        let group = conversation.message_group_uuid;
        if steps.context.target.production && table.holds_other_conversations(&[group]).await? {
            let flags = steps.context.global.flags();
            let result = format!("skipped: the table holds others (see `cruddur ddb seed{flags}`)");
            steps.done("conversation", false, result);
            continue;
        }
        let people = match database.people_by_handles(&handles).await {
            // Whoever has another handle by now is not seeded again.
            Err(Error::UserNotFound { handle, .. }) => {
                let result = format!("skipped: no user has the handle {handle}");
                steps.done("conversation", false, result);
                continue;
            }
            people => people?,
        };
        let people = people
            .try_into()
            .ok()
            .context("a conversation is between two people")?;
        let now = Utc::now();
        let options = SeedOptions {
            ending_at: now,
            now,
            refresh: false,
            dry_run: steps.dry_run,
            max_capacity: None,
        };
        let seeded = table
            .seed(&conversation, &people, &options, &mut |_, _| {})
            .await?;
        let between = format!("{} and {}", seeded.users[0], seeded.users[1]);
        let result = match seeded.state {
            SeedState::AlreadyThere => format!("{between}: {THERE}"),
            _ => {
                let wrote = steps.said("wrote", "would write");
                let mut result = format!("{between}: {wrote} {}", counted(seeded.written, "item"));
                if seeded.deleted > 0 {
                    let deleted = steps.said("deleted", "would delete");
                    let old = counted(seeded.deleted, "old item");
                    result += &format!(", {deleted} {old}");
                }
                result
            }
        };
        let changed = seeded.state != SeedState::AlreadyThere;
        steps.done("conversation", changed, result);
    }
    Ok(())
}

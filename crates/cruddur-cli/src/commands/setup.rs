use std::io::{self, Write as _};

use anyhow::Context as _;
use chrono::Utc;
use clap::Args;
use cruddur_core::cognito::Pool;
use cruddur_core::db::Database;
use cruddur_core::db::cognito_ids::Outcome;
use cruddur_core::db::script::{Loaded as LoadedScript, Script};
use cruddur_core::ddb::Table;
use cruddur_core::ddb::patterns::{ConversationRow, Window};
use cruddur_core::ddb::schema::{Loaded, SchemaOptions};
use cruddur_core::ddb::seed::{self, SeedOptions, SeedState};
use cruddur_core::target::{Choice, Endpoint};
use cruddur_core::{Error, Service};
use cruddur_local::{StackDir, State, Status};
use serde::Serialize;

use super::local::env::variables;
use super::local::up::{self, Manner};
use super::wait::{self, Patience};
use crate::args::DryRun;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::times::local_time;
use crate::ui::{Out, counted, printable, write_table};

/// What a step says that found nothing to do.
const THERE: &str = "already there";

/// Whose conversations the summary shows.
const SHOWN_HANDLE: &str = "andrewbrown";

#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Start the local stack first, if it is not running
    #[arg(long)]
    pub local: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    dry: DryRun,
}

/// What there is now.
#[derive(Debug, Serialize)]
struct Summary {
    dynamodb: String,
    postgresql: String,
    cognito: Option<String>,
    user_pool_id: Option<String>,
    steps: Vec<Step>,
    conversations: Vec<ConversationRow>,
}

/// One thing that was made sure of.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    changed: bool,
    result: String,
}

pub async fn setup(context: &Context, args: &SetupArgs) -> anyhow::Result<()> {
    let dry_run = args.dry.dry_run;
    let renewed;
    let context = if args.local {
        let dir = StackDir::of(&context.folder);
        if dry_run && !matches!(dir.status()?, Status::Running(_)) {
            let mut steps = Steps::new(context, true);
            let result = "would be started, and what is missing in it created";
            steps.done("local stack", true, result);
            return steps.show();
        }
        let (state, _) = up::detached(context, &dir, Manner::default()).await?;
        renewed = context.renewed();
        tell_elsewhere(&renewed, &state);
        &renewed
    } else {
        context
    };
    let database = Database::connect(&context.target)?;
    if !dry_run {
        args.confirmation.require(context, &database.name()).await?;
    }
    wait::until_ready(context, &wait::configured(context), args.patience).await?;

    let table = Table::connect(&context.target).await?;
    let mut steps = Steps::new(context, dry_run);
    create_missing(&mut steps, &database, &table).await?;
    if dry_run {
        return steps.show();
    }
    let summary = summarize(context, &database, &table, steps.done).await?;
    context
        .ui
        .show(&summary, |out| show(context, out, &summary))?;
    Ok(())
}

/// The same for servers that are known to answer, without a word on stdout.
pub async fn fill(context: &Context) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let table = Table::connect(&context.target).await?;
    create_missing(&mut Steps::new(context, false), &database, &table).await
}

async fn create_missing(
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
struct Steps<'a> {
    context: &'a Context,
    dry_run: bool,
    done: Vec<Step>,
}

impl<'a> Steps<'a> {
    fn new(context: &'a Context, dry_run: bool) -> Self {
        Steps {
            context,
            dry_run,
            done: Vec::new(),
        }
    }

    fn done(&mut self, step: &'static str, changed: bool, result: impl Into<String>) {
        let result = result.into();
        // A dry run's steps are its result.
        if !self.dry_run {
            self.context
                .ui
                .status(format_args!("{step}: {}", printable(&result)));
        }
        self.done.push(Step {
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
        self.dry_run && self.done.iter().any(|step| step.changed)
    }

    fn show(&self) -> anyhow::Result<()> {
        self.context.ui.list(&self.done, |out| {
            self.done
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
        let loaded: LoadedScript = database.load_seed(Script::seed(), steps.dry_run).await?;
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
    let matched = database.match_cognito_ids(pool.accounts()).await?;
    if !steps.dry_run {
        database.set_cognito_ids(&matched).await?;
    }
    let count = |outcome| {
        matched
            .iter()
            .filter(|user| user.outcome == outcome)
            .count()
    };
    let changed = count(Outcome::Changed);
    let said = steps.said("changed", "would change");
    let mut result = format!("{changed} {said}, {} unchanged", count(Outcome::Unchanged));
    let others = matched.len() - changed - count(Outcome::Unchanged);
    if others > 0 {
        let flags = steps.context.global.flags();
        result += &format!(
            ", {others} without a match (see `cruddur db update-cognito-user-ids{flags} --dry-run`)"
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
        let people = database.people_by_handles(&handles).await?;
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
            _ => format!(
                "{between}: {} {}",
                steps.said("wrote", "would write"),
                counted(seeded.written, "item")
            ),
        };
        let changed = seeded.state != SeedState::AlreadyThere;
        steps.done("conversation", changed, result);
    }
    Ok(())
}

async fn summarize(
    context: &Context,
    database: &Database,
    table: &Table,
    steps: Vec<Step>,
) -> anyhow::Result<Summary> {
    let target = &context.target;
    let shown = database.person_by_handle(SHOWN_HANDLE).await?;
    let window = Window {
        year: None,
        before: None,
        limit: 20,
    };
    let conversations = table.conversations(&shown.uuid, window).await?.items;
    let region = target.region.clone()?.value;
    let pool = target.user_pool_id.as_ref().map(|pool| pool.value.clone());
    let cognito = target.cognito.clone()?.value;
    Ok(Summary {
        dynamodb: table.at().to_owned(),
        postgresql: target.postgres.clone()?.value.to_string(),
        cognito: pool
            .as_ref()
            .map(|_| cognito.display(Service::Cognito, &region)),
        user_pool_id: pool,
        steps,
        conversations,
    })
}

fn show(context: &Context, out: &mut Out, summary: &Summary) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "DynamoDB    {}", summary.dynamodb)?;
    writeln!(out, "PostgreSQL  {}", printable(&summary.postgresql))?;
    match (&summary.cognito, &summary.user_pool_id) {
        (Some(cognito), Some(pool)) => writeln!(out, "Cognito     {cognito}, pool {pool}")?,
        _ => writeln!(out, "Cognito     no pool is configured")?,
    }
    writeln!(out, "\nThe conversations of {SHOWN_HANDLE}:\n")?;
    let mut table = context.ui.table(&["with", "time", "last message"]);
    for row in &summary.conversations {
        table.add_row([
            printable(row.user_handle.as_deref().unwrap_or("-")),
            local_time(&row.last_message_at),
            printable(row.message.as_deref().unwrap_or("-")),
        ]);
    }
    write_table(out, &table)?;
    // As it was typed, so that the lines can be copied.
    let program = std::env::args_os().next();
    let program = program.unwrap_or_else(|| "cruddur".into());
    let program = printable(&program.to_string_lossy());
    let flags = context.global.flags();
    let unchanged = summary.steps.iter().all(|step| !step.changed);
    let done = if unchanged {
        "Everything was already there."
    } else {
        "Done."
    };
    writeln!(out, "\n{done} Try next:\n")?;
    writeln!(out, "  {program} ddb patterns get-conversation{flags}")?;
    writeln!(out, "  {program} db users{flags}")?;
    writeln!(out, "  {program} target{flags}")
}

/// Says so where a variable leads a service away from the stack that was asked
/// for: variables beat it, and people forget what they have exported.
fn tell_elsewhere(context: &Context, stack: &State) {
    let target = &context.target;
    // The stack's own variables, which many a shell has, lead to it as well.
    let own = context.for_stack(&variables(stack), false).target;
    let reasons = [
        (
            "DynamoDB",
            elsewhere(&target.dynamodb, &own.dynamodb, Endpoint::eq),
        ),
        (
            "PostgreSQL",
            elsewhere(&target.postgres, &own.postgres, |chosen, own| {
                chosen.to_string() == own.to_string()
            }),
        ),
        (
            "Cognito",
            elsewhere(&target.cognito, &own.cognito, Endpoint::eq),
        ),
    ];
    for (service, why) in reasons {
        if let Some(why) = why {
            context.ui.warning(format_args!(
                "{service} is not the local stack's but that of {why}"
            ));
        }
    }
}

/// Why a service is another one than the stack's, where it is.
fn elsewhere<'a, T>(
    chosen: &'a Result<Choice<T>, Error>,
    own: &Result<Choice<T>, Error>,
    same: impl Fn(&T, &T) -> bool,
) -> Option<&'a str> {
    match (chosen, own) {
        (Ok(chosen), Ok(own)) if !same(&chosen.value, &own.value) => Some(&chosen.why),
        _ => None,
    }
}

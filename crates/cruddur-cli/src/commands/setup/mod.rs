mod steps;

use std::io::{self, Write};

use clap::Args;
use cruddur_core::db::Database;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::patterns::{ConversationRow, Window};
use cruddur_core::target::{Choice, Endpoint};
use cruddur_core::{Error, Service};
use cruddur_local::{StackDir, State, Status};
use serde::Serialize;

use self::steps::{Step, Steps, create_missing};
use super::local::up::{self, Manner};
use super::wait::{self, Patience};
use crate::args::DryRun;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::stack_variables::variables;
use crate::times::local_time;
use crate::ui::{printable, write_table};

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

pub async fn setup(context: &Context, args: &SetupArgs) -> anyhow::Result<()> {
    let dry_run = args.dry.dry_run;
    let renewed;
    let context = if args.local {
        let dir = StackDir::of(&context.folder)?;
        if dry_run && !matches!(dir.status()?, Status::Running(_)) {
            let mut steps = Steps::new(context, true);
            let result = "would be started, and what is missing in it created";
            steps.done("local stack", true, result);
            return steps.show();
        }
        let (state, _) = up::detached(context, &dir, Manner::default()).await?;
        renewed = context.renewed();
        tell_elsewhere(&renewed, &state);
        up::tell_of_other_table(&renewed, &state);
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
    let summary = summarize(context, &database, &table, steps.all).await?;
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

async fn summarize(
    context: &Context,
    database: &Database,
    table: &Table,
    steps: Vec<Step>,
) -> anyhow::Result<Summary> {
    let target = &context.target;
    let window = Window {
        year: None,
        before: None,
        limit: 20,
    };
    let conversations = match database.person_by_handle(SHOWN_HANDLE).await {
        // Who may have another handle by now.
        Err(Error::UserNotFound { .. }) => Vec::new(),
        shown => table.conversations(&shown?.uuid, window).await?.items,
    };
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

fn show(context: &Context, out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "DynamoDB    {}", summary.dynamodb)?;
    writeln!(out, "PostgreSQL  {}", printable(&summary.postgresql))?;
    match (&summary.cognito, &summary.user_pool_id) {
        (Some(cognito), Some(pool)) => writeln!(out, "Cognito     {cognito}, pool {pool}")?,
        _ => writeln!(out, "Cognito     no pool is configured")?,
    }
    if !summary.conversations.is_empty() {
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
    }
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
                "{service} is not the local stack's: {why} names another"
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

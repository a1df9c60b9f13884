use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use cruddur_core::Service;
use cruddur_core::cognito::Pool;
use cruddur_core::db::Database;
use cruddur_core::db::cognito_ids::Matched;
use cruddur_core::db::script::Script;
use serde::Serialize;

use super::{drop, load, place, update_cognito_user_ids};
use crate::args::DryRun;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::ui::printable;

#[derive(Debug, Args)]
pub struct SetupArgs {
    /// End the sessions of those who are connected
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    dry: DryRun,
}

/// One step and what it came to.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    result: String,
    seconds: f64,
}

/// The steps so far, each told as soon as it is done.
struct Steps<'a> {
    context: &'a Context,
    begun: Instant,
    done: Vec<Step>,
}

impl Steps<'_> {
    fn done(&mut self, step: &'static str, result: impl Into<String>) {
        let result = result.into();
        let seconds = self.begun.elapsed().as_secs_f64();
        self.context
            .ui
            .status(format_args!("{step:<24} {seconds:>6.2} s  {result}"));
        self.done.push(Step {
            step,
            result,
            seconds,
        });
        self.begun = Instant::now();
    }
}

pub async fn setup(context: &Context, args: &SetupArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    context.may_drop_at(Service::Postgres, "CONNECTION_URL")?;
    let there = database.may_be_dropped(args.force).await?;
    if there && (args.dry.dry_run || context.target.production) {
        drop::announce(context, &database).await?;
    }
    if args.dry.dry_run {
        return plan(context, &database, there);
    }
    if there {
        drop::confirm(context, &args.confirmation, &database).await?;
    }
    let mut steps = Steps {
        context,
        begun: Instant::now(),
        done: Vec::new(),
    };
    let dropped = database.drop(args.force).await?;
    steps.done("drop", if dropped { "dropped" } else { "was not there" });
    let created = database.create().await?;
    steps.done("create", if created { "created" } else { "already there" });
    let schema = database.load_schema(Script::schema(), false).await?;
    let file = Script::schema().file;
    steps.done("schema-load", load::summary(&file, &schema, false));
    let seed = database.load_seed(Script::seed(), false).await?;
    let file = Script::seed().file;
    steps.done("seed", load::summary(&file, &seed, false));
    let matched = match &context.target.user_pool_id {
        Some(_) => {
            let matched = update(context, &database).await?;
            let summary = update_cognito_user_ids::summary(&matched, false);
            steps.done("update-cognito-user-ids", summary);
            matched
        }
        None => {
            let skipped = "skipped: AWS_COGNITO_USER_POOL_ID is not set";
            steps.done("update-cognito-user-ids", skipped);
            Arc::default()
        }
    };
    let printed = context.ui.list(&steps.done, |out| {
        writeln!(out, "set up {}", printable(&place(&database)))
    });
    update_cognito_user_ids::check(&matched)?;
    Ok(printed?)
}

async fn update(context: &Context, database: &Database) -> anyhow::Result<Arc<Vec<Matched>>> {
    let pool = Pool::connect(&context.target).await?;
    let matched = database
        .match_cognito_ids(async |take| pool.accounts(take).await)
        .await?;
    let matched = Arc::new(matched);
    database.set_cognito_ids(&matched).await?;
    Ok(matched)
}

/// What would be done; nothing can be tried out after a drop that is not one.
fn plan(context: &Context, database: &Database, there: bool) -> anyhow::Result<()> {
    let place = printable(&place(database));
    let mut plan = Vec::new();
    if there {
        plan.push(format!("would drop {place}"));
    }
    plan.push(format!("would create {place}"));
    plan.push(format!("would load {}", Script::schema().file));
    plan.push(format!("would load {}", Script::seed().file));
    plan.push(match &context.target.user_pool_id {
        Some(pool) => format!("would take the Cognito ids of user pool {}", pool.value),
        None => "would skip the Cognito ids: AWS_COGNITO_USER_POOL_ID is not set".to_owned(),
    });
    context.ui.list(&plan, |out| {
        for line in &plan {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    Ok(())
}

use std::process::ExitCode;

use clap::Args;
use cruddur_core::Error;
use cruddur_local::{StackDir, State, Status};

use super::restart::{STOP_TIMEOUT, around, known, to_the_end, turn};
use super::up::{self, Manner};
use super::{Done, stack_dir};
use crate::app::Interruption;
use crate::args::DryRun;
use crate::commands::setup;
use crate::context::Context;
use crate::stack_variables::variables;

#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Set the stack up anew: schema, seed users, table, conversation
    #[arg(long)]
    seed: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    dry: DryRun,
}

pub async fn reset(context: &Context, args: &ResetArgs) -> anyhow::Result<ExitCode> {
    let dir = stack_dir(context)?;
    let folder = dir.path().display();
    let ui = &context.ui;
    let there = dir.path().exists();
    let done = Done::new(&dir, None, args.dry.dry_run);
    if !there && !args.seed {
        let nothing = Done {
            done: false,
            ..done
        };
        nothing.show(
            context,
            format_args!("there is nothing to delete in {folder}"),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let manner = match known(&dir)? {
        Some(Status::Stopped(state) | Status::Died(state)) => Manner::of(&state),
        _ => Manner::default(),
    };
    if args.dry.dry_run {
        let then = if args.seed { ", and seed it" } else { "" };
        let would = format_args!("would delete the data of the local stack in {folder}{then}");
        done.show(context, would)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && there {
        ui.confirm(
            format_args!("delete the data of the local stack in {folder}? [y/N]"),
            "--yes",
        )?;
    }
    let mut interruption = Interruption::listen();
    let _turn = turn(context, &dir, &mut interruption).await?;
    let around = around(context, &dir, &mut interruption, cruddur_local::reset).await?;
    let seeded = match &around.restarted {
        _ if around.stop => around.end(),
        Some(state) if args.seed => seed(context, state, &mut interruption).await,
        None if args.seed => seed_stopped(context, &dir, manner, &mut interruption).await,
        _ => Ok(()),
    };
    let printed = done.show(
        context,
        format_args!("deleted the data of the local stack in {folder}"),
    );
    seeded?;
    printed?;
    if let Some(state) = &around.restarted {
        up::tell(context, state, false);
    }
    Ok(ExitCode::SUCCESS)
}

async fn seed(
    context: &Context,
    state: &State,
    interruption: &mut Interruption,
) -> anyhow::Result<()> {
    let own = context.for_stack(&variables(state), false);
    tokio::select! {
        filled = setup::fill(&own) => filled,
        () = interruption.recv() => Err(Error::Interrupted.into()),
    }
}

/// Starts the stack for it, and ends it again whatever becomes of it.
async fn seed_stopped(
    context: &Context,
    dir: &StackDir,
    manner: Manner,
    interruption: &mut Interruption,
) -> anyhow::Result<()> {
    // What is starting cannot be ended in order before it has.
    let start = up::detached(context, dir, manner);
    let (started, stop) = to_the_end(start, interruption).await;
    let (state, _) = started?;
    let filled = match stop {
        true => Err(Error::Interrupted.into()),
        false => seed(context, &state, interruption).await,
    };
    let end = {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || cruddur_local::down(&dir, STOP_TIMEOUT))
    };
    end.await??;
    context
        .ui
        .status("the local stack is down again, as it was before");
    filled
}

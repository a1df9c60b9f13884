use std::process::ExitCode;

use clap::Args;
use cruddur_local::Status;

use super::env::variables;
use super::restart::{STOP_TIMEOUT, around};
use super::stack_dir;
use super::up::{self, Manner};
use crate::commands::setup;
use crate::context::Context;

#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Set the stack up anew: schema, seed users, table, conversation
    #[arg(long)]
    seed: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Say what would be done, and do not do it
    #[arg(long)]
    dry_run: bool,
}

pub async fn reset(context: &Context, args: &ResetArgs) -> anyhow::Result<ExitCode> {
    let dir = stack_dir(context);
    let folder = dir.path().display();
    let ui = &context.ui;
    let status = dir.status()?;
    if matches!(status, Status::Absent) && !args.seed {
        ui.status(format_args!("there is nothing to delete in {folder}"));
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        let then = if args.seed { ", and seed it" } else { "" };
        ui.status(format_args!(
            "would delete the data of the local stack in {folder}{then}"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && !matches!(status, Status::Absent) {
        ui.confirm(
            format_args!("delete the data of the local stack in {folder}? [y/N]"),
            "y",
            "--yes",
        )?;
    }
    let ((), restarted) = around(context, &dir, cruddur_local::reset).await?;
    ui.status(format_args!(
        "deleted the data of the local stack in {folder}"
    ));
    if args.seed {
        let state = match &restarted {
            Some(state) => state.clone(),
            None => {
                let manner = match &status {
                    Status::Stopped(state) | Status::Died(state) => Manner::of(state),
                    _ => Manner::default(),
                };
                up::detached(context, &dir, manner).await?.0
            }
        };
        let filled = setup::fill(&context.for_stack(&variables(&state), false)).await;
        if restarted.is_none() {
            let dir = dir.clone();
            let end = move || cruddur_local::down(&dir, STOP_TIMEOUT);
            tokio::task::spawn_blocking(end).await??;
        }
        filled?;
    }
    if let Some(state) = restarted {
        up::tell(context, &state, false);
    }
    Ok(ExitCode::SUCCESS)
}

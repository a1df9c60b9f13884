use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cruddur_local::Status;

use super::{stack_dir, up};
use crate::context::Context;

const STOP_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub async fn reset(context: &Context, args: &ResetArgs) -> anyhow::Result<ExitCode> {
    let dir = stack_dir(context);
    let folder = dir.path().display();
    let ran = match dir.status()? {
        Status::Absent => {
            context
                .ui
                .status(format_args!("there is nothing to delete in {folder}"));
            return Ok(ExitCode::SUCCESS);
        }
        Status::Running(_) | Status::Starting { .. } => true,
        Status::Stopped(_) | Status::Died(_) => false,
    };
    if !args.yes {
        context.ui.confirm(
            format_args!("delete the data of the local stack in {folder}? [y/N]"),
            "y",
            "--yes",
        )?;
    }
    {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || {
            cruddur_local::down(&dir, STOP_TIMEOUT)?;
            cruddur_local::reset(&dir)
        })
        .await??;
    }
    context.ui.status(format_args!(
        "deleted the data of the local stack in {folder}"
    ));
    if ran {
        let (_, _) = up::detached(context, &dir, false).await?;
        context.ui.status("the local stack is running, and empty");
    }
    Ok(ExitCode::SUCCESS)
}

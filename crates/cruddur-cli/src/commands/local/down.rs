use std::process::ExitCode;

use clap::Args;
use cruddur_local::Down;

use super::restart::STOP_TIMEOUT;
use super::{stack_dir, status};
use crate::context::Context;

#[derive(Debug, Args)]
pub struct DownArgs {}

pub async fn down(context: &Context, _args: &DownArgs) -> anyhow::Result<ExitCode> {
    let dir = stack_dir(context)?;
    let ended = {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || cruddur_local::down(&dir, STOP_TIMEOUT)).await??
    };
    let folder = dir.path().display();
    context.ui.status(match ended {
        Down::NotRunning => format!("no local stack is running in {folder}"),
        Down::Stopped => format!("the local stack has ended; its data stays in {folder}"),
        Down::Killed => format!("the local stack had to be killed; its data stays in {folder}"),
    });
    status::document(context, &dir).await?;
    Ok(ExitCode::SUCCESS)
}

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::Context as _;
use clap::Args;

use super::env::variables;
use super::{running, stack_dir};
use crate::context::Context;

#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub async fn exec(context: &Context, args: &ExecArgs) -> anyhow::Result<ExitCode> {
    let state = running(&stack_dir(context))?;
    let Some((program, arguments)) = args.command.split_first() else {
        unreachable!("clap requires a command");
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(variables(&state));
    let status = tokio::task::spawn_blocking(move || command.status())
        .await?
        .with_context(|| format!("cannot run {}", program.display()))?;
    Ok(exit_code(status))
}

/// The command's own status; one that a signal ended gives 128 and its number,
/// as a shell would.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

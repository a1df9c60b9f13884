//! A stack for one command: fresh, set up, on free ports, gone afterwards.
//!
//! It runs inside this process. Ctrl-C in a terminal reaches the command by
//! itself, since it is in the same process group; SIGTERM, and SIGINT where
//! there is no terminal, are passed on, and so is the end of the terminal. This
//! process waits for the command, ends the stack and gives the command's status.
//! Killed outright, the kernel tells the command and PostgreSQL to end, and the
//! next run deletes the folder.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Instant;

use cruddur_core::Error;
use cruddur_local::{Companion, Stack, StackDir, TemporaryFolder};
use tokio::signal::unix::SignalKind;

use super::exec::ExecArgs;
use super::stream::keep_up;
use super::up;
use crate::app::{Interruption, Listener};
use crate::commands::setup;
use crate::context::Context;
use crate::stack_variables::variables;

pub async fn exec(context: &Context, args: &ExecArgs) -> anyhow::Result<ExitCode> {
    // Before anything that a signal would leave behind.
    let mut child = Listener::new(SignalKind::child());
    let mut interruption = Interruption::listen();
    let folder = TemporaryFolder::create_in(&temporary_folder())?;
    let dir = StackDir::at(folder.path());
    let mut stack = tokio::select! {
        stack = start(context, &dir) => stack?,
        () = interruption.recv() => {
            // The start is given up; its server may need a moment to end.
            tokio::task::spawn_blocking(move || cruddur_local::end_leftover(&dir)).await??;
            drop(folder);
            return Err(Error::Interrupted.into());
        }
    };
    let code = match Companion::start(args.command(stack.state())) {
        Ok(companion) => {
            // What it does is among the command's own lines only if it fails.
            let mut own = context.for_stack(&variables(stack.state()), true);
            own.folder = folder.path().to_owned();
            let ended = wait(
                context,
                companion,
                &mut stack,
                &mut child,
                &mut interruption,
            );
            tokio::select! {
                status = ended => exit_code(status?),
                never = keep_up(&own), if !args.no_stream => match never {},
            }
        }
        Err(error) => args.not_run(context, &error),
    };
    end(context, stack).await;
    drop(folder);
    Ok(code)
}

/// `TMPDIR`, which counts as unset where it is empty, as every variable does.
fn temporary_folder() -> PathBuf {
    let folder = std::env::temp_dir();
    if folder.as_os_str().is_empty() {
        return PathBuf::from("/tmp");
    }
    folder
}

async fn start(context: &Context, dir: &StackDir) -> anyhow::Result<Stack> {
    let ui = &context.ui;
    let begun = Instant::now();
    ui.status("starting a local stack for this command");
    let mut options = up::options(true)?;
    options.durable = false;
    let stack = cruddur_local::start(dir.clone(), options, |_| ()).await?;
    let set_up = setup::fill(&context.for_stack(&variables(stack.state()), true)).await;
    if let Err(error) = set_up {
        end(context, stack).await;
        return Err(error);
    }
    let seconds = begun.elapsed().as_secs_f64();
    ui.status(format_args!(
        "the local stack is set up, after {seconds:.1} s"
    ));
    Ok(stack)
}

/// Ends a stack whose folder is about to go, so that what cannot be written there
/// is no reason to lose the command's status, or why it was not run.
async fn end(context: &Context, stack: Stack) {
    if let Err(error) = stack.stop().await {
        context.ui.warning(error);
    }
}

/// Waits until the command ends, passing on what it would not get otherwise.
async fn wait(
    context: &Context,
    mut companion: Companion,
    stack: &mut Stack,
    child: &mut Listener,
    interruption: &mut Interruption,
) -> anyhow::Result<ExitStatus> {
    let has_terminal = File::open("/dev/tty").is_ok();
    let mut complete = true;
    loop {
        if let Some(status) = companion.ended()? {
            return Ok(status);
        }
        tokio::select! {
            () = child.recv() => {}
            () = interruption.interrupt.recv() => if !has_terminal {
                companion.interrupt();
            },
            () = interruption.terminate.recv() => companion.terminate(),
            () = interruption.hangup.recv() => companion.hang_up(),
            // The command finds out by itself; this says why.
            exit = stack.stopped(), if complete => {
                complete = false;
                up::tell_exit(context, &exit);
            }
        }
    }
}

/// The command's own status; one that a signal ended gives 128 and its number,
/// as a shell would.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

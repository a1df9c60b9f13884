use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use cruddur_core::Error;
use cruddur_local::{Options, PoolUser, Stack, StackDir, State, Status, Step};
use serde::Deserialize;

use super::stack_dir;
use crate::app::interrupted;
use crate::context::Context;
use crate::error::FAILED;

/// How long a start may take. A first one makes a PostgreSQL cluster, which
/// takes long on a slow disk.
const START_TIMEOUT: Duration = Duration::from_secs(120);

const POOL_USERS: &str = include_str!("../../../../../seeds/pool-users.json");

#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Return when every service answers, and leave the stack running
    #[arg(long)]
    detach: bool,
    /// Take any free ports instead of 8000, 5432 and 9229
    #[arg(long)]
    free_ports: bool,
}

pub async fn up(context: &Context, args: &UpArgs) -> anyhow::Result<ExitCode> {
    let dir = stack_dir(context);
    if args.detach {
        let (state, already) = detached(context, &dir, args.free_ports).await?;
        tell(context, &state, already);
        return Ok(ExitCode::SUCCESS);
    }
    if let Status::Running(state) = dir.status()? {
        tell(context, &state, true);
        return Ok(ExitCode::SUCCESS);
    }
    foreground(context, dir, args).await
}

/// The running stack of a folder, started in the background if need be, and
/// whether it ran already.
pub async fn detached(
    context: &Context,
    dir: &StackDir,
    free_ports: bool,
) -> anyhow::Result<(State, bool)> {
    if let Status::Running(state) = dir.status()? {
        return Ok((state, true));
    }
    let ui = &context.ui;
    ui.status(format_args!(
        "starting the local stack in {}",
        dir.path().display()
    ));
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let mut arguments: Vec<OsString> = vec!["local".into(), "up".into()];
    if free_ports {
        arguments.push("--free-ports".into());
    }
    let child = cruddur_local::spawn_detached(&program, &arguments, dir)?;
    let dir = dir.clone();
    let state = tokio::task::spawn_blocking(move || {
        cruddur_local::wait_until_ready(&dir, child, START_TIMEOUT)
    })
    .await??;
    Ok((state, false))
}

async fn foreground(context: &Context, dir: StackDir, args: &UpArgs) -> anyhow::Result<ExitCode> {
    let ui = context.ui;
    let options = options(args.free_ports)?;
    let progress = move |progress: cruddur_local::Progress| {
        let service = progress.service;
        match progress.step {
            Step::Creating => ui.status(format_args!("{service}: creating its data")),
            Step::Starting => {}
            Step::Ready { address } => ui.status(format_args!("{service}: ready at {address}")),
        }
    };
    let mut stack = tokio::select! {
        stack = cruddur_local::start(dir, options, progress) => stack?,
        () = interrupted() => return Err(Error::Interrupted.into()),
    };
    ui.status("the local stack runs; Ctrl-C ends it");
    tokio::select! {
        exit = stack.stopped() => {
            ui.error(format_args!("{} ended: {}", exit.service, exit.reason));
            for line in &exit.log {
                ui.status(line);
            }
            stop(stack).await?;
            Ok(ExitCode::from(FAILED))
        }
        () = interrupted() => {
            ui.status("ending the local stack");
            stop(stack).await?;
            Err(Error::Interrupted.into())
        }
    }
}

/// Ends the stack in order; a second Ctrl-C ends it as it is. Nothing that was
/// acknowledged is lost either way.
async fn stop(stack: Stack) -> anyhow::Result<()> {
    tokio::select! {
        result = stack.stop() => Ok(result?),
        () = interrupted() => Err(Error::Interrupted.into()),
    }
}

/// What a stack is started with.
pub fn options(free_ports: bool) -> anyhow::Result<Options> {
    #[derive(Deserialize)]
    struct User {
        handle: String,
        email: String,
        name: String,
    }
    let users: Vec<User> = serde_json::from_str(POOL_USERS).context("seeds/pool-users.json")?;
    let mut options = Options {
        search_path: std::env::var_os("PATH"),
        pool_users: users
            .into_iter()
            .map(
                |User {
                     handle,
                     email,
                     name,
                 }| PoolUser {
                    handle,
                    email,
                    name,
                },
            )
            .collect(),
        ..Options::default()
    };
    if free_ports {
        options.dynamodb_port = 0;
        options.postgres_port = 0;
        options.cognito_port = 0;
    }
    Ok(options)
}

fn tell(context: &Context, state: &State, already: bool) {
    let ui = &context.ui;
    ui.status(if already {
        "the local stack is already running"
    } else {
        "the local stack is running"
    });
    for service in cruddur_local::Service::ALL {
        ui.status(format_args!("{service}: {}", state.address(service)));
    }
}

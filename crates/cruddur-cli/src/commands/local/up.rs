use std::convert::Infallible;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use cruddur_core::Error;
use cruddur_local::{
    CognitoRequest, Exit, Options, PoolUser, Service, StackDir, State, Status, Step,
};
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::logs::{Log, PAUSE};
use super::restart::STOP_TIMEOUT;
use super::stream::keep_up;
use super::{stack_dir, status};
use crate::app::Interruption;
use crate::context::Context;
use crate::error::FAILED;
use crate::stack_variables::variables;

/// How long a start may take. A first one makes a PostgreSQL cluster, which
/// takes long on a slow disk.
const START_TIMEOUT: Duration = Duration::from_secs(120);

const POOL_USERS: &str = include_str!("../../../../../seeds/pool-users.json");

#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Return when every service answers, and leave the stack running
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    manner: Manner,
    /// Given by `--detach` to the process it starts, whose output is a log
    #[arg(long, hide = true, conflicts_with = "detach")]
    background: bool,
}

// How a stack is started, and so started again.
#[derive(Debug, Clone, Default, Args)]
pub struct Manner {
    /// Take any free ports instead of 8000, 5432 and 9229
    #[arg(long)]
    free_ports: bool,
    /// Do not move conversations when messages are written
    #[arg(long)]
    no_stream: bool,
    // The table that it follows; otherwise that of this run.
    #[arg(skip)]
    table: Option<String>,
}

impl Manner {
    /// As a stack was started before.
    pub fn of(state: &State) -> Manner {
        Manner {
            free_ports: state.dynamodb.asked_port == 0,
            no_stream: !state.follows_stream,
            table: state.table.clone(),
        }
    }
}

pub async fn up(context: &Context, args: &UpArgs) -> anyhow::Result<ExitCode> {
    let dir = stack_dir(context)?;
    if args.detach {
        let (state, already) = detached(context, &dir, args.manner.clone()).await?;
        tell(context, &state, already);
        status::document(context, &dir).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Status::Running(state) = settled(context, &dir).await? {
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
    manner: Manner,
) -> anyhow::Result<(State, bool)> {
    if let Status::Running(state) = settled(context, dir).await? {
        return Ok((state, true));
    }
    let ui = &context.ui;
    ui.status(format_args!(
        "starting the local stack in {}",
        dir.path().display()
    ));
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let table = manner.table.as_ref();
    let table = table.unwrap_or(&context.target.table.value);
    let arguments = ["local", "up", "--background", "--table", table];
    let mut arguments: Vec<OsString> = arguments.map(OsString::from).to_vec();
    if manner.free_ports {
        arguments.push("--free-ports".into());
    }
    if manner.no_stream {
        arguments.push("--no-stream".into());
    }
    let child = cruddur_local::spawn_detached(&program, &arguments, dir)?;
    let dir = dir.clone();
    let state = tokio::task::spawn_blocking(move || {
        cruddur_local::wait_until_ready(&dir, child, START_TIMEOUT)
    })
    .await??;
    Ok((state, false))
}

/// How the stack stands, once one that is ending has ended.
async fn settled(context: &Context, dir: &StackDir) -> anyhow::Result<Status> {
    let status = dir.status()?;
    if !matches!(status, Status::Ending(_)) {
        return Ok(status);
    }
    context.ui.status("waiting for the stack that is ending");
    let dir = dir.clone();
    let settled = tokio::task::spawn_blocking(move || {
        cruddur_local::wait_until_ended(&dir, STOP_TIMEOUT)?;
        dir.status()
    });
    Ok(settled.await??)
}

async fn foreground(context: &Context, dir: StackDir, args: &UpArgs) -> anyhow::Result<ExitCode> {
    let ui = context.ui;
    let (requests, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let options = Options {
        cognito_requests: Some(requests),
        follows_stream: !args.manner.no_stream,
        table: Some(context.target.table.value.clone()),
        ..options(args.manner.free_ports)?
    };
    let progress = move |progress: cruddur_local::Progress| {
        let service = progress.service;
        match progress.step {
            Step::Creating => ui.status(format_args!("{service}: creating its data")),
            Step::Starting => ui.status(format_args!("{service}: starting")),
            Step::Ready { address } => ui.status(format_args!("{service}: ready at {address}")),
        }
    };
    let mut interruption = Interruption::listen();
    let mut stack = tokio::select! {
        stack = cruddur_local::start(dir.clone(), options, progress) => stack?,
        () = interruption.recv() => {
            // The start is given up; its server may need a moment to end.
            tokio::task::spawn_blocking(move || cruddur_local::end_leftover(&dir)).await??;
            return Err(Error::Interrupted.into());
        }
    };
    let folder = dir.path().display();
    ui.status(format_args!(
        "the local stack in {folder} runs; Ctrl-C ends it"
    ));
    let own = context.for_stack(&variables(stack.state()), false);
    let code = tokio::select! {
        exit = stack.stopped() => {
            tell_exit(context, &exit);
            Ok(ExitCode::from(FAILED))
        }
        () = interruption.recv() => Err(Error::Interrupted.into()),
        never = keep_up(&own), if !args.manner.no_stream => match never {},
        never = show_requests(context, &mut answered) => match never {},
        // In the background the lines are in a log already.
        never = show_log(context, &dir), if !args.background => match never {},
    };
    ui.status("ending the local stack");
    // It ends as fast as it can, so a second Ctrl-C changes nothing.
    stack
        .stop_telling(|service| ui.status(format_args!("{service}: ended")))
        .await?;
    code
}

/// Shows what Cognito was asked. Its end is told by the stack, not here.
async fn show_requests(
    context: &Context,
    answered: &mut UnboundedReceiver<CognitoRequest>,
) -> Infallible {
    while let Some(CognitoRequest { action, status }) = answered.recv().await {
        context
            .ui
            .status(format_args!("Cognito | {action} {status}"));
    }
    std::future::pending().await
}

/// Shows what PostgreSQL logs from now on. What DynamoDB does comes by its
/// stream: the engine tells nothing of its requests.
async fn show_log(context: &Context, dir: &StackDir) -> Infallible {
    let mut log = Log::from_end(dir.service_log_path(Service::Postgres));
    loop {
        tokio::time::sleep(PAUSE).await;
        // A log that cannot be read is no reason to end the stack.
        let added = log.read_on().unwrap_or_default();
        for line in String::from_utf8_lossy(&added).lines() {
            context.ui.status(format_args!("PostgreSQL | {line}"));
        }
    }
}

/// Says why a stack has ended by itself, with the end of its log.
pub fn tell_exit(context: &Context, exit: &Exit) {
    let ui = &context.ui;
    ui.error(&exit.reason);
    for line in &exit.log {
        ui.detail(line);
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

/// Says that a stack runs, and where its services are.
pub fn tell(context: &Context, state: &State, already: bool) {
    let ui = &context.ui;
    ui.status(if already {
        "the local stack is already running"
    } else {
        "the local stack is running"
    });
    for service in Service::ALL {
        ui.status(format_args!("{service}: {}", state.address(service)));
    }
    tell_of_other_table(context, state);
}

/// Says so where messages of this run's table would move no conversation.
pub fn tell_of_other_table(context: &Context, state: &State) {
    let own = &context.target.table.value;
    match &state.table {
        Some(other) if state.follows_stream && other != own => context.ui.warning(format_args!(
            "the local stack moves the conversations of table {other}, and not those of {own}; \
             end it, and start it again with --table {own}"
        )),
        _ => {}
    }
}

//! `cruddur local`: DynamoDB, PostgreSQL and Cognito without containers.

mod down;
mod env;
mod ephemeral;
mod exec;
mod logs;
mod reset;
mod restart;
mod snapshot;
mod status;
mod stream;
pub mod up;
mod users;

use std::fmt::Display;
use std::process::ExitCode;

use clap::Subcommand;
use cruddur_local::{StackDir, State, Status};
use serde::Serialize;

use crate::context::Context;
use crate::ui::printable;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum LocalCommand {
    /// Start the stack; Ctrl-C ends it
    Up(up::UpArgs),
    /// Show what runs, where, and whether it answers
    Status(status::StatusArgs),
    /// Print the variables that other programs need to reach the stack
    Env(env::EnvArgs),
    /// Show what the services have logged; a log begins anew at 10 MB
    Logs(logs::LogsArgs),
    /// Run a command with the stack's variables
    Exec(exec::ExecArgs),
    /// End the stack; its data stays
    Down(down::DownArgs),
    /// Delete the stack's data; one that runs starts anew
    Reset(reset::ResetArgs),
    /// Keep the stack's data under a name, or put it back
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// The people who use Cruddur on this stack
    #[command(subcommand)]
    Users(users::UsersCommand),
}

impl LocalCommand {
    /// Whether the stack runs inside this process.
    pub fn serves(&self) -> bool {
        match self {
            LocalCommand::Up(_) => true,
            LocalCommand::Exec(args) => args.ephemeral,
            _ => false,
        }
    }
}

pub async fn run(context: &Context, command: LocalCommand) -> anyhow::Result<ExitCode> {
    match command {
        LocalCommand::Up(args) => up::up(context, &args).await,
        LocalCommand::Status(args) => status::status(context, &args).await,
        LocalCommand::Env(args) => env::env(context, &args),
        LocalCommand::Logs(args) => logs::logs(context, &args).await,
        LocalCommand::Exec(args) => exec::exec(context, &args).await,
        LocalCommand::Down(args) => down::down(context, &args).await,
        LocalCommand::Reset(args) => reset::reset(context, &args).await,
        LocalCommand::Snapshot(command) => snapshot::run(context, command).await,
        LocalCommand::Users(command) => users::run(context, command).await,
    }
}

/// What was done to the data of a folder's stack, or would be.
#[derive(Debug, Serialize)]
struct Done<'a> {
    folder: String,
    /// The snapshot that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<&'a str>,
    done: bool,
    dry_run: bool,
}

impl<'a> Done<'a> {
    fn new(dir: &StackDir, snapshot: Option<&'a str>, dry_run: bool) -> Done<'a> {
        Done {
            folder: dir.path().display().to_string(),
            snapshot,
            done: !dry_run,
            dry_run,
        }
    }

    /// Prints it, for people as a sentence.
    fn show(&self, context: &Context, sentence: impl Display) -> anyhow::Result<()> {
        let sentence = printable(&sentence.to_string());
        context.ui.show(self, |out| writeln!(out, "{sentence}"))?;
        Ok(())
    }
}

/// The stack that belongs to the current folder: one that is already there, in
/// it or above it, or the one that a start would make in it.
fn stack_dir(context: &Context) -> Result<StackDir, cruddur_local::Error> {
    StackDir::of(&context.folder)
}

/// The running stack's addresses.
fn running(dir: &StackDir) -> Result<State, cruddur_local::Error> {
    match dir.status()? {
        Status::Running(state) => Ok(state),
        _ => Err(cruddur_local::Error::NotRunning {
            folder: dir.path().to_owned(),
        }),
    }
}

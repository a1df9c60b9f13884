//! One file a command: its arguments and its function. A group is a folder, and so is a
//! command of several parts.

mod cognito;
mod completions;
mod db;
mod ddb;
mod doctor;
mod local;
mod setup;
mod target;
mod wait;

use std::process::ExitCode;

use clap::Subcommand;
use cruddur_core::Service;

use crate::context::Context;

/// A command or a group of commands.
// Only the arguments of the command that is run are made, here and in the groups:
// those of all of them take half of what `--version` takes. A flattened struct
// of arguments has no doc comment for it: it would become the command's own.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Set everything up: wait for the servers, then create what is missing; drops nothing
    Setup(setup::SetupArgs),
    /// Show what a run talks to, and why
    Target(target::TargetArgs),
    /// Check what a run needs, and say what mends it; changes nothing
    Doctor(doctor::DoctorArgs),
    /// Wait until the servers answer
    Wait(wait::WaitArgs),
    /// The messages table in DynamoDB
    #[command(subcommand)]
    Ddb(ddb::DdbCommand),
    /// The database of users and activities in PostgreSQL
    #[command(subcommand)]
    Db(db::DbCommand),
    /// The user pool in Cognito
    #[command(subcommand)]
    Cognito(cognito::CognitoCommand),
    /// DynamoDB, PostgreSQL and Cognito on this machine, without containers
    #[command(subcommand)]
    Local(local::LocalCommand),
    /// Print the completion script for a shell
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// How many threads besides the main one are worth having.
    pub fn workers(&self) -> usize {
        match self {
            Command::Local(command) if command.serves() => 2,
            // A page is read while another is printed.
            Command::Ddb(ddb::DdbCommand::Scan(_)) => 1,
            // One request after another needs none, and starts faster without.
            _ => 0,
        }
    }

    /// The services that it asks for what it does.
    fn services(&self, context: &Context) -> Vec<Service> {
        match self {
            Command::Setup(args) if !args.local => wait::configured(context),
            Command::Wait(args) => args.services(context),
            Command::Ddb(command) if command.asks_postgres() => {
                vec![Service::DynamoDb, Service::Postgres]
            }
            Command::Ddb(_) => vec![Service::DynamoDb],
            Command::Db(command) if command.asks_cognito(context) => {
                vec![Service::Postgres, Service::Cognito]
            }
            Command::Db(_) => vec![Service::Postgres],
            Command::Cognito(_) => vec![Service::Cognito],
            Command::Setup(_)
            | Command::Target(_)
            | Command::Doctor(_)
            | Command::Local(_)
            | Command::Completions(_) => Vec::new(),
        }
    }

    /// Whether Ctrl-C may simply drop the command's work. The others see to
    /// the signal themselves, since they have something to end in order, or leave
    /// it to its default.
    pub fn ends_by_itself(&self) -> bool {
        use ddb::DdbCommand::Stream;
        use ddb::stream::StreamCommand::Apply;
        use local::LocalCommand::{Exec, Reset, Snapshot, Up};
        !matches!(
            self,
            Command::Local(Up(_) | Exec(_) | Reset(_) | Snapshot(_))
                | Command::Ddb(Stream(Apply(_)))
        )
    }
}

/// Runs a command to its end.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<ExitCode> {
    let services = command.services(context);
    context.tell_of_stack_that_is_down(&services);
    context.tell_of_unverified_tls(&services);
    match command {
        Command::Setup(args) => setup::setup(context, &args).await,
        Command::Target(args) => target::target(context, &args),
        Command::Doctor(args) => return doctor::doctor(context, &args).await,
        Command::Wait(args) => wait::wait(context, &args).await,
        Command::Ddb(command) => ddb::run(context, command).await,
        Command::Db(command) => db::run(context, command).await,
        Command::Cognito(command) => cognito::run(context, command).await,
        Command::Local(command) => return local::run(context, command).await,
        Command::Completions(args) => completions::completions(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What leads libpq past the server that it is told, or keeps it from it by a
/// demand that was meant for another. What remains (`PGAPPNAME`, `PGOPTIONS`,
/// `PGTZ` and so on) is about the session.
const LEAD_ELSEWHERE: [&str; 15] = [
    "PGCHANNELBINDING",
    "PGGSSENCMODE",
    "PGHOSTADDR",
    "PGLOADBALANCEHOSTS",
    "PGMAXPROTOCOLVERSION",
    "PGMINPROTOCOLVERSION",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSSLCERTMODE",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGTARGETSESSIONATTRS",
];

/// Keeps variables that were meant for another server from a program that uses
/// libpq.
fn stay_there(command: &mut std::process::Command) {
    for name in LEAD_ELSEWHERE {
        command.env_remove(name);
    }
}

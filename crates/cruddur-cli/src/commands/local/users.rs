//! `cruddur local users`: people in the stack's pool and in its database.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use cruddur_core::Error;
use cruddur_core::cognito::{Pool, PoolUser};
use cruddur_core::db::Database;
use cruddur_core::db::cognito_ids::Matched;
use cruddur_core::db::users::User;
use serde::Serialize;

use super::{running, stack_dir};
use crate::args::DryRun;
use crate::context::Context;
use crate::stack_variables::variables;
use crate::ui::printable;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum UsersCommand {
    /// Add a user to Cognito and to PostgreSQL, where it is missing
    Add(AddArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// The handle, which is the pool's preferred_username
    handle: String,
    /// The user's address
    #[arg(long)]
    email: String,
    /// The name people see [default: the handle]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    dry: DryRun,
}

/// What there is now, and what of it is new.
#[derive(Debug, Serialize)]
struct Added<'a> {
    handle: &'a str,
    email: &'a str,
    /// Not known before the pool has given it.
    cognito_user_id: Option<String>,
    added_to_cognito: bool,
    added_to_postgresql: bool,
    /// Whether PostgreSQL had the user with another id than the pool's.
    changed_cognito_user_id: bool,
    dry_run: bool,
}

pub async fn run(context: &Context, command: UsersCommand) -> anyhow::Result<ExitCode> {
    let UsersCommand::Add(args) = command;
    // Only ever the stack's own services, whatever the environment names.
    let state = running(&stack_dir(context)?)?;
    let own = context.for_stack(&variables(&state), false);
    let added = match add(&own, &args).await {
        // Somebody else was about to add the same one, and did.
        Err(error) if is_there_by_now(&error) => add(&own, &args).await,
        other => other,
    };
    match added {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(match error.downcast_ref() {
            // A command as it stands in a hint may go elsewhere.
            Some(lacking @ (Error::SchemaNotLoaded { .. } | Error::DatabaseNotFound { .. })) => {
                let mend = "set it up with `cruddur local exec -- cruddur setup`";
                Error::NotFound(format!("{lacking}; {mend}")).into()
            }
            _ => error,
        }),
    }
}

fn is_there_by_now(error: &anyhow::Error) -> bool {
    let exists = "UsernameExistsException";
    matches!(error.downcast_ref(), Some(Error::Service { code, .. }) if code == exists)
}

async fn add(context: &Context, args: &AddArgs) -> anyhow::Result<()> {
    let handle = handle_of(args)?;
    let database = Database::connect(&context.target)?;
    let pool = Pool::connect(&context.target).await?;
    let mut added = intended(&database, &pool, handle, args).await?;
    if !args.dry.dry_run {
        write(&database, &pool, &mut added, args).await?;
    }
    tell(context, &added)
}

/// The handle, where it and the address can be somebody's.
fn handle_of(args: &AddArgs) -> Result<&str, Error> {
    let handle = args.handle.strip_prefix('@').unwrap_or(&args.handle);
    let is_name = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
    let is_word = |word: &str| !word.is_empty() && word.chars().all(is_name);
    let is_address = |(user, host)| is_word(user) && is_word(host);
    match is_word(handle) && args.email.split_once('@').is_some_and(is_address) {
        true => Ok(handle),
        false => {
            let wrong = "a user needs a handle and an address such as londo@example.com";
            Err(Error::Usage(wrong.to_owned()))
        }
    }
}

/// What is to be done, going by who is there.
async fn intended<'a>(
    database: &Database,
    pool: &Pool,
    handle: &'a str,
    args: &'a AddArgs,
) -> Result<Added<'a>, Error> {
    // Asked first: without its table nothing is to be left in the pool.
    let here = database.users(None).await?;
    let here = here.iter().find(|user| user.handle == handle);
    let accounts = pool.users().await?;
    let is_own = |user: &&PoolUser| user.handle.as_deref() == Some(handle);
    let there = accounts.iter().find(is_own);
    let emails = [
        here.map(|user| user.email.clone()),
        there.and_then(|user| user.email.clone()),
    ];
    if let Some(other) = emails.into_iter().flatten().find(|e| *e != args.email) {
        let taken = format!("there is a user {handle} already, with the address {other}");
        return Err(Error::Failed(taken));
    }
    let has_address = |user: &&PoolUser| user.email.as_ref() == Some(&args.email);
    let of_address = accounts.iter().find(has_address);
    if let Some(other) = of_address.filter(|_| there.is_none()) {
        let other = other.handle.as_ref().unwrap_or(&other.username);
        let taken = format!("{} is the address of the user {other} already", args.email);
        return Err(Error::Failed(taken));
    }
    let sub = there.map(id);
    let has_other_id = |user: &User| Some(&user.cognito_user_id) != sub.as_ref();
    Ok(Added {
        handle,
        email: &args.email,
        added_to_cognito: there.is_none(),
        added_to_postgresql: here.is_none(),
        changed_cognito_user_id: here.is_some_and(has_other_id),
        cognito_user_id: sub,
        dry_run: args.dry.dry_run,
    })
}

/// Does what was intended, to the pool first: it gives the id.
async fn write(
    database: &Database,
    pool: &Pool,
    added: &mut Added<'_>,
    args: &AddArgs,
) -> Result<(), Error> {
    let (handle, email) = (added.handle, added.email);
    let name = args.name.as_deref().unwrap_or(handle);
    let sub = match &added.cognito_user_id {
        Some(sub) => sub.clone(),
        None => pool.add(handle, email, name).await?,
    };
    let written = database.add_user(handle, name, email, &sub).await;
    added.added_to_postgresql = written.map_err(|error| match added.added_to_cognito {
        true => Error::Partial {
            message: format!("{handle} was added to Cognito, and not to PostgreSQL"),
            not_done: vec![error.to_string()],
        },
        false => error,
    })?;
    if added.changed_cognito_user_id {
        let matched = database
            .match_cognito_ids(async |take| pool.accounts(take).await)
            .await?;
        let own = |one: &&Matched| one.handle.as_deref() == Some(handle);
        let own = matched.iter().filter(own).cloned().collect();
        database.set_cognito_ids(&Arc::new(own)).await?;
    }
    added.cognito_user_id = Some(sub);
    Ok(())
}

/// What the database keeps of a pool's user.
fn id(user: &PoolUser) -> String {
    user.sub.as_ref().unwrap_or(&user.username).clone()
}

fn tell(context: &Context, added: &Added<'_>) -> anyhow::Result<()> {
    let to = match (added.added_to_cognito, added.added_to_postgresql) {
        (true, true) => "Cognito and PostgreSQL",
        (true, false) => "Cognito; PostgreSQL had it already",
        (false, true) => "PostgreSQL; Cognito had it already",
        (false, false) => "",
    };
    let handle = printable(added.handle);
    let said = match to {
        "" if !added.changed_cognito_user_id => format!("{handle} is there already"),
        "" if added.dry_run => format!("would give {handle} the pool's id in PostgreSQL"),
        "" => format!("{handle} has the pool's id in PostgreSQL now"),
        to if added.dry_run => format!("would add {handle} to {to}"),
        to => format!("added {handle} to {to}"),
    };
    context.ui.show(added, |out| writeln!(out, "{said}"))?;
    Ok(())
}

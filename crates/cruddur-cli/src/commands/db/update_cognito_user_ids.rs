use std::io::Write as _;
use std::mem;
use std::sync::Arc;

use clap::Args;
use cruddur_core::Error;
use cruddur_core::cognito::Pool;
use cruddur_core::db::Database;
use cruddur_core::db::cognito_ids::{Matched, Outcome};

use super::{drop, place};
use crate::args::DryRun;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::ui::{counted, printable, unless_closed, write_table};

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    dry: DryRun,
}

pub async fn update_cognito_user_ids(context: &Context, args: &UpdateArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let pool = Pool::connect(&context.target).await?;
    let matched = database
        .match_cognito_ids(async |take| pool.accounts(take).await)
        .await?;
    let matched = Arc::new(matched);
    let dry_run = args.dry.dry_run;
    let set = async {
        if !dry_run {
            confirm(context, &args.confirmation, &database, &matched).await?;
            database.set_cognito_ids(&matched).await?;
        }
        anyhow::Ok(())
    };
    let tell = |matched: &[Matched], result: &[u8]| {
        let mut out = context.ui.out();
        let printed = out.write_all(result).and_then(|()| out.flush());
        let (place, pool) = (place(&database), pool.id());
        let summary = summary(matched, dry_run);
        context
            .ui
            .status(format_args!("{place} and user pool {pool}: {summary}"));
        unless_closed(printed)
    };
    // What there is to print is made while the server writes.
    let done = tokio::try_join!(set, async { result(context, &matched, dry_run) });
    let result = match done {
        Ok(((), result)) => result,
        Err(error) => {
            if let Some(Error::Partial { not_done, .. }) = error.downcast_ref() {
                let done = without(&matched, not_done);
                // The error counts, and not whether the others can be printed.
                let _ = tell(&done, &result(context, &done, dry_run)?);
            }
            return Err(error);
        }
    };
    let printed = tell(&matched, &result);
    check(&matched)?;
    printed?;
    // The process ends now, sooner than a hundred thousand entries are freed.
    mem::forget(matched);
    Ok(())
}

/// All but the users of these handles that were to change.
fn without(matched: &[Matched], left: &[String]) -> Vec<Matched> {
    let is_left = |one: &Matched| {
        let handle = one.handle.as_ref();
        one.outcome == Outcome::Changed && handle.is_some_and(|handle| left.contains(handle))
    };
    let done = matched.iter().filter(|one| !is_left(one));
    done.cloned().collect()
}

/// Real ids are written over in production only when that was confirmed.
async fn confirm(
    context: &Context,
    confirmation: &Confirmation,
    database: &Database,
    matched: &[Matched],
) -> anyhow::Result<()> {
    if !context.target.production {
        return Ok(());
    }
    let overwritten = matched.iter().filter(|m| m.overwrites()).count();
    if overwritten == 0 {
        return Ok(());
    }
    context.ui.detail(format_args!(
        "{}: another Cognito id of {} would be written over",
        place(database),
        counted(overwritten as u64, "user")
    ));
    drop::confirm(context, confirmation, database).await
}

fn result(context: &Context, matched: &[Matched], dry_run: bool) -> anyhow::Result<Vec<u8>> {
    let mut result = Vec::new();
    context.ui.write_list(&mut result, matched, |out| {
        let mut table = context
            .ui
            .table(&["handle", "result", "cognito id", "before"]);
        for one in matched {
            let handle = one.handle.as_deref().or(one.username.as_deref());
            let before = one
                .before
                .as_deref()
                .filter(|_| one.outcome == Outcome::Changed);
            table.add_row([
                printable(handle.unwrap_or("-")),
                said(one.outcome, dry_run).to_owned(),
                printable(
                    one.after
                        .as_deref()
                        .or(one.before.as_deref())
                        .unwrap_or("-"),
                ),
                printable(before.unwrap_or("-")),
            ]);
        }
        write_table(out, &table)
    })?;
    Ok(result)
}

fn said(outcome: Outcome, dry_run: bool) -> &'static str {
    match outcome {
        Outcome::Changed if dry_run => "would change",
        Outcome::Changed => "changed",
        Outcome::Unchanged => "unchanged",
        Outcome::NoSuchHandleHere => "no such handle here",
        Outcome::NoSuchHandleThere => "no such handle in the pool",
        Outcome::NoHandleThere => "no preferred_username in the pool",
        Outcome::NoIdThere => "no sub in the pool",
        Outcome::Ambiguous => "several in the pool",
    }
}

/// How many users came to what.
pub fn summary(matched: &[Matched], dry_run: bool) -> String {
    let outcomes = [
        Outcome::Changed,
        Outcome::Unchanged,
        Outcome::NoSuchHandleHere,
        Outcome::NoSuchHandleThere,
        Outcome::NoHandleThere,
        Outcome::NoIdThere,
        Outcome::Ambiguous,
    ];
    let counts: Vec<String> = outcomes
        .iter()
        .filter_map(|&outcome| {
            let count = matched.iter().filter(|m| m.outcome == outcome).count();
            let tell = count > 0 || outcome == Outcome::Changed;
            tell.then(|| format!("{count} {}", said(outcome, dry_run)))
        })
        .collect();
    counts.join(", ")
}

/// Users whom the pool knows by handle, but not well enough to take an id from,
/// were left undone.
pub fn check(matched: &[Matched]) -> anyhow::Result<()> {
    let not_done: Vec<String> = matched
        .iter()
        .filter(|m| matches!(m.outcome, Outcome::Ambiguous | Outcome::NoIdThere))
        .map(|m| {
            let handle = m.handle.as_deref().unwrap_or("-");
            let username = m.username.as_deref().unwrap_or("-");
            let why = said(m.outcome, false);
            format!("{handle}: {why} (user {username})")
        })
        .collect();
    if not_done.is_empty() {
        return Ok(());
    }
    let message = "some handles of the pool do not lead to one id".to_owned();
    Err(Error::Partial { message, not_done }.into())
}

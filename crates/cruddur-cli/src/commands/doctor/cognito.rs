//! Cognito, and whether its users and the database's are the same.

use cruddur_core::cognito::Pool;
use cruddur_core::db::Database;
use cruddur_core::db::cognito_ids::{Matched, Outcome};
use cruddur_core::{Error, Result, Service};

use super::checks::{Checks, PATIENCE, within};
use crate::context::Context;

const SERVICE: [&str; 3] = ["cognito credentials", "cognito", "cognito clock"];
const UNASKED: Found = Found::Nothing("Cognito could not be asked");
/// How many users are named.
const NAMED: usize = 5;

/// What became of the way to the pool.
pub enum Found {
    /// The pool answers.
    Pool(Pool),
    /// Cognito answers, and has no such pool.
    NoPool(Error),
    /// The pool could not be asked, and this is why.
    Nothing(&'static str),
}

/// Looks for the pool.
pub async fn check(context: &Context) -> (Checks, Found) {
    let mut checks = Checks::new(context);
    let target = &context.target;
    let Some(id) = &target.user_pool_id else {
        if let Err(error) = Pool::connect(target).await {
            checks.worrying("user pool", &error);
        }
        checks.unchecked(&SERVICE, "no pool is configured");
        return (checks, Found::Nothing("no pool is configured"));
    };
    checks.ok("user pool", format!("{} ({})", id.value, id.why));
    if target.region.is_err() {
        checks.unchecked(&SERVICE, "no region is set");
        return (checks, UNASKED);
    }
    if let Err(error) = &target.cognito {
        checks.unchecked(&SERVICE[..1], "the endpoint is not known");
        checks.failed("cognito", error);
        checks.unchecked(&SERVICE[2..], "the endpoint is not known");
        return (checks, UNASKED);
    }
    let signed = checks.credentials("cognito credentials", target, Service::Cognito);
    if !signed.await {
        checks.unchecked(&SERVICE[1..], "no request can be signed");
        return (checks, UNASKED);
    }
    let pool = match Pool::connect(target).await {
        Ok(pool) => pool,
        Err(error) => {
            checks.failed("cognito", &error);
            checks.unchecked(&SERVICE[2..], "Cognito could not be asked");
            return (checks, UNASKED);
        }
    };
    let probe = within(Service::Cognito, pool.at(), async {
        Ok(pool.probe().await)
    });
    let (answer, clock) = probe.await.unwrap_or_else(|error| (Err(error), None));
    let found = match answer {
        Ok(()) => {
            checks.ok("cognito", pool.at());
            Found::Pool(pool)
        }
        Err(error @ Error::PoolNotFound { .. }) => {
            checks.ok("cognito", pool.at());
            Found::NoPool(error)
        }
        Err(error) => {
            checks.failed("cognito", &error);
            UNASKED
        }
    };
    match clock {
        None if matches!(found, Found::Nothing(_)) => {
            checks.unchecked(&["cognito clock"], "Cognito could not be asked");
        }
        clock => checks.clock("cognito clock", clock, true),
    }
    (checks, found)
}

/// Compares the pool's users with the database's.
pub async fn check_users(checks: &mut Checks, found: Found, database: Option<Database>) {
    const NAME: &str = "pool users";
    let pool = match found {
        Found::Pool(pool) => pool,
        Found::NoPool(error) => {
            checks.failed(NAME, &error);
            return;
        }
        Found::Nothing(why) => {
            checks.unchecked(&[NAME], why);
            return;
        }
    };
    let Some(database) = database else {
        checks.unchecked(&[NAME], "there is no database with users");
        return;
    };
    match tokio::time::timeout(PATIENCE, compare(&pool, &database)).await {
        Ok(Ok(users)) => matching(checks, NAME, &users),
        Ok(Err(error)) => checks.failed(NAME, &error),
        // Or it is a long list, of sixty users a page.
        Err(_) => checks.unchecked(
            &[NAME],
            "the pool and the database did not list them all in time",
        ),
    }
}

async fn compare(pool: &Pool, database: &Database) -> Result<Vec<Matched>> {
    database
        .match_cognito_ids(async |take| pool.accounts(take).await)
        .await
}

fn matching(checks: &mut Checks, name: &'static str, users: &[Matched]) {
    let (mut matched, mut outdated, mut unmatched) = (0, Vec::new(), Vec::new());
    for user in users {
        let who = user.handle.as_ref().or(user.username.as_ref());
        let who = who.map_or("-", String::as_str);
        match user.outcome {
            Outcome::Unchanged => matched += 1,
            Outcome::Changed => outdated.push(who),
            _ => unmatched.push(who),
        }
    }
    let mut detail = format!("{matched} of {} match", users.len());
    let command = format!("cruddur db update-cognito-user-ids{}", checks.flags());
    if outdated.is_empty() && unmatched.is_empty() {
        checks.ok(name, detail);
        return;
    }
    if !outdated.is_empty() {
        detail += &format!("; with another id here: {}", list(&outdated));
    }
    if !unmatched.is_empty() {
        detail += &format!("; without a match: {}", list(&unmatched));
    }
    let mend = if outdated.is_empty() {
        format!("`{command} --dry-run` shows what each of them lacks")
    } else {
        format!("take the pool's ids with `{command}`")
    };
    checks.warning(name, detail, mend);
}

fn list(names: &[&str]) -> String {
    match names.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}

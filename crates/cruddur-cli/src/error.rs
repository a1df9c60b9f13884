//! How a failure is told: one sentence, what mends it, and the exit status.
//!
//! Errors of the libraries become hints and statuses here and nowhere else.

mod local;

use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use cruddur_core::target::{DEFAULT_CONNECTION_URL, DEFAULT_ENDPOINT_URL};
use cruddur_core::{Error, Service};

use crate::args::{Global, quoted};
use crate::ui::{Ui, printable_line};
pub use local::hint as local_hint;

/// The operation failed.
pub const FAILED: u8 = 1;
/// Usage or configuration.
pub const USAGE: u8 = 2;
/// Part of it was done; stderr lists what was not.
pub const PARTIAL: u8 = 3;
/// A service cannot be reached, or has no usable credentials.
pub const UNREACHABLE: u8 = 4;
/// Refused by a guard.
pub const REFUSED: u8 = 5;
/// The thing named does not exist.
pub const NOT_FOUND: u8 = 6;
/// Interrupted by Ctrl-C or SIGTERM.
pub const INTERRUPTED: u8 = 130;

/// Prints a failure and returns the status to exit with.
pub fn report(ui: &Ui, global: &Global, failure: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(failure) {
        return ExitCode::SUCCESS;
    }
    if let Some(error) = failure.downcast_ref::<cruddur_local::Error>() {
        // Its sentence has the cause, which `{:#}` would tell a second time.
        ui.error(error);
        return local::report(ui, error);
    }
    let found = failure.chain().find_map(|e| e.downcast_ref::<Error>());
    if let Some(Error::Interrupted) = found {
        // As it was asked to, which is no failure.
        ui.status(Error::Interrupted);
        return ExitCode::from(INTERRUPTED);
    }
    ui.error(format_args!("{failure:#}"));
    let Some(error) = found else {
        return ExitCode::from(FAILED);
    };
    if let Error::Partial { not_done, .. } | Error::NotDone { not_done, .. } = error {
        for what in not_done {
            ui.error(format_args!("not done: {what}"));
        }
    }
    if let Some(hint) = hint(error, global) {
        ui.hint(hint);
    }
    ExitCode::from(status(error))
}

/// Says in a sentence why a thread cannot go on: a library that is refused a file or a
/// thread by the system may panic.
pub fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let why = panic.payload_as_str().unwrap_or("it does not say why");
    // As `io::Error` is shown for debugging.
    let system = why
        .split_once("message: \"")
        .and_then(|(_, rest)| rest.split_once('"'));
    let why = match (system, panic.location()) {
        (Some((system, _)), _) => format!("the system refuses what is needed: {system}"),
        (None, Some(location)) => format!("this is a mistake in it: {why} ({location})"),
        (None, None) => why.to_owned(),
    };
    // What serves requests goes on without the one that failed.
    let what = match std::thread::current().name() {
        Some("main") => "cruddur cannot go on",
        _ => "a part of cruddur has failed",
    };
    let why = printable_line(&why);
    // Where stderr is closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {what}: {why}");
}

/// Whoever read our output has seen enough: nothing to complain about.
fn is_closed_pipe(failure: &anyhow::Error) -> bool {
    failure.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// The status that a run ends with because of an error.
pub fn status(error: &Error) -> u8 {
    match error {
        Error::Usage(_) | Error::NotConfigured { .. } => USAGE,
        Error::Refused(_) => REFUSED,
        Error::Unreachable { .. }
        | Error::Tls { .. }
        | Error::WrongServer { .. }
        | Error::Credentials { .. } => UNREACHABLE,
        Error::TableNotFound { .. }
        | Error::DatabaseNotFound { .. }
        | Error::SchemaNotLoaded { .. }
        | Error::UserNotFound { .. }
        | Error::PoolNotFound { .. }
        | Error::NotFound(_) => NOT_FOUND,
        Error::Partial { .. } => PARTIAL,
        Error::Interrupted => INTERRUPTED,
        Error::TableDiffers { .. }
        | Error::TableIncomplete { .. }
        | Error::DatabaseInUse { .. }
        | Error::GroupExists { .. }
        | Error::Input { .. }
        | Error::Service { .. }
        | Error::NotDone { .. }
        | Error::Failed(_) => FAILED,
    }
}

/// The command or setting that mends it, where there is one. The command goes
/// where the run with these flags went.
pub fn hint(error: &Error, global: &Global) -> Option<String> {
    let production = global.prod;
    let flags = global.flags();
    Some(match error {
        Error::NotConfigured { set, .. } => format!("set {set}"),
        Error::Refused(why) if !production && why.contains("marked as production") => {
            "production is reached with --prod; a copy of it for development is unmarked by \
             `update cruddur.marker set environment = 'development'` in that database"
                .to_owned()
        }
        Error::Refused(why) if !production && why.contains("--prod") => {
            "production is reached with --prod; `cruddur target` shows where a run goes".to_owned()
        }
        Error::Credentials { cause, .. } if cause.contains("`aws login`") => {
            "use a profile with `credential_process = aws configure export-credentials \
             --profile NAME`, where NAME is this one"
                .to_owned()
        }
        Error::Credentials { cause, .. }
            if cause.contains("was not defined") || cause.starts_with("the profile is not") =>
        {
            "`aws configure list-profiles` names the profiles".to_owned()
        }
        Error::Credentials { cause, .. } if cause.starts_with("AccessDeniedException") => {
            "have it allowed for these credentials, or use those of someone who may".to_owned()
        }
        Error::Unreachable { service, at, .. } => unreachable(*service, at, global),
        Error::Tls { .. } => {
            "sslrootcert in the URL names a file of authorities to trust, or `rds` for those of \
             Amazon RDS; sslmode says what is asked of the server"
                .to_owned()
        }
        Error::WrongServer { .. } => {
            format!(
                "another program may listen there; `cruddur target{flags}` shows where the address \
                 comes from"
            )
        }
        Error::Credentials { service, .. } => credentials(*service, global),
        Error::TableNotFound { table, .. } => {
            let flags = global.flags_for(table);
            format!("create it with `cruddur ddb schema-load{flags}`")
        }
        Error::TableDiffers { table, in_keys, .. } => {
            let flags = global.flags_for(table);
            match in_keys {
                true => format!(
                    "use another table with --table, or drop this one with \
                     `cruddur ddb drop{flags}`"
                ),
                false => format!(
                    "its items can stay: delete that index, or switch that stream off, with \
                     `aws dynamodb update-table`, and add it as it should be with \
                     `cruddur ddb schema-load --update{flags}`"
                ),
            }
        }
        Error::TableIncomplete { table, .. } => {
            let flags = global.flags_for(table);
            format!("add it with `cruddur ddb schema-load --update{flags}`")
        }
        Error::DatabaseNotFound { .. } => format!("create it with `cruddur db create{flags}`"),
        Error::SchemaNotLoaded { .. } => format!("load it with `cruddur db schema-load{flags}`"),
        Error::DatabaseInUse { .. } => "--force ends these sessions".to_owned(),
        Error::UserNotFound { close, .. } if !close.is_empty() => {
            format!("close to it: {}", close.join(", "))
        }
        Error::UserNotFound { .. } => format!("`cruddur db users{flags}` lists the handles"),
        Error::PoolNotFound { .. } => {
            format!(
                "AWS_COGNITO_USER_POOL_ID names the pool; `cruddur target{flags}` shows where it \
                 comes from"
            )
        }
        Error::GroupExists {
            sender,
            message_group_uuid,
            ..
        } => format!(
            "write there with `cruddur ddb patterns create-message --handle {} \
             --message-group-uuid {}{flags} TEXT`",
            quoted(sender),
            quoted(message_group_uuid)
        ),
        Error::Service {
            service: Service::Postgres,
            code,
            ..
        } if code == "42501" => {
            format!(
                "sign in as a role that may, or have the owner grant it; `cruddur \
                 target{flags}` shows the role and the database"
            )
        }
        // A lock that another session kept (SQLSTATE `lock_not_available`).
        Error::Service {
            service: Service::Postgres,
            code,
            ..
        } if code == "55P03" => {
            format!(
                "`cruddur db sessions{flags}` lists the others; run this again when they are done"
            )
        }
        // It says so itself.
        Error::Partial { message, .. } | Error::NotDone { message, .. }
            if message.contains("--from-start") =>
        {
            return None;
        }
        Error::Partial { .. } => {
            "mend what is named above and run the same command again; what is done stays done"
                .to_owned()
        }
        Error::NotDone { .. } => {
            "mend what is named above and run the same command again".to_owned()
        }
        _ => return None,
    })
}

fn unreachable(service: Service, at: &str, global: &Global) -> String {
    let (is_default, variable) = match service {
        Service::Postgres => {
            let server = format!("@{at}/");
            (DEFAULT_CONNECTION_URL.contains(&server), "CONNECTION_URL")
        }
        Service::DynamoDb | Service::DynamoDbStreams => {
            let flag_or_variable = "--endpoint-url or AWS_ENDPOINT_URL_DYNAMODB";
            (at == DEFAULT_ENDPOINT_URL, flag_or_variable)
        }
        Service::Cognito => (false, "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"),
    };
    match global.prod {
        true if service == Service::Postgres => "check PROD_CONNECTION_URL".to_owned(),
        true if global.endpoint_url.is_none() => "check the network and the region".to_owned(),
        false if is_default => {
            format!("start one with `cruddur local up --detach`, or point {variable} at yours")
        }
        _ => format!(
            "see that it runs there; `cruddur target{}` shows where the address comes from",
            global.flags()
        ),
    }
}

/// How to come by credentials.
pub fn credentials(service: Service, global: &Global) -> String {
    let production = global.prod;
    match service {
        Service::Postgres if production => "check PROD_CONNECTION_URL".to_owned(),
        Service::Postgres => format!(
            "check the user and the password; `cruddur target{}` shows where they come from",
            global.flags()
        ),
        _ if production => {
            "sign in with `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned()
        }
        _ => "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn a_stack_is_advised_only_where_it_would_be_found() {
        let advised = |flags: &[&str], service, at: &str| {
            let words = [&["cruddur", "target"], flags].concat();
            let global = Cli::try_parse_from(words).unwrap().global;
            unreachable(service, at, &global).contains("local up")
        };
        let (ddb, db) = (Service::DynamoDb, Service::Postgres);
        assert!(advised(&[], ddb, "http://localhost:8000"));
        assert!(advised(&[], db, "localhost:5432"));
        assert!(!advised(&[], ddb, "http://localhost:8042"));
        assert!(!advised(&[], db, "localhost:54320"));
        assert!(!advised(&["--prod"], ddb, "http://localhost:8000"));
        assert!(!advised(&["--prod"], db, "localhost:5432"));
    }
}

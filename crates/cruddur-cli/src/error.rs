//! How a failure is told: one sentence, what mends it, and the exit status.
//!
//! Errors of the libraries become hints and statuses here and nowhere else.

use std::io;
use std::process::ExitCode;

use cruddur_core::target::DEFAULT_TABLE;
use cruddur_core::{Error, Service};

use crate::ui::{Ui, printable};

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
pub fn report(ui: &Ui, production: bool, failure: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(failure) {
        return ExitCode::SUCCESS;
    }
    if let Some(error) = failure.downcast_ref::<cruddur_local::Error>() {
        // Its sentence has the cause, which `{:#}` would tell a second time.
        ui.error(error);
        return report_local(ui, error);
    }
    ui.error(format_args!("{failure:#}"));
    let Some(error) = failure.chain().find_map(|e| e.downcast_ref::<Error>()) else {
        return ExitCode::from(FAILED);
    };
    if let Error::Partial { not_done, .. } = error {
        for what in not_done {
            ui.error(format_args!("not done: {what}"));
        }
    }
    if let Some(hint) = hint(error, production) {
        ui.hint(hint);
    }
    ExitCode::from(status(error))
}

fn report_local(ui: &Ui, error: &cruddur_local::Error) -> ExitCode {
    use cruddur_local::Error;
    for line in error.log() {
        ui.detail(printable(line));
    }
    if let Some(hint) = error.hint() {
        ui.hint(hint);
    }
    ExitCode::from(match error {
        Error::NotRunning { .. } => UNREACHABLE,
        Error::NewerVersion { .. } => REFUSED,
        Error::NoSnapshot { .. } => NOT_FOUND,
        Error::SnapshotName { .. } => USAGE,
        _ => FAILED,
    })
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
        Error::Unreachable { .. } | Error::WrongServer { .. } | Error::Credentials { .. } => {
            UNREACHABLE
        }
        Error::TableNotFound { .. }
        | Error::DatabaseNotFound { .. }
        | Error::UserNotFound { .. }
        | Error::PoolNotFound { .. }
        | Error::NotFound(_) => NOT_FOUND,
        Error::Partial { .. } => PARTIAL,
        Error::Interrupted => INTERRUPTED,
        Error::TableDiffers { .. }
        | Error::TableIncomplete { .. }
        | Error::SchemaNotLoaded { .. }
        | Error::DatabaseInUse { .. }
        | Error::GroupExists { .. }
        | Error::Input { .. }
        | Error::Service { .. }
        | Error::Failed(_) => FAILED,
    }
}

/// The command or setting that mends it, where there is one.
pub fn hint(error: &Error, production: bool) -> Option<String> {
    let prod = if production { " --prod" } else { "" };
    Some(match error {
        Error::NotConfigured { set, .. } => format!("set {set}"),
        Error::Refused(why) if !production && why.contains("--prod") => {
            "production is reached with --prod; `cruddur target` shows where a run goes".to_owned()
        }
        Error::Credentials { cause, .. } if cause.contains("`aws login`") => {
            "use a profile with `credential_process = aws configure export-credentials \
             --profile NAME`, where NAME is this one"
                .to_owned()
        }
        Error::Credentials { cause, .. } if cause.starts_with("AccessDeniedException") => {
            "have it allowed for these credentials, or use those of someone who may".to_owned()
        }
        Error::Unreachable { service, .. } => unreachable(*service, production),
        Error::WrongServer { .. } => {
            "another program may listen there; `cruddur target` shows where the address comes from"
                .to_owned()
        }
        Error::Credentials { service, .. } => credentials(*service, production),
        Error::TableNotFound { table, .. } => {
            let named = if table == DEFAULT_TABLE {
                String::new()
            } else {
                format!(" --table {table}")
            };
            format!("create it with `cruddur ddb schema-load{named}{prod}`")
        }
        Error::TableDiffers { .. } => {
            format!(
                "use another table with --table, or drop this one with `cruddur ddb drop{prod}`"
            )
        }
        Error::TableIncomplete { .. } => {
            format!("add it with `cruddur ddb schema-load --update{prod}`")
        }
        Error::DatabaseNotFound { .. } => format!("create it with `cruddur db create{prod}`"),
        Error::SchemaNotLoaded { .. } => format!("load it with `cruddur db schema-load{prod}`"),
        Error::DatabaseInUse { .. } => "--force ends these sessions".to_owned(),
        Error::UserNotFound { close, .. } if !close.is_empty() => {
            format!("close to it: {}", close.join(", "))
        }
        Error::UserNotFound { .. } => format!("`cruddur db users{prod}` lists the handles"),
        Error::PoolNotFound { .. } => {
            "AWS_COGNITO_USER_POOL_ID names the pool; `cruddur target` shows where it comes from"
                .to_owned()
        }
        Error::GroupExists {
            sender,
            message_group_uuid,
            ..
        } => format!(
            "write there with `cruddur ddb patterns create-message --handle {sender} \
             --message-group-uuid {message_group_uuid}{prod} TEXT`"
        ),
        Error::Partial { .. } => {
            "mend what is named above and run the same command again; what is done stays done"
                .to_owned()
        }
        _ => return None,
    })
}

fn unreachable(service: Service, production: bool) -> String {
    let variable = match service {
        Service::Postgres if production => return "check PROD_CONNECTION_URL".to_owned(),
        _ if production => return "check the network and the region".to_owned(),
        Service::Postgres => "CONNECTION_URL",
        Service::Cognito => "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
        Service::DynamoDb | Service::DynamoDbStreams => {
            "--endpoint-url or AWS_ENDPOINT_URL_DYNAMODB"
        }
    };
    format!("start one with `cruddur local up --detach`, or point {variable} at yours")
}

/// How to come by credentials.
pub fn credentials(service: Service, production: bool) -> String {
    match service {
        Service::Postgres if production => "check PROD_CONNECTION_URL".to_owned(),
        Service::Postgres => "check the user and the password in CONNECTION_URL".to_owned(),
        _ if production => {
            "sign in with `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned()
        }
        _ => "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
    }
}

//! PostgreSQL and the database in it.

use cruddur_core::Service;
use cruddur_core::db::server::{OLDEST_VERSION, Server, State};
use cruddur_core::db::{Database, SslMode};

use super::checks::{Checks, within};
use crate::context::Context;

const SERVER: [&str; 4] = [
    "postgresql",
    "postgresql version",
    "postgresql clock",
    "postgresql tls",
];
const DATABASE: [&str; 5] = [
    "database",
    "database encoding",
    "database time zone",
    "database schema",
    "database marker",
];

/// The database comes along if it has users to look at.
pub async fn check(context: &Context) -> (Checks, Option<Database>) {
    let mut checks = Checks::new(context);
    let probed = match Database::connect(&context.target) {
        Ok(database) => {
            let probe = within(Service::Postgres, &database.at(), database.probe()).await;
            probe.map(|probe| (database, probe))
        }
        Err(error) => Err(error),
    };
    let (database, probe) = match probed {
        Ok(probed) => probed,
        Err(error) => {
            checks.failed("postgresql", &error);
            checks.unchecked(&SERVER[1..], "PostgreSQL could not be asked");
            checks.unchecked(&DATABASE, "PostgreSQL could not be asked");
            return (checks, None);
        }
    };
    checks.ok("postgresql", database.at());
    check_server(&mut checks, &database, &probe.server);
    let ready = match &probe.database {
        Ok(state) => check_database(&mut checks, &database, state),
        Err(error) => {
            checks.failed("database", error);
            checks.unchecked(&DATABASE[1..], "there is no database");
            false
        }
    };
    (checks, ready.then_some(database))
}

fn check_server(checks: &mut Checks, database: &Database, server: &Server) {
    let detail = format!("PostgreSQL {}", server.version);
    if server.major >= OLDEST_VERSION {
        checks.ok("postgresql version", detail);
    } else {
        let mend = format!("use a server of version {OLDEST_VERSION} or newer");
        checks.problem("postgresql version", detail, mend);
    }
    checks.clock("postgresql clock", Some(server.clock), false);
    check_tls(checks, database, server.tls.as_deref());
}

fn check_tls(checks: &mut Checks, database: &Database, tls: Option<&str>) {
    let url = database.url();
    let mode = url.ssl_mode();
    let detail = match tls {
        Some(version) => format!("{version}, sslmode {mode}"),
        None => format!("no TLS, sslmode {mode}"),
    };
    if !database.is_production() || url.is_verified() {
        checks.ok("postgresql tls", detail);
        return;
    }
    let mend = "set sslmode=verify-full in PROD_CONNECTION_URL".to_owned();
    // With the other modes there is TLS up to a pooler, if not to the server.
    let may_be_plain = matches!(mode, SslMode::Disable | SslMode::Prefer);
    if tls.is_none() && may_be_plain {
        checks.problem("postgresql tls", detail, mend);
    } else {
        let detail = format!("{detail}: the server's certificate is not verified");
        checks.warning("postgresql tls", detail, mend);
    }
}

/// Whether there are users to look at.
fn check_database(checks: &mut Checks, database: &Database, state: &State) -> bool {
    let name = database.name();
    checks.ok("database", &name);
    if state.encoding == "UTF8" {
        checks.ok("database encoding", &state.encoding);
    } else {
        let mend = format!(
            "make another one with `cruddur db create{}`, which takes UTF8, and move the data",
            checks.flags()
        );
        checks.problem("database encoding", &state.encoding, mend);
    }
    if is_utc(&state.time_zone) {
        checks.ok("database time zone", &state.time_zone);
    } else {
        let detail = format!(
            "{}: other programs that do not ask for UTC get local times",
            state.time_zone
        );
        let name = name.replace('"', "\"\"");
        let mend = format!("alter database \"{name}\" set timezone to 'UTC'");
        checks.warning("database time zone", detail, mend);
    }
    match &state.schema {
        Ok(()) => checks.ok("database schema", "tables and columns are there"),
        Err(error) => checks.failed("database schema", error),
    }
    check_marker(checks, database, state);
    state.schema.is_ok()
}

fn check_marker(checks: &mut Checks, database: &Database, state: &State) {
    const NAME: &str = "database marker";
    let environment = match &state.environment {
        Ok(Some(environment)) => environment,
        Ok(None) if state.schema.is_err() => {
            checks.unchecked(&[NAME], "it is written with the schema");
            return;
        }
        Ok(None) => {
            let mend = format!("write it with `cruddur db schema-load{}`", checks.flags());
            let detail = "the database does not say whether it is production's";
            checks.warning(NAME, detail, mend);
            return;
        }
        Err(error) => {
            checks.failed(NAME, error);
            return;
        }
    };
    match database.suits(*environment) {
        Ok(()) if database.is_production() => checks.ok(NAME, "production"),
        Ok(()) => checks.ok(NAME, "development"),
        Err(error) if database.is_production() => {
            let mend = "check PROD_CONNECTION_URL, or leave --prod away".to_owned();
            checks.problem(NAME, error.to_string(), mend);
        }
        Err(error) => checks.failed(NAME, &error),
    }
}

/// Whether a zone is UTC by one of its names.
fn is_utc(zone: &str) -> bool {
    let names = ["UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu"];
    let more = ["GMT", "Etc/GMT", "Universal", "Etc/Universal"];
    names
        .iter()
        .chain(&more)
        .any(|name| name.eq_ignore_ascii_case(zone))
}

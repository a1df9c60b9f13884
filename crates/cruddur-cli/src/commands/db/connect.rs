use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;
use cruddur_core::Error;
use cruddur_core::db::{ConnectionUrl, Database, RDS, RDS_CERTIFICATES, SslMode};

use crate::commands::stay_there;
use crate::context::Context;
use crate::own_file;

/// Where systems keep the authorities they trust, in one file. Unlike this
/// program, psql knows them only from version 16 on, and not without being told.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
];

/// How to come by psql.
pub const INSTALL_PSQL: &str = "get it with `apt install postgresql-client` (Debian, Ubuntu), \
     `dnf install postgresql` (Fedora) or `brew install libpq` (macOS)";

#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Arguments for psql, such as -- -c 'select 1'
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

/// Replaces this process by psql; returns only if that fails.
pub fn connect(context: &Context, args: &ConnectArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let psql = database.url().psql();
    let mut command = Command::new("psql");
    command
        .arg(format!("--dbname={}", psql.conninfo))
        .args(&args.arguments);
    // What of the variables counts is in the arguments.
    stay_there(&mut command);
    command.envs(psql.variables);
    // Every user of the machine can read arguments, and only ours and root the
    // environment.
    if let Some(password) = psql.password {
        command.env("PGPASSWORD", OsString::from_vec(password));
    }
    if let Some(file) = certificates(context, database.url())? {
        command.env("PGSSLROOTCERT", file);
    }
    let error = command.exec();
    let message = if error.kind() == ErrorKind::NotFound {
        format!("psql is not installed; {INSTALL_PSQL}")
    } else {
        format!("psql cannot be started: {error}")
    };
    Err(Error::Failed(message).into())
}

/// The file of the authorities to trust where the URL names none.
fn certificates(context: &Context, url: &ConnectionUrl) -> anyhow::Result<Option<PathBuf>> {
    let verifies = matches!(url.ssl_mode(), SslMode::VerifyCa | SslMode::VerifyFull);
    match url.root_certificates() {
        Some(RDS) => {
            let path = own_file::path(&context.folder, "rds.pem")?;
            own_file::replace(&path, RDS_CERTIFICATES.as_bytes())
                .with_context(|| path.display().to_string())?;
            Ok(Some(path))
        }
        None if verifies => Ok(SYSTEM_CERTIFICATES
            .into_iter()
            .map(PathBuf::from)
            .find(|file| file.exists())),
        _ => Ok(None),
    }
}

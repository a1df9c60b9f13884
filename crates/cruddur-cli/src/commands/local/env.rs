use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use cruddur_core::target::DUMMY_KEY;
use cruddur_local::State;

use super::{running, stack_dir};
use crate::args::Output;
use crate::context::Context;

#[derive(Debug, Args)]
pub struct EnvArgs {
    /// The shell to write for: `eval "$(cruddur local env)"`
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Shell {
    #[default]
    Sh,
    Fish,
    Powershell,
}

pub fn env(context: &Context, args: &EnvArgs) -> anyhow::Result<ExitCode> {
    let variables = variables(&running(&stack_dir(context)?)?);
    let ui = &context.ui;
    if ui.output != Output::Table {
        let object: serde_json::Map<_, _> = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        ui.show(&object, |_| Ok(()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = ui.out();
    for (name, value) in variables {
        // No value holds a quote, so quoting is all the escaping there is.
        match args.shell {
            Shell::Sh => writeln!(out, "export {name}='{value}'")?,
            Shell::Fish => writeln!(out, "set -gx {name} '{value}'")?,
            Shell::Powershell => writeln!(out, "$Env:{name} = '{value}'")?,
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// What Cruddur's web app, the AWS SDKs and libpq read.
pub fn variables(state: &State) -> Vec<(&'static str, String)> {
    let postgres = &state.postgres;
    vec![
        ("AWS_ENDPOINT_URL_DYNAMODB", state.dynamodb.url.clone()),
        // The SDKs ask for Streams' address under a name of its own.
        (
            "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
            state.dynamodb.url.clone(),
        ),
        (
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
            state.cognito.url.clone(),
        ),
        (
            "AWS_COGNITO_USER_POOL_ID",
            state.cognito.user_pool_id.clone(),
        ),
        (
            "AWS_COGNITO_USER_POOL_CLIENT_ID",
            state.cognito.client_id.clone(),
        ),
        ("AWS_ACCESS_KEY_ID", DUMMY_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", DUMMY_KEY.to_owned()),
        // boto3 reads one, the SDKs for other languages the other.
        ("AWS_DEFAULT_REGION", state.region.clone()),
        ("AWS_REGION", state.region.clone()),
        ("CONNECTION_URL", state.connection_url()),
        ("PGHOST", postgres.host.clone()),
        ("PGPORT", postgres.port.to_string()),
        ("PGUSER", postgres.user.clone()),
        ("PGPASSWORD", postgres.password.clone()),
        ("PGDATABASE", postgres.database.clone()),
    ]
}

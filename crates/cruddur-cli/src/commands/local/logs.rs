use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use cruddur_local::Service;

use super::stack_dir;
use crate::context::Context;

/// How often a log is looked at again.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// One service only; DynamoDB and Cognito log together
    #[arg(value_enum)]
    service: Option<LoggedService>,
    /// Go on as lines are added, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LoggedService {
    Dynamodb,
    Postgres,
    Cognito,
}

pub async fn logs(context: &Context, args: &LogsArgs) -> anyhow::Result<ExitCode> {
    let dir = stack_dir(context);
    let paths = match args.service {
        None => vec![dir.log_path(), dir.service_log_path(Service::Postgres)],
        Some(LoggedService::Dynamodb) => vec![dir.service_log_path(Service::DynamoDb)],
        Some(LoggedService::Postgres) => vec![dir.service_log_path(Service::Postgres)],
        Some(LoggedService::Cognito) => vec![dir.service_log_path(Service::Cognito)],
    };
    let mut logs: Vec<Log> = paths.into_iter().map(Log::new).collect();
    let mut out = context.ui.out();
    loop {
        for log in &mut logs {
            out.write_all(&log.read_on()?)?;
        }
        out.flush()?;
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A log and how far it has been read.
struct Log {
    path: PathBuf,
    file: Option<File>,
}

impl Log {
    fn new(path: PathBuf) -> Log {
        Log { path, file: None }
    }

    /// What has been added since the last call.
    fn read_on(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut added = Vec::new();
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(added),
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot read {}", self.path.display()));
                }
            }
        }
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut added)?;
        }
        Ok(added)
    }
}

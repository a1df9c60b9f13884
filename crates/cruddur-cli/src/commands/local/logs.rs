use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use cruddur_local::Service;

use super::stack_dir;
use crate::context::Context;
use crate::ui::unread;

/// How often a log is looked at again.
pub const PAUSE: Duration = Duration::from_millis(200);

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
    let dir = stack_dir(context)?;
    let all = [dir.log_path(), dir.service_log_path(Service::Postgres)];
    // One that a start which failed has left is what people come for.
    if !all.iter().any(|path| path.exists()) {
        let folder = dir.path().to_owned();
        return Err(cruddur_local::Error::NotRunning { folder }.into());
    }
    let paths = match args.service {
        None => all.to_vec(),
        Some(LoggedService::Dynamodb) => vec![dir.service_log_path(Service::DynamoDb)],
        Some(LoggedService::Postgres) => vec![dir.service_log_path(Service::Postgres)],
        Some(LoggedService::Cognito) => vec![dir.service_log_path(Service::Cognito)],
    };
    let mut logs: Vec<Log> = paths.into_iter().map(Log::new).collect();
    let mut out = context.ui.out();
    let mut unread = pin!(unread());
    loop {
        for log in &mut logs {
            out.write_all(&log.read_on()?)?;
        }
        out.flush()?;
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = &mut unread => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// A log and how far it has been read.
pub struct Log {
    path: PathBuf,
    read: u64,
}

impl Log {
    /// From its beginning.
    pub fn new(path: PathBuf) -> Log {
        Log { path, read: 0 }
    }

    /// From where it ends now.
    pub fn from_end(path: PathBuf) -> Log {
        let read = path.metadata().map_or(0, |seen| seen.len());
        Log { path, read }
    }

    /// What has been added since the last call; all of a log that began anew.
    pub fn read_on(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut added = Vec::new();
        self.read_into(&mut added)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(added)
    }

    fn read_into(&mut self, added: &mut Vec<u8>) -> io::Result<()> {
        // Opened each time: a reset or a new start may have put another in its place.
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        self.read += file.read_to_end(added)? as u64;
        Ok(())
    }
}

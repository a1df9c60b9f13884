use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use cruddur_local::Service;
use serde::Serialize;

use super::stack_dir;
use crate::args::Output;
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

/// A line of a log as programs read it.
#[derive(Serialize)]
struct Line {
    /// `stack`, the log that DynamoDB and Cognito share, or `postgres`.
    log: String,
    line: String,
}

pub async fn logs(context: &Context, args: &LogsArgs) -> anyhow::Result<ExitCode> {
    if args.follow && context.ui.output == Output::Json {
        let never = "a log that is followed has no end, so it is no JSON document; use -o jsonl";
        return Err(cruddur_core::Error::Usage(never.to_owned()).into());
    }
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
    let mut unread = pin!(unread());
    loop {
        print(context, &mut logs, args.follow)?;
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = &mut unread => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Prints what the logs have in addition: the text as it is, or, for programs, by the
/// line; of a log that is followed, no line that is still being written.
fn print(context: &Context, logs: &mut [Log], followed: bool) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let mut out = context.ui.out();
    for log in logs {
        let mut added = log.read_on()?;
        if context.ui.output == Output::Table {
            out.write_all(&added)?;
            continue;
        }
        if followed {
            let whole = added.iter().rposition(|&byte| byte == b'\n');
            let unfinished = added.split_off(whole.map_or(0, |last| last + 1));
            log.read -= unfinished.len() as u64;
        }
        let name = log.path.file_stem().unwrap_or_default().to_string_lossy();
        lines.extend(String::from_utf8_lossy(&added).lines().map(|line| Line {
            log: name.clone().into_owned(),
            line: line.to_owned(),
        }));
    }
    context.ui.write_list(&mut out, &lines, |_| Ok(()))?;
    Ok(out.flush()?)
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

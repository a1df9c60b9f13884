use std::io::{self, Write};
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;
use cruddur_local::{ServiceHealth, StackDir, Status};
use serde::Serialize;

use super::stack_dir;
use crate::args::Output;
use crate::context::Context;
use crate::error::UNREACHABLE;
use crate::times::FORMAT;
use crate::ui::{Ui, printable, write_table};

#[derive(Debug, Args)]
pub struct StatusArgs {}

/// What is known of the stack, as JSON shows it.
#[derive(Debug, Serialize)]
struct Report {
    /// `running`, `starting`, `ending`, `stopped`, `died` or `absent`.
    state: &'static str,
    /// Whether it runs and every service answers.
    healthy: bool,
    /// The data folder.
    folder: String,
    /// The process of the stack, which runs DynamoDB and Cognito.
    pid: Option<u32>,
    started_at: Option<DateTime<Utc>>,
    stopped_at: Option<DateTime<Utc>>,
    /// The service that ended by itself, and how.
    failure: Option<String>,
    region: Option<String>,
    user_pool_id: Option<String>,
    /// The version of this program.
    version: &'static str,
    services: Vec<ServiceHealth>,
}

pub async fn status(context: &Context, _args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let ui = &context.ui;
    let dir = stack_dir(context)?;
    let (status, report) = look(&dir).await?;
    if ui.output != Output::Table || matches!(status, Status::Running(_)) {
        ui.show(&report, |out| show(ui, out, &report.services))?;
    }
    tell(ui, &dir, &status);
    Ok(if report.healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNREACHABLE)
    })
}

/// Prints how the stack is for programs, after a command that has told people.
pub async fn document(context: &Context, dir: &StackDir) -> anyhow::Result<()> {
    if context.ui.output != Output::Table {
        let (_, report) = look(dir).await?;
        context.ui.show(&report, |_| Ok(()))?;
    }
    Ok(())
}

async fn look(dir: &StackDir) -> anyhow::Result<(Status, Report)> {
    let status = dir.status()?;
    let services = match &status {
        Status::Running(_) => cruddur_local::health(dir).await?,
        _ => Vec::new(),
    };
    let report = report(dir, &status, services);
    Ok((status, report))
}

fn report(dir: &StackDir, status: &Status, services: Vec<ServiceHealth>) -> Report {
    let (state, known) = match status {
        Status::Absent => ("absent", None),
        Status::Starting { .. } => ("starting", None),
        Status::Ending(known) => ("ending", Some(known)),
        Status::Running(known) => ("running", Some(known)),
        Status::Stopped(known) => ("stopped", Some(known)),
        Status::Died(known) => ("died", Some(known)),
    };
    let pid = match status {
        Status::Running(known) | Status::Ending(known) => Some(known.pid),
        Status::Starting { pid } => *pid,
        _ => None,
    };
    Report {
        state,
        healthy: !services.is_empty() && services.iter().all(|service| service.healthy),
        folder: dir.path().display().to_string(),
        pid,
        started_at: known.map(|known| known.started_at),
        stopped_at: known.and_then(|known| known.stopped_at),
        failure: known.and_then(|known| known.failure.clone()),
        region: known.map(|known| known.region.clone()),
        user_pool_id: known.map(|known| known.cognito.user_pool_id.clone()),
        version: env!("CARGO_PKG_VERSION"),
        services,
    }
}

fn show(ui: &Ui, out: &mut dyn Write, services: &[ServiceHealth]) -> io::Result<()> {
    let headings = [
        "service", "address", "health", "pid", "memory", "up", "version", "data",
    ];
    let mut table = ui.table(&headings);
    for service in services {
        table.add_row([
            service.service.to_string(),
            service.address.clone(),
            match &service.problem {
                None => "ok".to_owned(),
                Some(problem) => printable(problem),
            },
            service.pid.to_string(),
            service
                .memory_bytes
                .map_or_else(|| "-".to_owned(), megabytes),
            duration(service.uptime_seconds),
            service.version.clone(),
            printable(&service.data.display().to_string()),
        ]);
    }
    write_table(out, &table)
}

/// Says why it cannot be used, and what to do about it.
fn tell(ui: &Ui, dir: &StackDir, status: &Status) {
    let folder = dir.path().display();
    let up = "start it with `cruddur local up --detach`";
    match status {
        Status::Running(_) => {}
        Status::Absent => {
            match dir.state_path().exists() {
                true => ui.error(format_args!(
                    "what the local stack in {folder} has written down of itself is damaged"
                )),
                false => ui.error(format_args!("no local stack has ever run in {folder}")),
            }
            ui.hint(up);
        }
        Status::Starting { .. } => {
            ui.error(format_args!("the local stack in {folder} is starting"));
        }
        Status::Ending(_) => ui.error(format_args!("the local stack in {folder} is ending")),
        Status::Stopped(state) => {
            let since = state.stopped_at.unwrap_or(state.started_at);
            let since = since.with_timezone(&chrono::Local);
            ui.error(format_args!(
                "the local stack in {folder} was ended at {}",
                since.format(FORMAT)
            ));
            ui.hint(up);
        }
        Status::Died(state) => {
            let why = state.failure.clone().unwrap_or_else(|| {
                let pid = state.pid;
                format!("its process {pid} was killed, or the machine went down")
            });
            ui.error(format_args!(
                "the local stack in {folder} died: {}",
                printable(&why)
            ));
            ui.hint(format_args!("{up}; its data is kept"));
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

fn duration(seconds: i64) -> String {
    match (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, _) => format!("{minutes} min"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}

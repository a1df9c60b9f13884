use std::process::ExitCode;

use clap::Args;
use cruddur_local::Status;

use super::stack_dir;
use crate::context::Context;
use crate::error::UNREACHABLE;
use crate::ui::{printable, write_table};

#[derive(Debug, Args)]
pub struct StatusArgs {}

pub async fn status(context: &Context, _args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let ui = &context.ui;
    let dir = stack_dir(context);
    let folder = dir.path().display();
    match dir.status()? {
        Status::Running(_) => {}
        Status::Absent => {
            ui.error(format_args!("no local stack has ever run in {folder}"));
            return Ok(ExitCode::from(UNREACHABLE));
        }
        Status::Starting { .. } => {
            ui.error(format_args!(
                "the local stack in {folder} is starting or ending"
            ));
            return Ok(ExitCode::from(UNREACHABLE));
        }
        Status::Stopped(state) => {
            let since = state.stopped_at.unwrap_or(state.started_at);
            ui.error(format_args!(
                "the local stack in {folder} is stopped since {}",
                since.to_rfc3339()
            ));
            return Ok(ExitCode::from(UNREACHABLE));
        }
        Status::Died(state) => {
            ui.error(format_args!(
                "the local stack in {folder} died: its process {} is gone without having ended it",
                state.pid
            ));
            ui.hint("start it again with `cruddur local up --detach`: its data is kept");
            return Ok(ExitCode::from(UNREACHABLE));
        }
    }
    let services = cruddur_local::health(&dir).await?;
    ui.list(&services, |out| {
        let headings = [
            "service", "address", "health", "pid", "memory", "up", "version",
        ];
        let mut table = ui.table(&headings);
        for service in &services {
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
            ]);
        }
        write_table(out, &table)
    })?;
    ui.status(format_args!("data: {folder}"));
    Ok(if services.iter().all(|service| service.healthy) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNREACHABLE)
    })
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

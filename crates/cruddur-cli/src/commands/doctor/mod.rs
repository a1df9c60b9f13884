//! Looks at everything that a run needs, and changes nothing.

mod checks;
mod cognito;
mod database;
mod dynamodb;
mod tools;

use std::io;
use std::process::ExitCode;

use clap::Args;

use crate::context::Context;
use crate::error::{FAILED, UNREACHABLE};
use crate::ui::{printable, write_table};
use checks::{Checks, Verdict};

#[derive(Debug, Args)]
pub struct DoctorArgs {}

pub async fn doctor(context: &Context, _args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let (dynamodb, (postgres, database), (cognito, pool)) = tokio::join!(
        dynamodb::check(context),
        database::check(context),
        cognito::check(context)
    );
    let mut checks = Checks::new(context);
    aws_region(context, &mut checks);
    checks.append(dynamodb);
    checks.append(postgres);
    checks.append(cognito);
    cognito::check_users(&mut checks, pool, database).await;
    tools::check(context, &mut checks);
    let printed = show(context, &checks);
    if checks.unreachable {
        return Ok(ExitCode::from(UNREACHABLE));
    }
    if checks.count(Verdict::Problem) > 0 {
        return Ok(ExitCode::from(FAILED));
    }
    printed?;
    Ok(ExitCode::SUCCESS)
}

fn aws_region(context: &Context, checks: &mut Checks) {
    match &context.target.region {
        Ok(region) => checks.ok("region", format!("{} ({})", region.value, region.why)),
        Err(error) => checks.failed("region", error),
    }
}

fn show(context: &Context, checks: &Checks) -> io::Result<()> {
    let ui = &context.ui;
    let printed = ui.list(&checks.done, |out| {
        let mut table = ui.table(&["verdict", "check", "detail"]);
        for check in &checks.done {
            let mut detail = printable(&check.detail);
            if let Some(mend) = &check.mend {
                detail += &format!("\nhint: {}", printable(mend));
            }
            table.add_row([check.verdict.text(), check.name, &detail]);
        }
        write_table(out, &table)
    });
    let counted = |verdict, one: &str, many: &str| match checks.count(verdict) {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let counts = [
        counted(Verdict::Problem, "problem", "problems"),
        counted(Verdict::Warning, "warning", "warnings"),
        counted(Verdict::Unchecked, "not checked", "not checked"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() {
        ui.status("all is well");
    } else {
        ui.status(counts.join(", "));
    }
    printed
}

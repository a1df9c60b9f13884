//! `cruddur local snapshot`: the three services' data together, under a name.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use cruddur_local::StackDir;

use super::restart::{around, turn};
use super::{Done, stack_dir};
use crate::app::Interruption;
use crate::args::DryRun;
use crate::context::Context;
use crate::times::FORMAT;
use crate::ui::write_table;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum SnapshotCommand {
    /// Keep the data under a name
    Save(SnapshotArgs),
    /// Put the data back as it was under a name, over what there is now
    Restore(ConfirmedArgs),
    /// List the names, the oldest first
    List,
    /// Delete what was kept under a name
    Delete(ConfirmedArgs),
}

#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Letters, digits, `-`, `_` and `.`
    name: String,
    #[command(flatten)]
    dry: DryRun,
}

#[derive(Debug, Args)]
pub struct ConfirmedArgs {
    #[command(flatten)]
    snapshot: SnapshotArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(context: &Context, command: SnapshotCommand) -> anyhow::Result<ExitCode> {
    match command {
        SnapshotCommand::Save(args) => save(context, args).await,
        SnapshotCommand::Restore(args) => restore(context, args).await,
        SnapshotCommand::List => list(context),
        SnapshotCommand::Delete(args) => delete(context, &args),
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn save(context: &Context, args: SnapshotArgs) -> anyhow::Result<()> {
    let (dir, name) = (stack_dir(context)?, args.name);
    let folder = dir.path().display();
    // Before the stack is ended for nothing.
    cruddur_local::snapshot_check_new(&dir, &name)?;
    let done = Done::new(&dir, Some(&name), args.dry.dry_run);
    if done.dry_run {
        let would = format_args!("would save the data of the local stack in {folder} as {name}");
        return done.show(context, would);
    }
    let work = {
        let name = name.clone();
        move |dir: &StackDir| cruddur_local::snapshot_save(dir, &name).map(drop)
    };
    let mut interruption = Interruption::listen();
    let _turn = turn(context, &dir, &mut interruption).await?;
    let around = around(context, &dir, &mut interruption, work).await?;
    done.show(
        context,
        format_args!("saved the data of the local stack in {folder} as {name}"),
    )?;
    around.end()
}

async fn restore(context: &Context, args: ConfirmedArgs) -> anyhow::Result<()> {
    let (dir, name) = (stack_dir(context)?, args.snapshot.name);
    let folder = dir.path().display();
    cruddur_local::snapshot_check(&dir, &name)?;
    let done = Done::new(&dir, Some(&name), args.snapshot.dry.dry_run);
    if done.dry_run {
        return done.show(
            context,
            format_args!(
                "would put the data of the local stack in {folder} back as it was in {name}"
            ),
        );
    }
    if !args.yes {
        let question =
            format_args!("put {name} over the data of the local stack in {folder}? [y/N]");
        context.ui.confirm(question, "--yes")?;
    }
    let work = {
        let name = name.clone();
        move |dir: &StackDir| cruddur_local::snapshot_restore(dir, &name)
    };
    let mut interruption = Interruption::listen();
    let _turn = turn(context, &dir, &mut interruption).await?;
    let around = around(context, &dir, &mut interruption, work).await?;
    done.show(
        context,
        format_args!("the data of the local stack in {folder} is as it was in {name}"),
    )?;
    around.end()
}

fn list(context: &Context) -> anyhow::Result<()> {
    let snapshots = cruddur_local::snapshot_list(&stack_dir(context)?)?;
    let ui = &context.ui;
    if snapshots.is_empty() {
        ui.status("there are no snapshots");
    }
    ui.list(&snapshots, |out| {
        if snapshots.is_empty() {
            return Ok(());
        }
        let mut table = ui.table(&["name", "saved"]);
        for snapshot in &snapshots {
            let saved = snapshot.created_at.with_timezone(&chrono::Local);
            table.add_row([snapshot.name.clone(), saved.format(FORMAT).to_string()]);
        }
        write_table(out, &table)
    })?;
    Ok(())
}

fn delete(context: &Context, args: &ConfirmedArgs) -> anyhow::Result<()> {
    let dir = stack_dir(context)?;
    let name = &args.snapshot.name;
    // Nobody is asked about what is not there.
    cruddur_local::snapshot_check(&dir, name)?;
    let (ui, folder) = (&context.ui, dir.path().display());
    let what = format!("the snapshot {name} of the local stack in {folder}");
    let done = Done::new(&dir, Some(name), args.snapshot.dry.dry_run);
    if done.dry_run {
        return done.show(context, format_args!("would delete {what}"));
    }
    if !args.yes {
        ui.confirm(format_args!("delete {what}? [y/N]"), "--yes")?;
    }
    cruddur_local::snapshot_delete(&dir, name)?;
    done.show(context, format_args!("deleted {what}"))
}

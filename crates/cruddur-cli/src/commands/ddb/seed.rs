use std::io::{self, Write};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use cruddur_core::Error;
use cruddur_core::db::Database;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::Person;
use cruddur_core::ddb::seed::{Conversation, SeedOptions, SeedState, Seeded, built_in};
use cruddur_core::time::{parse_given, to_key};
use serde::Serialize;

use super::MaxCapacity;
use crate::args::{DryRun, not_prod};
use crate::bar::Bar;
use crate::confirm::Confirmation;
use crate::context::Context;
use crate::input;
use crate::ui::{counted, printable};

#[derive(Debug, Args)]
pub struct SeedArgs {
    /// Conversations to seed, one a file; - reads standard input
    /// [default: one between andrewbrown and bayko]
    #[arg(value_name = "FILE", value_parser = file)]
    files: Vec<PathBuf>,
    /// When the last message was written [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_given)]
    ending_at: Option<DateTime<Utc>>,
    /// Make a conversation that is already there anew, ending at that time; messages
    /// that people wrote into it stay
    #[arg(long)]
    refresh: bool,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    pace: MaxCapacity,
    #[command(flatten)]
    dry: DryRun,
}

/// What a conversation came to, or would.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    seeded: &'a Seeded,
    dry_run: bool,
}

pub async fn seed(context: &Context, args: &SeedArgs) -> anyhow::Result<()> {
    let conversations = conversations(&args.files).await?;
    let table = async { Ok(Table::connect(&context.target).await?) };
    let (people, table) = tokio::try_join!(people(context, &conversations), table)?;
    if !args.dry.dry_run {
        guard(context, args, &table, &conversations).await?;
    }
    let now = Utc::now();
    let options = SeedOptions {
        ending_at: args.ending_at.unwrap_or(now),
        now,
        refresh: args.refresh,
        dry_run: args.dry.dry_run,
        max_capacity: args.pace.max_capacity,
    };
    let mut seeded = Vec::new();
    let mut failed = None;
    for (conversation, people) in conversations.iter().zip(&people) {
        let bar = Bar::new(&context.ui, Some(0), "messages");
        let mut progress = |done, total| bar.set(done, Some(total));
        let one = table.seed(conversation, people, &options, &mut progress);
        match one.await {
            Ok(one) => seeded.push(one),
            Err(error) if seeded.is_empty() => return Err(error.into()),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let dry_run = options.dry_run;
    let shown = seeded.iter().map(|seeded| Shown { seeded, dry_run });
    let printed = context.ui.list(&shown.collect::<Vec<_>>(), |out| {
        seeded.iter().try_for_each(|one| tell(out, one, dry_run))
    });
    let units: f64 = seeded.iter().map(|one| one.consumed_capacity).sum();
    super::tell_units(context, units, "write");
    let wrote = !options.dry_run && seeded.iter().any(|one| one.written + one.deleted > 0);
    match failed {
        Some(error) if wrote => Err(partly(&seeded, &conversations, error).into()),
        Some(error) => Err(error.into()),
        None => Ok(printed?),
    }
}

/// The error of a run that had seeded some of the conversations when it came to one
/// that it could not.
fn partly(seeded: &[Seeded], all: &[Conversation], error: Error) -> Error {
    let message = format!(
        "{} seeded, then: {error}",
        counted(seeded.len() as u64, "conversation")
    );
    let rest = &all[seeded.len()..];
    let mut not_done: Vec<String> = rest.iter().map(|one| one.file.clone()).collect();
    if let Error::Partial { not_done: more, .. } = error {
        not_done.extend(more);
    }
    Error::Partial { message, not_done }
}

/// All files are read before anything is written.
async fn conversations(files: &[PathBuf]) -> anyhow::Result<Vec<Conversation>> {
    if files.is_empty() {
        return Ok(built_in()?);
    }
    let mut conversations = Vec::new();
    for file in files {
        let text = input::text(file).await?;
        let name = file.display().to_string();
        conversations.push(Conversation::parse(&name, &text)?);
    }
    Ok(conversations)
}

/// The two people of each conversation, all by one query.
async fn people(
    context: &Context,
    conversations: &[Conversation],
) -> anyhow::Result<Vec<[Person; 2]>> {
    let handles: Vec<&str> = conversations
        .iter()
        .flat_map(|conversation| conversation.users.iter().map(String::as_str))
        .collect();
    let people = Database::connect(&context.target)?
        .people_by_handles(&handles)
        .await?;
    Ok(people
        .chunks_exact(2)
        .map(|pair| [pair[0].clone(), pair[1].clone()])
        .collect())
}

/// In production, a table that people write to is not to be seeded by mistake.
async fn guard(
    context: &Context,
    args: &SeedArgs,
    table: &Table,
    conversations: &[Conversation],
) -> anyhow::Result<()> {
    if !context.target.production {
        return Ok(());
    }
    let groups: Vec<_> = conversations
        .iter()
        .map(|conversation| conversation.message_group_uuid)
        .collect();
    if !args.refresh && !table.holds_other_conversations(&groups).await? {
        return Ok(());
    }
    super::announce(context, table).await?;
    args.confirmation.require(context, table.name()).await
}

fn tell(out: &mut dyn Write, seeded: &Seeded, dry_run: bool) -> io::Result<()> {
    let would = if dry_run { "would be " } else { "" };
    let said = match seeded.state {
        SeedState::Created => format!("{would}seeded"),
        SeedState::AlreadyThere => "already there".to_owned(),
        SeedState::Completed => format!("{would}completed"),
        SeedState::Refreshed => format!("{would}refreshed"),
    };
    writeln!(
        out,
        "{said}: conversation {} of {} and {}, {}, the last one at {}",
        seeded.message_group_uuid,
        printable(&seeded.users[0]),
        printable(&seeded.users[1]),
        counted(seeded.messages as u64, "message"),
        to_key(seeded.last_at)
    )
}

fn file(text: &str) -> Result<PathBuf, String> {
    not_prod(text).map(PathBuf::from)
}

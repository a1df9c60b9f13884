//! `cruddur ddb patterns`: the access patterns, one command each.

mod create_message;
mod create_message_group;
mod get_conversation;
mod list_conversations;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::{Item, text};
use cruddur_core::ddb::patterns::{Window, parse_before};
use cruddur_core::time::Year;

use crate::args::quoted;
use crate::context::Context;
use crate::input;
use crate::ui::{printable, write_table};

/// The group of the seeded conversation.
const SEEDED_GROUP: &str = "5ae290ed-55d1-47a0-bc6d-fe2bc2700399";

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PatternsCommand {
    /// Show the messages of a group, the newest last (pattern A)
    GetConversation(get_conversation::GetConversationArgs),
    /// Show a user's conversations, the newest first (pattern B)
    ListConversations(list_conversations::ListConversationsArgs),
    /// Write a message in a group (pattern C)
    CreateMessage(create_message::CreateMessageArgs),
    /// Begin a conversation with its first message (pattern D)
    CreateMessageGroup(create_message_group::CreateMessageGroupArgs),
}

pub async fn run(context: &Context, command: PatternsCommand) -> anyhow::Result<()> {
    match command {
        PatternsCommand::GetConversation(args) => {
            get_conversation::get_conversation(context, &args).await
        }
        PatternsCommand::ListConversations(args) => {
            list_conversations::list_conversations(context, &args).await
        }
        PatternsCommand::CreateMessage(args) => {
            create_message::create_message(context, &args).await
        }
        PatternsCommand::CreateMessageGroup(args) => {
            create_message_group::create_message_group(context, &args).await
        }
    }
}

// Which part of a list is shown.
#[derive(Debug, Args)]
struct WindowArgs {
    /// Only those of this year (UTC)
    #[arg(long, value_name = "YYYY")]
    year: Option<Year>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only those older than this time
    #[arg(long, value_name = "TIME", value_parser = parse_before)]
    before: Option<String>,
}

impl WindowArgs {
    fn window(&self) -> Window {
        Window {
            year: self.year,
            before: self.before.clone(),
            limit: self.limit as usize,
        }
    }
}

/// Says what the query cost and, if there is more, how to see it.
fn tell_rest(context: &Context, consumed_capacity: f64, next: Option<&str>) {
    let units = super::consumed(consumed_capacity, "read");
    context.ui.status(units);
    if let Some(next) = next {
        let next = quoted(next);
        let more = format_args!("there is more: use --before {next}");
        context.ui.detail(more);
    }
}

// The text of a message.
#[derive(Debug, Args)]
struct TextArg {
    /// What to write; - reads standard input, trailing line breaks included
    text: String,
}

impl TextArg {
    async fn read(&self) -> anyhow::Result<String> {
        if self.text != "-" {
            return Ok(self.text.clone());
        }
        input::text(Path::new("-")).await
    }
}

/// Prints items that were written, or would be.
fn show_items(
    context: &Context,
    table: &Table,
    items: &[Item],
    dry_run: bool,
) -> anyhow::Result<()> {
    let rows: Vec<BTreeMap<&str, &str>> = items
        .iter()
        .map(|item| {
            let names = item.keys();
            names
                .filter_map(|name| Some((name.as_str(), text(item, name)?)))
                .collect()
        })
        .collect();
    let shown = |out: &mut dyn Write| {
        let mut shown = context.ui.table(&["attribute", "value"]);
        for row in &rows {
            for (name, value) in row {
                shown.add_row([(*name).to_owned(), printable(value)]);
            }
        }
        write_table(out, &shown)
    };
    // Said first: where stdout is full, nobody is to write it a second time.
    let place = format!("{} at {}", table.name(), table.at());
    context.ui.status(match dry_run {
        true => format!("dry run: nothing was written to {place}"),
        false => format!("written to {place}"),
    });
    match rows.as_slice() {
        [row] => context.ui.show(row, shown)?,
        rows => context.ui.list(rows, shown)?,
    }
    Ok(())
}

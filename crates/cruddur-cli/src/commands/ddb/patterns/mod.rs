//! `cruddur ddb patterns`: the access patterns, one command each.

mod get_conversation;
mod list_conversations;

use clap::{Args, Subcommand};
use cruddur_core::ddb::patterns::{Window, parse_before};
use cruddur_core::time::Year;

use crate::context::Context;

/// The group of the seeded conversation.
const SEEDED_GROUP: &str = "5ae290ed-55d1-47a0-bc6d-fe2bc2700399";

#[derive(Debug, Subcommand)]
pub enum PatternsCommand {
    /// Show the messages of a group, the newest last (pattern A)
    GetConversation(get_conversation::GetConversationArgs),
    /// Show a user's conversations, the newest first (pattern B)
    ListConversations(list_conversations::ListConversationsArgs),
}

pub async fn run(context: &Context, command: PatternsCommand) -> anyhow::Result<()> {
    match command {
        PatternsCommand::GetConversation(args) => {
            get_conversation::get_conversation(context, &args).await
        }
        PatternsCommand::ListConversations(args) => {
            list_conversations::list_conversations(context, &args).await
        }
    }
}

/// Which part of a list is shown.
#[derive(Debug, Args)]
struct WindowArgs {
    /// Only those of this year (UTC)
    #[arg(long, value_name = "YYYY")]
    year: Option<Year>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
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
    let ui = &context.ui;
    ui.status(format_args!(
        "consumed {consumed_capacity} read capacity units"
    ));
    if let Some(next) = next {
        ui.status(format_args!("there is more: add --before {next}"));
    }
}

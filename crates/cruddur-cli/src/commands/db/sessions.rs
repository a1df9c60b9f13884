use clap::Args;
use cruddur_core::db::Database;
use cruddur_core::time;

use super::place;
use crate::context::Context;
use crate::times::TimeArgs;
use crate::ui::{printable, write_table};

#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// Those of every database of the server
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    time: TimeArgs,
}

pub async fn sessions(context: &Context, args: &SessionsArgs) -> anyhow::Result<()> {
    let database = Database::connect(&context.target)?;
    let sessions = database.sessions(args.all).await?;
    context.ui.list(&sessions, |out| {
        let since = args.time.heading().replacen("time", "since", 1);
        let headings = [
            "pid",
            "database",
            "user",
            "application",
            "client",
            "state",
            &since,
        ];
        let mut table = context.ui.table(&headings);
        let text = |text: Option<&str>| match text {
            Some(text) if !text.is_empty() => printable(text),
            _ => "-".to_owned(),
        };
        for session in &sessions {
            table.add_row([
                session.pid.to_string(),
                text(session.database.as_deref()),
                text(session.user.as_deref()),
                text(Some(&session.application)),
                text(session.client.as_deref()),
                text(session.state.as_deref()),
                session
                    .since
                    .map_or("-".to_owned(), |since| args.time.show(&time::to_key(since))),
            ]);
        }
        write_table(out, &table)
    })?;
    if sessions.is_empty() {
        let whereto = match args.all {
            true => format!("any database at {}", database.at()),
            false => place(&database),
        };
        context
            .ui
            .status(format_args!("nobody else is connected to {whereto}"));
    }
    Ok(())
}

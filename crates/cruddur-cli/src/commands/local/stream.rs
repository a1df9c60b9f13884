//! The stream handler inside the stack: what the Lambda function is in AWS.

use std::convert::Infallible;
use std::time::Duration;

use cruddur_core::ddb::Table;
use cruddur_core::stream::{
    Applied, ChangeKind, Checkpoint, Notice, Sink, StreamRecord, Streams, follow,
};
use cruddur_core::{Error, Result, time};

use crate::commands::ddb::stream::checkpoint::CheckpointFile;
use crate::context::Context;
use crate::ui::Ui;

/// How often a table that is not there, or has no stream, is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps the conversations of the stack's table up to date for as long as it is
/// polled. `context` is the stack's.
///
/// A table that is not there yet is no error here, but what a new stack has.
pub async fn keep_up(context: &Context) -> Infallible {
    let mut told = String::new();
    loop {
        if let Err(error) = follow_once(context).await
            && !matches!(error, Error::TableNotFound { .. })
            && told != error.to_string()
        {
            told = error.to_string();
            context.ui.warning(format_args!("stream: {error}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow_once(context: &Context) -> Result<()> {
    let table = Table::connect(&context.target).await?;
    let streams = Streams::connect(&context.target).await?;
    let file = CheckpointFile::of(&context.folder, table.name(), false);
    let file = file.map_err(|error| Error::Failed(error.to_string()))?;
    let checkpoint = file.load(&context.ui);
    let mut sink = Log {
        ui: context.ui,
        file,
    };
    follow(
        &table,
        &streams,
        checkpoint,
        false,
        &mut sink,
        std::future::pending(),
    )
    .await
}

/// Tells what happens among the stack's other lines.
struct Log {
    ui: Ui,
    file: CheckpointFile,
}

impl Sink for Log {
    fn batch(&mut self, records: &[StreamRecord], applied: &Applied) -> Result<()> {
        if let Some(changes) = changes(records) {
            self.ui.status(format_args!("DynamoDB | {changes}"));
        }
        for group in &applied.moved {
            let at = time::to_key(group.last_message_at);
            let uuid = &group.message_group_uuid;
            self.ui
                .status(format_args!("stream: moved conversation {uuid} to {at}"));
        }
        for failure in &applied.failures {
            self.ui.warning(format_args!("stream: {failure}"));
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.file.save(checkpoint)
    }

    fn notice(&mut self, notice: Notice) {
        if let Notice::Lost(error) = notice {
            self.ui.warning(format_args!("stream: {error}"));
        }
    }
}

/// A line for a batch, not one a record: an import is a hundred thousand. None
/// where no record of it can be understood.
fn changes(records: &[StreamRecord]) -> Option<String> {
    let changes = records
        .iter()
        .filter_map(|record| record.change.as_ref().ok());
    let (gone, put): (Vec<_>, Vec<_>) = changes.partition(|c| c.kind == ChangeKind::Remove);
    let items = |count| if count == 1 { "item" } else { "items" };
    match (put.len(), gone.len()) {
        (0, 0) => None,
        (put, 0) => Some(format!("{put} {} written", items(put))),
        (0, gone) => Some(format!("{gone} {} deleted", items(gone))),
        (put, gone) => Some(format!("{put} {} written, {gone} deleted", items(put))),
    }
}

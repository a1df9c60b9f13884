//! What a following tells, kept for a test to look at.

use cruddur_core::Result;
use cruddur_core::ddb::Table;
use cruddur_core::stream::{Applied, Checkpoint, Notice, Sink, StreamRecord, drain};

use crate::support::streams_at;

/// Remembers what it is told.
#[derive(Default)]
pub struct Log {
    pub records: Vec<StreamRecord>,
    pub moved: usize,
    pub failures: Vec<String>,
    pub checkpoint: Option<Checkpoint>,
    pub notices: Vec<String>,
    /// Told after each batch how many records there were.
    pub progress: Option<tokio::sync::watch::Sender<usize>>,
}

impl Sink for Log {
    fn batch(&mut self, records: &[StreamRecord], applied: &Applied) -> Result<()> {
        self.records.extend_from_slice(records);
        self.moved += applied.moved.len();
        self.failures
            .extend(applied.failures.iter().map(ToString::to_string));
        if let Some(progress) = &self.progress {
            progress.send_replace(self.records.len());
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.checkpoint = Some(checkpoint.clone());
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push(format!("{notice:?}"));
    }
}

pub async fn drained(table: &Table, url: &str, checkpoint: Option<Checkpoint>) -> Log {
    let mut log = Log::default();
    let streams = streams_at(url).await;
    drain(table, &streams, checkpoint, false, &mut log)
        .await
        .unwrap();
    log
}

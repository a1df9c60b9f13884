//! What a table is, next to what it should be, for those who only want to know.

use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::types::TableDescription;
use chrono::TimeDelta;

use super::definition::{self, Part};
use crate::aws::{self, ServerClock};
use crate::ddb::Table;
use crate::{Error, Result};

/// What one question to the endpoint brought to light.
#[derive(Debug)]
pub struct Probe {
    /// How far the server's clock is ahead of this machine's, where the server
    /// says the time. It does even when it refuses the request.
    pub clock: Option<TimeDelta>,
    /// The table; none where it is not there, or why the request failed.
    pub table: Result<Option<Report>>,
}

/// A table's state, and whether each part of it is as it should be.
#[derive(Debug, Clone)]
pub struct Report {
    /// `ACTIVE`, `CREATING` and so on.
    pub status: String,
    /// Whether the keys are those of the messages table.
    pub keys: Result<()>,
    /// The index's state.
    pub index: Result<String>,
    /// What the stream carries.
    pub stream: Result<String>,
}

/// What something is called whose state the engine leaves out: a local one,
/// which knows no other.
const ACTIVE: &str = "ACTIVE";

impl Table {
    /// Asks for the table's description, without the patience of other requests.
    pub async fn probe(&self) -> Probe {
        let clock = ServerClock::default();
        let answer = self
            .client
            .describe_table()
            .table_name(&self.name)
            .customize()
            .config_override(
                Config::builder()
                    .retry_config(aws::few_retries())
                    .timeout_config(aws::short_timeouts()),
            )
            .interceptor(clock.clone())
            .send()
            .await;
        let table = match answer {
            Ok(answer) => answer
                .table
                .map(|table| Some(self.report(&table)))
                .ok_or_else(|| self.empty_answer()),
            Err(error) => match self.error(error) {
                Error::TableNotFound { .. } => Ok(None),
                error => Err(error),
            },
        };
        Probe {
            clock: clock.ahead(),
            table,
        }
    }

    fn report(&self, table: &TableDescription) -> Report {
        let status = table.table_status.as_ref();
        Report {
            status: status.map_or(ACTIVE, |status| status.as_str()).to_owned(),
            keys: self.as_wanted(true, definition::key_differences(table)),
            index: self.index(table),
            stream: self.stream(table),
        }
    }

    fn index(&self, table: &TableDescription) -> Result<String> {
        self.as_wanted(false, definition::index_differences(table))?;
        let index =
            definition::group_index(table).ok_or_else(|| self.incomplete(&[Part::Index]))?;
        let status = index.index_status.as_ref();
        Ok(status.map_or(ACTIVE, |status| status.as_str()).to_owned())
    }

    fn stream(&self, table: &TableDescription) -> Result<String> {
        self.as_wanted(false, Vec::from_iter(definition::stream_difference(table)))?;
        let view =
            definition::stream_view(table).ok_or_else(|| self.incomplete(&[Part::Stream]))?;
        Ok(view.as_str().to_owned())
    }

    fn as_wanted(&self, in_keys: bool, differences: Vec<String>) -> Result<()> {
        match differences.as_slice() {
            [] => Ok(()),
            _ => Err(self.differs(in_keys, differences)),
        }
    }
}

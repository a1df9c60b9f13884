//! The messages table's definition: made, compared, completed, dropped.

mod definition;
mod report;

use std::time::Duration;

use aws_sdk_dynamodb::types::{BillingMode, TableDescription, TableStatus};
use tokio::time::Instant;

use super::Table;
use crate::aws;
use crate::{Error, Result, Service};
use definition::Part;

pub use report::{Probe, Report};

/// Who pays for reads and writes, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// A fixed number of units a second, for the table and again for its index.
    Provisioned {
        /// Read capacity units.
        read: i64,
        /// Write capacity units.
        write: i64,
    },
    /// Each request is paid for.
    PayPerRequest,
}

impl Default for Billing {
    fn default() -> Self {
        Billing::Provisioned { read: 5, write: 5 }
    }
}

/// How [`Table::load_schema`] goes about it.
#[derive(Debug, Clone)]
pub struct SchemaOptions {
    /// For a new table; one that is there keeps its own.
    pub billing: Billing,
    /// Add an index or a stream that is lacking.
    pub update: bool,
    /// Only find out what would be done.
    pub dry_run: bool,
    /// How long to wait for the table to become active. Building an index on a
    /// large table can take long.
    pub patience: Duration,
}

impl Default for SchemaOptions {
    fn default() -> Self {
        SchemaOptions {
            billing: Billing::default(),
            update: false,
            dry_run: false,
            patience: Duration::from_secs(600),
        }
    }
}

/// What [`Table::load_schema`] did, or with `dry_run` would have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// The table is new.
    Created,
    /// Nothing had to be done.
    AlreadyThere,
    /// Something that was lacking has been added.
    Updated {
        /// What, such as "the stream".
        added: Vec<String>,
    },
}

/// What [`Table::drop`] did, or with `dry_run` would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The table is gone.
    Dropped,
    /// There was none.
    NotThere,
}

/// How [`Table::drop`] goes about it.
#[derive(Debug, Clone)]
pub struct DropOptions {
    /// A table that is not there is no error.
    pub if_exists: bool,
    /// Only find out what would be done.
    pub dry_run: bool,
    /// How long to wait until it is gone.
    pub patience: Duration,
}

impl Default for DropOptions {
    fn default() -> Self {
        DropOptions {
            if_exists: false,
            dry_run: false,
            patience: Duration::from_secs(300),
        }
    }
}

/// What a person wants to know of a table before it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The number of items; AWS brings it up to date about every six hours.
    pub items: u64,
    /// Their size in bytes, as old as the number.
    pub bytes: u64,
    /// The ARN, which names account and region.
    pub arn: Option<String>,
}

impl Table {
    /// Creates the table with its index and stream, or makes sure that the one
    /// there is as it should be, and waits until table and index are active.
    ///
    /// A table that is being created, changed or deleted is waited for, and so
    /// is one that somebody else creates at the same moment.
    ///
    /// # Errors
    ///
    /// [`Error::TableDiffers`] where the keys, the index or the stream are
    /// others; [`Error::TableIncomplete`] where index or stream are lacking and
    /// `update` is not set; [`Error::Failed`] where it takes too long.
    pub async fn load_schema(&self, options: &SchemaOptions) -> Result<Loaded> {
        let mut wait = Wait::new(self, options.patience);
        let mut created = false;
        let mut added: Vec<Part> = Vec::new();
        loop {
            let Some(table) = self.describe().await? else {
                if options.dry_run {
                    return Ok(Loaded::Created);
                }
                if !created {
                    created = self.create(options.billing).await?;
                }
                // It is not seen everywhere at once.
                wait.a_moment("to be created").await?;
                continue;
            };
            if !options.dry_run && !definition::is_active(&table) {
                wait.a_moment("to become active").await?;
                continue;
            }
            let differences = definition::differences(&table);
            if !differences.is_empty() {
                let in_keys = !definition::key_differences(&table).is_empty();
                return Err(self.differs(in_keys, differences));
            }
            let missing = definition::missing(&table);
            let Some(&part) = missing.first() else {
                return Ok(outcome(created, &added));
            };
            if !options.update {
                return Err(self.incomplete(&missing));
            }
            if options.dry_run {
                return Ok(outcome(false, &missing));
            }
            // AWS takes one change at a time, and shows it a little later.
            if !added.contains(&part) && self.add(part, &table).await? {
                added.push(part);
            }
            wait.a_moment("to be changed").await?;
        }
    }

    /// Deletes the table with all its items and waits until it is gone.
    ///
    /// # Errors
    ///
    /// [`Error::TableNotFound`] unless `if_exists` is set; [`Error::Failed`]
    /// where it takes too long.
    pub async fn drop(&self, options: &DropOptions) -> Result<Dropped> {
        let mut wait = Wait::new(self, options.patience);
        let mut deleted = false;
        loop {
            let status = self.describe().await?.and_then(|table| table.table_status);
            match status {
                None if deleted => return Ok(Dropped::Dropped),
                None if options.if_exists => return Ok(Dropped::NotThere),
                None => return Err(self.not_found()),
                Some(_) if options.dry_run => return Ok(Dropped::Dropped),
                Some(TableStatus::Deleting) => deleted = true,
                Some(_) if !deleted => {
                    deleted = self.delete().await?;
                    if deleted {
                        continue;
                    }
                }
                Some(_) => {}
            }
            wait.a_moment("to be deleted").await?;
        }
    }

    /// Number and size of the items, without reading them.
    ///
    /// # Errors
    ///
    /// [`Error::TableNotFound`], or why the request failed.
    pub async fn summary(&self) -> Result<Summary> {
        let table = self.describe().await?.ok_or_else(|| self.not_found())?;
        let number = |told: Option<i64>| told.and_then(|n| u64::try_from(n).ok());
        Ok(Summary {
            items: number(table.item_count).unwrap_or_default(),
            bytes: number(table.table_size_bytes).unwrap_or_default(),
            arn: table.table_arn,
        })
    }

    /// The ARN of the table's stream.
    ///
    /// # Errors
    ///
    /// [`Error::TableNotFound`]; [`Error::TableIncomplete`] where the table has
    /// none; [`Error::TableDiffers`] where it has one that does not carry new
    /// images, which alone tell a message's text.
    pub(crate) async fn stream_arn(&self) -> Result<String> {
        let table = self.describe().await?.ok_or_else(|| self.not_found())?;
        if let Some(difference) = definition::stream_difference(&table) {
            return Err(self.differs(false, vec![difference]));
        }
        let enabled = table.stream_specification.is_some_and(|s| s.stream_enabled);
        let arn = table.latest_stream_arn.filter(|_| enabled);
        arn.ok_or_else(|| self.incomplete(&[Part::Stream]))
    }

    async fn describe(&self) -> Result<Option<TableDescription>> {
        let result = self
            .client
            .describe_table()
            .table_name(&self.name)
            .send()
            .await;
        match result {
            Ok(output) => output.table.map(Some).ok_or_else(|| self.empty_answer()),
            Err(error) if aws::code_of(&error) == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Whether it was this call that created the table.
    async fn create(&self, billing: Billing) -> Result<bool> {
        let result = definition::create(&self.client, &self.name, billing)?
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            // Somebody else was quicker.
            Err(error) if aws::code_of(&error) == Some("ResourceInUseException") => Ok(false),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Whether the change was accepted; `false` while another one is under way.
    async fn add(&self, part: Part, table: &TableDescription) -> Result<bool> {
        let result = definition::add(&self.client, &self.name, part, table)?
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if is_busy(aws::code_of(&error)) => Ok(false),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Whether the deletion was accepted; `false` while a change is under way.
    async fn delete(&self) -> Result<bool> {
        let result = self
            .client
            .delete_table()
            .table_name(&self.name)
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if aws::code_of(&error) == Some("ResourceNotFoundException") => Ok(true),
            Err(error) if is_busy(aws::code_of(&error)) => Ok(false),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Says that the table is not there.
    pub fn not_found(&self) -> Error {
        Error::TableNotFound {
            table: self.name.clone(),
            at: self.at.clone(),
        }
    }

    fn differs(&self, in_keys: bool, differences: Vec<String>) -> Error {
        Error::TableDiffers {
            table: self.name.clone(),
            at: self.at.clone(),
            in_keys,
            differences,
        }
    }

    fn incomplete(&self, missing: &[Part]) -> Error {
        Error::TableIncomplete {
            table: self.name.clone(),
            at: self.at.clone(),
            missing: missing.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Both say that the table, or the account, has something else to do first.
fn is_busy(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("ResourceInUseException" | "LimitExceededException")
    )
}

fn outcome(created: bool, added: &[Part]) -> Loaded {
    match added {
        _ if created => Loaded::Created,
        [] => Loaded::AlreadyThere,
        parts => Loaded::Updated {
            added: parts.iter().map(ToString::to_string).collect(),
        },
    }
}

/// Waiting with growing pauses, up to a point in time. The first are short,
/// because local engines are done at once.
struct Wait<'a> {
    table: &'a Table,
    pause: Duration,
    end: Instant,
}

impl<'a> Wait<'a> {
    fn new(table: &'a Table, patience: Duration) -> Self {
        Wait {
            table,
            pause: Duration::from_millis(5),
            end: Instant::now() + patience,
        }
    }

    async fn a_moment(&mut self, what: &str) -> Result<()> {
        if Instant::now() >= self.end {
            return Err(Error::Failed(format!(
                "waited too long for table {} at {} {what}",
                self.table.name, self.table.at
            )));
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 3 / 2).min(Duration::from_secs(2));
        Ok(())
    }
}

/// A request that could not even be built; only a change of the SDK does that.
fn unbuildable(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::Failed(format!("{} request: {error}", Service::DynamoDb))
}

fn billing_mode(billing: Billing) -> BillingMode {
    match billing {
        Billing::Provisioned { .. } => BillingMode::Provisioned,
        Billing::PayPerRequest => BillingMode::PayPerRequest,
    }
}

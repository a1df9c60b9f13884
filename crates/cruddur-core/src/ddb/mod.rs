//! The messages table: its schema, its items, and the access patterns.

pub mod batch;
mod engine;
pub mod import;
pub mod item;
pub mod json;
pub mod limits;
pub mod messages;
mod pace;
mod pages;
pub mod patterns;
mod retry;
pub mod scan;
pub mod schema;
pub mod seed;

pub(crate) mod groups;
pub(crate) mod transaction;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::IdentityCache;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use crate::aws::{self, Connection};
use crate::target::Target;
use crate::{Result, Service};

/// The index that finds the items of a message group.
pub const GROUP_INDEX: &str = "message-group-sk-index";

/// A table at an endpoint. Making one sends no request.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) at: String,
    production: bool,
}

impl Table {
    /// The table that a target names.
    ///
    /// # Errors
    ///
    /// What the target lacks: an endpoint, a region, credentials.
    pub async fn connect(target: &Target) -> Result<Table> {
        let connection = Connection::new(target, Service::DynamoDb).await?;
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws::behavior_version())
            .region(connection.region)
            .credentials_provider(connection.credentials)
            // Kept by the clients without retries that are made of this one.
            .identity_cache(IdentityCache::lazy().build())
            .http_client(connection.http_client)
            .retry_config(aws::retry_config())
            .retry_classifier(aws::NobodyListens)
            .interceptor(connection.still_trying)
            .timeout_config(aws::timeout_config());
        config.set_endpoint_url(connection.endpoint_url);
        Ok(Table {
            client: Client::from_conf(config.build()),
            name: target.table.value.clone(),
            at: connection.at,
            production: target.production,
        })
    }

    /// The same endpoint, another table.
    pub fn named(&self, name: &str) -> Table {
        let name = name.to_owned();
        Table {
            name,
            ..self.clone()
        }
    }

    /// Whether a request that reads or writes much asks what it consumes:
    /// where it costs money, or a pace depends on it. Elsewhere the answer is
    /// worth nothing, and costs DynamoDB Local a third of its speed.
    fn counts_capacity(&self, max_capacity: Option<f64>) -> Option<ReturnConsumedCapacity> {
        let counts = self.production || max_capacity.is_some();
        counts.then_some(ReturnConsumedCapacity::Total)
    }

    /// Whether it is production's.
    pub(crate) fn is_in_production(&self) -> bool {
        self.production
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The endpoint's address, as errors name it.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Says why a request about this table failed.
    pub(crate) fn error<E>(
        &self,
        error: aws_sdk_dynamodb::error::SdkError<E, aws::HttpResponse>,
    ) -> crate::Error
    where
        E: std::error::Error + aws::ProvideErrorMetadata + Send + Sync + 'static,
    {
        match aws::code_of(&error) {
            Some("ResourceNotFoundException") => crate::Error::TableNotFound {
                table: self.name.clone(),
                at: self.at.clone(),
            },
            _ => aws::error(Service::DynamoDb, &self.at, error),
        }
    }
}

impl Table {
    /// Says that an answer was well formed and held nothing of what it should.
    pub(crate) fn empty_answer(&self) -> crate::Error {
        crate::Error::WrongServer {
            service: Service::DynamoDb,
            at: self.at.clone(),
            cause: "its answer is empty".to_owned(),
        }
    }

    /// Asks the endpoint for something small, to see whether it answers.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Unreachable`] and whatever else stands in the way.
    pub async fn answers(&self) -> Result<()> {
        let answer = self.client.list_tables().limit(1).send().await;
        answer.map(|_| ()).map_err(|error| self.error(error))
    }
}

//! The client of DynamoDB Streams, and the few calls that following needs.

use aws_sdk_dynamodbstreams::types::{Shard as SdkShard, ShardIteratorType};
use aws_sdk_dynamodbstreams::{Client, Config};

use super::checkpoint::Position;
use super::event;
use super::record::StreamRecord;
use crate::aws::{self, Aside, Connection};
use crate::target::Target;
use crate::{Error, Result, Service};

/// DynamoDB Streams at an endpoint. Making one sends no request.
///
/// A local server answers for streams at the address of DynamoDB itself; AWS
/// has an endpoint of its own.
#[derive(Debug, Clone)]
pub struct Streams {
    client: Client,
    at: String,
}

/// A shard, and the one it continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    pub id: String,
    pub parent: Option<String>,
}

/// Where reading of a shard begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// The oldest record there is.
    TrimHorizon,
    /// After the newest one.
    Latest,
    /// After this one.
    After(String),
}

/// What a read of a shard gave.
pub(crate) struct Page {
    pub records: Vec<StreamRecord>,
    /// Where the next read continues; none where the shard has ended.
    pub next: Option<String>,
}

/// Why a read of a shard gave nothing.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The iterator is older than fifteen minutes.
    Expired(Error),
    /// The iterator, or the position it was made from, is of no use any more: the
    /// server has forgotten it.
    Stale(Error),
    /// The records at the position are older than the stream keeps them.
    Trimmed,
    /// The stream, or the shard, is gone.
    Gone,
    /// Anything else.
    Failed(Error),
}

impl Streams {
    /// The streams at a target's endpoint.
    ///
    /// # Errors
    ///
    /// What the target lacks: an endpoint, a region, credentials.
    pub async fn connect(target: &Target) -> Result<Streams> {
        let connection = Connection::new(target, Service::DynamoDbStreams).await?;
        let mut config = aws_sdk_dynamodbstreams::Config::builder()
            .behavior_version(aws::behavior_version())
            .region(connection.region)
            .credentials_provider(connection.credentials)
            .http_client(connection.http_client)
            .retry_config(aws::retry_config())
            .retry_classifier(aws::NobodyListens)
            .interceptor(connection.still_trying)
            .timeout_config(aws::timeout_config());
        config.set_endpoint_url(connection.endpoint_url);
        Ok(Streams {
            client: Client::from_conf(config.build()),
            at: connection.at,
        })
    }

    /// The endpoint's address, as errors name it.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Asks for a stream of a table, to see whether the endpoint answers; whether
    /// the table is there or has one does not matter.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] and whatever else stands in the way.
    pub async fn answers(&self, table: &str) -> Result<()> {
        let answer = self
            .client
            .list_streams()
            .table_name(table)
            .limit(1)
            .customize()
            .config_override(
                Config::builder()
                    .retry_config(aws::few_retries())
                    .timeout_config(aws::short_timeouts()),
            )
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if aws::code_of(&error) == Some("ResourceNotFoundException") => Ok(()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Every shard of a stream, to the last page; `None` where it is gone.
    pub(crate) async fn shards(&self, arn: &str) -> Result<Option<Vec<Shard>>> {
        let mut shards = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .describe_stream()
                .stream_arn(arn)
                .set_exclusive_start_shard_id(start.clone())
                .send()
                .await;
            let stream = match answer {
                Ok(answer) => answer.stream_description,
                Err(error) if aws::code_of(&error) == Some("ResourceNotFoundException") => {
                    return Ok(None);
                }
                Err(error) => return Err(self.error(error)),
            };
            let stream = stream.ok_or_else(|| self.unreadable("it describes no stream"))?;
            shards.extend(
                stream
                    .shards
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(shard),
            );
            let next = stream.last_evaluated_shard_id;
            if next.is_none() {
                break;
            }
            if next == start {
                return Err(aws::repeats_itself(Service::DynamoDbStreams, &self.at));
            }
            start = next;
        }
        Ok(Some(shards))
    }

    pub(crate) async fn iterator(
        &self,
        arn: &str,
        shard: &str,
        from: From,
    ) -> Result<String, Unread> {
        let kind = match from {
            From::TrimHorizon => ShardIteratorType::TrimHorizon,
            From::Latest => ShardIteratorType::Latest,
            From::After(_) => ShardIteratorType::AfterSequenceNumber,
        };
        let number = match from {
            From::After(number) => Some(number),
            _ => None,
        };
        let answer = self
            .client
            .get_shard_iterator()
            .stream_arn(arn)
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_sequence_number(number)
            .send()
            .await
            .map_err(|error| self.unread(error))?;
        let iterator = answer.shard_iterator;
        iterator.ok_or_else(|| Unread::Failed(self.unreadable("it has no iterator")))
    }

    pub(crate) async fn read(&self, iterator: &str) -> Result<Page, Unread> {
        let records = Aside::new("Records");
        let answer = self
            .client
            .get_records()
            .shard_iterator(iterator)
            .customize()
            .interceptor(records.clone())
            .send()
            .await
            .map_err(|error| self.unread(error))?;
        let records = match records.take() {
            Some(records) => records.text().and_then(event::records),
            // Even a page without records has a list of them. What has none, and so
            // no next page either, is not the end of a shard.
            None => Err("it has no list of records".to_owned()),
        };
        let records = records.map_err(|cause| Unread::Failed(self.unreadable(&cause)));
        Ok(Page {
            records: records?,
            next: answer.next_shard_iterator,
        })
    }

    fn unreadable(&self, cause: &str) -> Error {
        aws::unreadable(Service::DynamoDbStreams, &self.at, cause)
    }

    /// Says that a shard which is written to no more does not come to its end.
    pub(crate) fn has_no_end(&self) -> Error {
        let cause = "a shard is closed, and does not come to its end";
        Error::WrongServer {
            service: Service::DynamoDbStreams,
            at: self.at.clone(),
            cause: cause.to_owned(),
        }
    }

    fn unread<E>(
        &self,
        error: aws_sdk_dynamodbstreams::error::SdkError<E, aws::HttpResponse>,
    ) -> Unread
    where
        E: std::error::Error + aws::ProvideErrorMetadata + Send + Sync + 'static,
    {
        match aws::code_of(&error) {
            Some("TrimmedDataAccessException") => Unread::Trimmed,
            Some("ResourceNotFoundException") => Unread::Gone,
            Some("ExpiredIteratorException") => Unread::Expired(self.error(error)),
            // A server that was started anew calls what it gave before invalid.
            Some("ValidationException") => Unread::Stale(self.error(error)),
            _ => Unread::Failed(self.error(error)),
        }
    }

    fn error<E>(
        &self,
        error: aws_sdk_dynamodbstreams::error::SdkError<E, aws::HttpResponse>,
    ) -> Error
    where
        E: std::error::Error + aws::ProvideErrorMetadata + Send + Sync + 'static,
    {
        aws::error(Service::DynamoDbStreams, &self.at, error)
    }
}

fn shard(shard: SdkShard) -> Option<Shard> {
    Some(Shard {
        id: shard.shard_id?,
        parent: shard.parent_shard_id,
    })
}

impl Position {
    pub(crate) fn from(&self) -> Option<From> {
        match self {
            Position::After(number) => Some(From::After(number.clone())),
            Position::Ended => None,
        }
    }
}

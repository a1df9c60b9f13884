//! How far a stream has been followed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What has been applied of a stream: every record up to these positions, and
/// nothing is said of those behind them.
///
/// It is a value to be kept wherever the follower's owner likes, and handed
/// back at the next start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The stream. A table that was dropped and created again has another.
    pub stream_arn: String,
    /// The position in each shard of which something was read.
    pub shards: BTreeMap<String, Position>,
}

/// The position in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// After the record with this sequence number.
    After(String),
    /// At the end: the shard is closed, and its children may be read.
    Ended,
}

impl Checkpoint {
    /// The beginning of a stream.
    pub fn new(stream_arn: &str) -> Checkpoint {
        Checkpoint {
            stream_arn: stream_arn.to_owned(),
            shards: BTreeMap::new(),
        }
    }
}

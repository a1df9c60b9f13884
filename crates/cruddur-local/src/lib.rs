//! The local stack, with no container: DynamoDB with Streams, PostgreSQL and
//! Cognito for one folder, on the loopback interface.
//!
//! [`start`] brings up all three and answers once each has served a real
//! request. What it chose (addresses, password, pool) is written to
//! `.cruddur/state.json`, where other processes find it through [`StackDir`].
//!
//! Like every library of this workspace it prints nothing, asks nothing and
//! reads no environment variable: what it needs comes in [`Options`].

mod cognito;
mod companion;
mod control;
mod dir;
mod dynamodb;
mod error;
mod files;
mod health;
mod lock;
mod ports;
mod postgres;
mod probe;
mod snapshot;
mod stack;
mod state;
mod task;
mod temporary;

pub use cognito::{CognitoRequest, PoolUser};
pub use companion::{Companion, hangup_is_ignored};
pub use control::{
    Detached, Down, down, end_leftover, spawn_detached, wait_until_ended, wait_until_ready,
};
pub use dir::{StackDir, Status};
pub use error::Error;
pub use health::{ServiceHealth, health};
pub use lock::Turn;
pub use postgres::installed_postgres;
pub use snapshot::{
    Snapshot, reset, snapshot_check, snapshot_check_new, snapshot_delete, snapshot_list,
    snapshot_restore, snapshot_save,
};
pub use stack::{Exit, Options, Progress, Stack, Step, start};
pub use state::{Cognito, DynamoDb, Postgres, Service, State};
pub use temporary::TemporaryFolder;

/// The region the local services answer for. The Cognito engine knows no other
/// when it is reached by a loopback address.
pub const REGION: &str = "us-east-1";

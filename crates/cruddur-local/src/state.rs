//! What a running stack tells other processes, as `state.json` holds it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The format of the data folder. It grows when an older program could no
/// longer read what a newer one wrote.
pub(crate) const VERSION: u32 = 1;

/// One of the three services of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Messages, with Streams.
    DynamoDb,
    /// Users and activities.
    Postgres,
    /// Sign-ins.
    Cognito,
}

impl Service {
    /// All of them, in the order they start.
    pub const ALL: [Service; 3] = [Service::DynamoDb, Service::Cognito, Service::Postgres];
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::DynamoDb => "DynamoDB",
            Service::Postgres => "PostgreSQL",
            Service::Cognito => "Cognito",
        })
    }
}

/// Where the services of a stack are, and since when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The format of the data folder.
    pub version: u32,
    /// The process that runs the stack.
    pub pid: u32,
    /// When it was ready.
    pub started_at: DateTime<Utc>,
    /// Whether it has begun to end.
    #[serde(default)]
    pub ending: bool,
    /// When it ended in order. None while it runs, and forever if it died.
    #[serde(default)]
    pub stopped_at: Option<DateTime<Utc>>,
    /// The service that ended by itself and took the stack with it, and how.
    #[serde(default)]
    pub failure: Option<String>,
    /// The region the services answer for.
    pub region: String,
    /// Whether conversations are moved in it when messages are written.
    #[serde(default = "yes")]
    pub follows_stream: bool,
    /// The table whose conversations they are, where one was named.
    #[serde(default)]
    pub table: Option<String>,
    /// DynamoDB and its Streams.
    pub dynamodb: DynamoDb,
    /// PostgreSQL.
    pub postgres: Postgres,
    /// Cognito.
    pub cognito: Cognito,
}

/// Of a state that was written before this was.
fn yes() -> bool {
    true
}

/// The address of DynamoDB.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DynamoDb {
    /// For `AWS_ENDPOINT_URL_DYNAMODB`; Streams answer there too.
    pub url: String,
    /// The port it got.
    pub port: u16,
    /// The port that was asked for, so that a later start can tell a new wish
    /// from the old one.
    pub asked_port: u16,
}

/// The address of PostgreSQL, and what it takes to connect.
#[derive(Clone, Serialize, Deserialize)]
pub struct Postgres {
    /// Always the loopback address.
    pub host: String,
    /// The port it got.
    pub port: u16,
    /// The port that was asked for.
    pub asked_port: u16,
    /// The superuser.
    pub user: String,
    /// Its password, made up when the cluster was.
    pub password: String,
    /// The database the application uses. `db create` makes it.
    pub database: String,
    /// The server's first process.
    pub pid: u32,
    /// The server's version, such as `15.18`.
    pub version: String,
}

// By hand, because a password has no place in a debug line.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password", &"***")
            .field("database", &self.database)
            .field("pid", &self.pid)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Its address without any password.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The address of Cognito, and the pool it began with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cognito {
    /// For `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`.
    pub url: String,
    /// The port it got.
    pub port: u16,
    /// The port that was asked for.
    pub asked_port: u16,
    /// For `AWS_COGNITO_USER_POOL_ID`.
    pub user_pool_id: String,
    /// For `AWS_COGNITO_USER_POOL_CLIENT_ID`.
    pub client_id: String,
}

impl State {
    /// For `CONNECTION_URL`. The password is hexadecimal, so nothing in it
    /// needs an escape.
    pub fn connection_url(&self) -> String {
        let Postgres {
            host,
            port,
            user,
            password,
            database,
            ..
        } = &self.postgres;
        format!("postgresql://{user}:{password}@{host}:{port}/{database}")
    }

    /// The address of one service, without any password.
    pub fn address(&self, service: Service) -> String {
        match service {
            Service::DynamoDb => self.dynamodb.url.clone(),
            Service::Cognito => self.cognito.url.clone(),
            Service::Postgres => self.postgres.address(),
        }
    }
}

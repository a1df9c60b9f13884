//! What can go wrong, named by what a person can do about it.

use std::fmt;

/// The result of every fallible function of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One of the services that hold Cruddur's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The messages table.
    DynamoDb,
    /// The change stream of the messages table.
    DynamoDbStreams,
    /// Users and activities.
    Postgres,
    /// The user pool.
    Cognito,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::DynamoDb => "DynamoDB",
            Service::DynamoDbStreams => "DynamoDB Streams",
            Service::Postgres => "PostgreSQL",
            Service::Cognito => "Cognito",
        })
    }
}

/// Why an operation did not do what was asked.
///
/// Each message is one sentence that names where it happened (`at`) and the
/// cause. What mends it is for the caller to say, who knows by which command
/// or setting it got here. No message ever holds a password.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A value that was given cannot be used.
    #[error("{0}")]
    Usage(String),
    /// A setting that is needed has no value.
    #[error("{what} is not set")]
    NotConfigured {
        /// The setting, as a person would call it.
        what: String,
        /// How to set it: a flag or a variable.
        set: String,
    },
    /// A guard stopped something that could hurt.
    #[error("{0}")]
    Refused(String),
    /// Nothing answers at the address, or the connection broke for good.
    #[error("cannot reach {service} at {at}: {cause}")]
    Unreachable {
        /// What was to be reached.
        service: Service,
        /// Its address.
        at: String,
        /// What the network said.
        cause: String,
    },
    /// The server answers, but cannot be talked to over TLS in the way that was asked
    /// for: its certificate is not trusted, say. Waiting does not mend it.
    #[error("cannot reach {service} at {at}: {cause}")]
    Tls {
        /// What was to be reached.
        service: Service,
        /// Its address.
        at: String,
        /// What it lacks.
        cause: String,
    },
    /// Something answers at the address, but it is another kind of server.
    #[error("the server at {at} is not {service}: {cause}")]
    WrongServer {
        /// What was expected.
        service: Service,
        /// The address.
        at: String,
        /// What it answered instead.
        cause: String,
    },
    /// The service wants credentials that this run does not have.
    #[error("cannot sign in to {service} at {at}: {cause}")]
    Credentials {
        /// The service that refused.
        service: Service,
        /// Its address.
        at: String,
        /// What it said.
        cause: String,
    },
    /// There is no such table.
    #[error("table {table} does not exist at {at}")]
    TableNotFound {
        /// The table's name.
        table: String,
        /// The endpoint.
        at: String,
    },
    /// The table is there but its keys, index or stream are others, and adding
    /// something does not mend that.
    #[error("table {table} at {at} is not the messages table: {}", differences.join("; "))]
    TableDiffers {
        /// The table's name.
        table: String,
        /// The endpoint.
        at: String,
        /// Whether its keys are others, which a table keeps for as long as it lives.
        /// An index and a stream can be taken away and added again.
        in_keys: bool,
        /// One sentence a difference.
        differences: Vec<String>,
    },
    /// The table is there but something that can be added is missing.
    #[error("table {table} at {at} lacks {}", missing.join(" and "))]
    TableIncomplete {
        /// The table's name.
        table: String,
        /// The endpoint.
        at: String,
        /// What is missing, such as "the index message-group-sk-index".
        missing: Vec<String>,
    },
    /// There is no such database.
    #[error("database {database} does not exist at {at}")]
    DatabaseNotFound {
        /// The database's name.
        database: String,
        /// The server.
        at: String,
    },
    /// The database has not the tables it should have.
    #[error("database {database} at {at} has no schema: {cause}")]
    SchemaNotLoaded {
        /// The database's name.
        database: String,
        /// The server.
        at: String,
        /// The relation that is missing.
        cause: String,
    },
    /// Others are connected to a database that was to be dropped.
    #[error("database {database} at {at} is in use: {}", sessions.join("; "))]
    DatabaseInUse {
        /// The database's name.
        database: String,
        /// The server.
        at: String,
        /// One a session: pid, user, application.
        sessions: Vec<String>,
    },
    /// No user has this handle.
    #[error("no user has the handle {handle:?} in {at}")]
    UserNotFound {
        /// The handle that was asked for.
        handle: String,
        /// The database.
        at: String,
        /// Handles that come close, the closest first.
        close: Vec<String>,
    },
    /// There is no such user pool.
    #[error("user pool {pool} does not exist at {at}")]
    PoolNotFound {
        /// The pool's id.
        pool: String,
        /// The endpoint.
        at: String,
    },
    /// Two people have a message group already.
    #[error("{sender} and {receiver} already have the message group {message_group_uuid}")]
    GroupExists {
        /// Who was to begin one.
        sender: String,
        /// With whom.
        receiver: String,
        /// The group they have.
        message_group_uuid: String,
    },
    /// Something else that was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A file, or standard input, holds something that cannot be understood.
    #[error("{file}{}: {message}", line.map(|l| format!(":{l}")).unwrap_or_default())]
    Input {
        /// The file's name as it was given; `-` is standard input.
        file: String,
        /// The line, counted from 1.
        line: Option<u64>,
        /// What is wrong there.
        message: String,
    },
    /// The service answered with an error.
    #[error("{service} at {at} answered {code}: {message}")]
    Service {
        /// Which service.
        service: Service,
        /// Its address.
        at: String,
        /// Its name for the error (an exception's name, or an SQLSTATE).
        code: String,
        /// Its words.
        message: String,
    },
    /// Something in the data stands in the way.
    #[error("{0}")]
    Failed(String),
    /// Part of it was done.
    #[error("{message}")]
    Partial {
        /// How much was done and how much was not.
        message: String,
        /// What was not done, one entry each.
        not_done: Vec<String>,
    },
    /// None of it was done.
    #[error("{message}")]
    NotDone {
        /// How much was not.
        message: String,
        /// What was not done, one entry each.
        not_done: Vec<String>,
    },
    /// The person, or the system, asked to stop.
    #[error("interrupted")]
    Interrupted,
}

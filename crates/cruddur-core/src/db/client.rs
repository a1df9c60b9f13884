//! The one module that makes, uses and drops the synchronous client.
//!
//! The `postgres` client drives a runtime of its own, and panics where another
//! is at work. Everything therefore happens on a thread for blocking work,
//! from the connection to its end.
//!
//! Every query is sent with the types of its parameters (`query_typed`), which
//! needs one trip and no prepared statement: behind a pooler the next message
//! may reach another session, which does not know it.
//! The queries cast people's texts to `text`, as a type that is not built in
//! would have to be asked about before the rows are read.

use std::error::Error as StdError;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{CancelToken, Client, NoTls};
use tokio::sync::oneshot;

use super::tls::{self, SslMode};
use super::url::ConnectionUrl;
use crate::target::Target;
use crate::{Error, Result, Service};

/// How long ending a statement may keep who has stopped waiting for it.
const CANCEL: Duration = Duration::from_secs(1);

/// A database on a server. Making one sends nothing; each operation connects
/// for itself, since a command has one or two of them.
#[derive(Debug, Clone)]
pub struct Database {
    url: ConnectionUrl,
    production: bool,
}

/// What goes wrong while a connection is used.
pub(super) enum Problem {
    /// The server or the connection.
    Postgres(postgres::Error),
    /// Something that has a name here.
    Ours(Error),
}

impl From<postgres::Error> for Problem {
    fn from(error: postgres::Error) -> Problem {
        Problem::Postgres(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::Ours(error)
    }
}

/// Work on a connection that somebody waits for.
struct Running<'a> {
    /// What ends its statement; none where there is nothing to end.
    token: Option<CancelToken>,
    database: &'a Database,
}

/// Ends the statement of work that nobody waits for any more. The server would not
/// notice that its client has gone before it has something to tell it, and may wait
/// for a lock until then.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else {
            return;
        };
        let tls = tls::connector(&self.database.url);
        let (done, is_done) = std::sync::mpsc::channel();
        let asked = std::thread::Builder::new().spawn(move || {
            // Best effort: where it fails the statement runs on, as it would have.
            let _ = match tls {
                Ok(Some(tls)) => token.cancel_query(tls),
                _ => token.cancel_query(NoTls),
            };
            let _ = done.send(());
        });
        if asked.is_ok() {
            let _ = is_done.recv_timeout(CANCEL);
        }
    }
}

/// A parameter of a query.
pub(super) fn text<T: ToSql + Sync>(value: &T) -> (&(dyn ToSql + Sync), Type) {
    (value, Type::TEXT)
}

impl Database {
    /// The database that a target names.
    ///
    /// # Errors
    ///
    /// What the target lacks.
    pub fn connect(target: &Target) -> Result<Database> {
        Ok(Database {
            url: target.postgres.clone()?.value,
            production: target.production,
        })
    }

    /// The database of a URL, in development.
    pub fn new(url: ConnectionUrl) -> Database {
        Database {
            url,
            production: false,
        }
    }

    /// The same, with the guards of production.
    #[must_use]
    pub fn for_production(self) -> Database {
        Database {
            production: true,
            ..self
        }
    }

    /// Whether production was asked for.
    pub fn is_production(&self) -> bool {
        self.production
    }

    /// Its address.
    pub fn url(&self) -> &ConnectionUrl {
        &self.url
    }

    /// Its server, as errors name it.
    pub fn at(&self) -> String {
        self.url.at()
    }

    /// Its name, as errors name it.
    pub fn name(&self) -> String {
        self.url.database().unwrap_or("(unnamed)").to_owned()
    }

    /// Another database of the same server.
    pub(super) fn sibling(&self, name: &str) -> Database {
        Database {
            url: self.url.with_database(name),
            ..self.clone()
        }
    }

    /// Connects, runs `work` with the connection, and closes it.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Client) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        let (connected, is_connected) = oneshot::channel();
        let database = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut client = database.open()?;
            if connected.send(client.cancel_token()).is_err() {
                return Err(database.unreachable("it answered too late".to_owned()));
            }
            let result = work(&mut client);
            result.map_err(|problem| database.explain(problem))
        });
        let token = match self.patience() {
            // The client's own limit ends with the TCP handshake. A server that
            // takes the connection and never says a word would hold us forever.
            Some(limit) => match tokio::time::timeout(limit, is_connected).await {
                Ok(token) => token,
                Err(_) => {
                    return Err(self.unreachable(format!("no answer within {} s", limit.as_secs())));
                }
            },
            None => is_connected.await,
        };
        let mut running = Running {
            token: token.ok(),
            database: self,
        };
        let done = work.await;
        running.token = None;
        match done {
            Ok(result) => result,
            Err(failure) => match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::Interrupted),
            },
        }
    }

    /// Like [`Database::with`], and again where the server picked this session
    /// as the one to give way to others.
    pub(super) async fn with_retries<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Client) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T> {
        self.with(move |client| {
            let mut tries = 0;
            loop {
                tries += 1;
                match work(client) {
                    Err(Problem::Postgres(error)) if tries < 5 && gives_way(&error) => {}
                    other => return other,
                }
            }
        })
        .await
    }

    fn open(&self) -> Result<Client> {
        let config = self.url.config();
        let client = match tls::connector(&self.url)? {
            Some(tls) => match config.connect(tls) {
                Err(error) if self.url.ssl_mode() == SslMode::Prefer && tls_failed(&error) => {
                    config.connect(NoTls)
                }
                other => other,
            },
            None => config.connect(NoTls),
        };
        let mut client = client.map_err(|error| self.explain_opening(error))?;
        // Not as a startup option: connection poolers turn those away.
        client
            .batch_execute("set timezone to 'UTC'")
            .map_err(|error| self.explain(error.into()))?;
        Ok(client)
    }

    /// How long to wait for a session: the URL's limit for each address of
    /// each host, of which most names have two.
    fn patience(&self) -> Option<Duration> {
        let hosts = u32::try_from(self.url.hosts().len()).unwrap_or(1);
        let limit = self.url.config().get_connect_timeout().copied()?;
        Some(limit * 2 * hosts)
    }

    /// Says what went wrong in this library's words.
    pub(super) fn explain(&self, problem: Problem) -> Error {
        let error = match problem {
            Problem::Ours(error) => return error,
            Problem::Postgres(error) => error,
        };
        let Some(answer) = error.as_db_error() else {
            return self.explain_connection(&error);
        };
        let message = answer.message().to_owned();
        match answer.code() {
            &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                self.credentials(message)
            }
            &SqlState::INVALID_CATALOG_NAME => Error::DatabaseNotFound {
                database: self.name(),
                at: self.at(),
            },
            &SqlState::UNDEFINED_TABLE => Error::SchemaNotLoaded {
                database: self.name(),
                at: self.at(),
                cause: message,
            },
            &SqlState::TOO_MANY_CONNECTIONS
            | &SqlState::CANNOT_CONNECT_NOW
            | &SqlState::ADMIN_SHUTDOWN
            | &SqlState::CRASH_SHUTDOWN => self.unreachable(message),
            code => Error::Service {
                service: Service::Postgres,
                at: self.at(),
                code: code.code().to_owned(),
                message,
            },
        }
    }

    /// The first words of another protocol are taken for a message that is much
    /// longer than what comes. Later on, the connection broke in the middle of one.
    fn explain_opening(&self, error: postgres::Error) -> Error {
        let cause = root_cause(&error);
        if cause != "bytes remaining on stream" {
            return self.explain(error.into());
        }
        self.wrong_server("it speaks another protocol".to_owned())
    }

    fn explain_connection(&self, error: &postgres::Error) -> Error {
        let cause = root_cause(error);
        let of_io = chain(error).find_map(|e| e.downcast_ref::<std::io::Error>());
        match of_io.map(std::io::Error::kind) {
            // A message of another protocol.
            Some(std::io::ErrorKind::InvalidData) if !cause.contains("certificate") => {
                self.wrong_server(cause)
            }
            _ if cause.contains("password missing") => {
                self.credentials("it asks for a password, and the URL has none".to_owned())
            }
            _ => match about_tls(&cause) {
                Some(cause) => Error::Tls {
                    service: Service::Postgres,
                    at: self.at(),
                    cause,
                },
                None => self.unreachable(cause),
            },
        }
    }

    fn wrong_server(&self, cause: String) -> Error {
        Error::WrongServer {
            service: Service::Postgres,
            at: self.at(),
            cause,
        }
    }

    fn credentials(&self, cause: String) -> Error {
        Error::Credentials {
            service: Service::Postgres,
            at: self.at(),
            cause,
        }
    }

    fn unreachable(&self, cause: String) -> Error {
        Error::Unreachable {
            service: Service::Postgres,
            at: self.at(),
            cause,
        }
    }
}

/// Whether the same may go well without TLS: where TLS itself failed, or the
/// server lets this client in only without it. A wrong password is not tried
/// again, since without TLS others could read it.
fn tls_failed(error: &postgres::Error) -> bool {
    // The crate tells its kinds of errors apart by their words only.
    error
        .to_string()
        .starts_with("error performing TLS handshake")
        || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

fn gives_way(error: &postgres::Error) -> bool {
    [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ]
    .iter()
    .any(|code| error.code() == Some(code))
}

fn chain(error: &postgres::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

fn root_cause(error: &postgres::Error) -> String {
    chain(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// The words of the TLS library for what people meet, in plainer ones.
fn about_tls(cause: &str) -> Option<String> {
    let about = |words: &str| cause.contains(words);
    let said = if about("NotValidForName") || about("not valid for name") {
        "the server's certificate is for another name"
    } else if about("Expired") || about("expired") {
        "the server's certificate has expired"
    } else if about("UnknownIssuer") || about("BadSignature") {
        "the server's certificate is signed by an authority that is not trusted here"
    } else if about("CaUsedAsEndEntity") {
        "the server's certificate is an authority's (CA:TRUE), which is not taken for a server's"
    } else if about("server does not support TLS") {
        "the server offers no TLS, and sslmode asks for it"
    } else {
        return None;
    };
    Some(format!("{said} ({cause})"))
}

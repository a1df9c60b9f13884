//! What kind of server this is, and what state the database is in.

use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;

use super::client::{Database, Problem};
use super::marker::{self, Environment};
use crate::aws::ahead;
use crate::{Error, Result};

/// The oldest version that the schema can be loaded into.
pub const OLDEST_VERSION: u32 = 13;

/// What one connection brought to light.
#[derive(Debug)]
pub struct Probe {
    /// The server.
    pub server: Server,
    /// The database; [`Error::DatabaseNotFound`] where it is not there.
    pub database: Result<State>,
}

/// A server, as it presents itself.
#[derive(Debug)]
pub struct Server {
    /// Its version, such as `15.18`.
    pub version: String,
    /// The first number of its version.
    pub major: u32,
    /// How far its clock is ahead of this machine's.
    pub clock: TimeDelta,
    /// The TLS version of the connection, where the server sees one.
    pub tls: Option<String>,
    encoding: String,
    time_zone: String,
}

/// A database, as it stands.
#[derive(Debug)]
pub struct State {
    /// How it stores text; `UTF8` is wanted.
    pub encoding: String,
    /// The time zone of its sessions, if they do not ask for another one.
    pub time_zone: String,
    /// Whether its tables are all there; [`Error::SchemaNotLoaded`] where not.
    pub schema: Result<()>,
    /// What it says it is.
    pub environment: Result<Option<Environment>>,
}

impl Database {
    /// Connects and looks around; where the database is not there, in another
    /// one of the server. Changes nothing and locks nothing.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub async fn probe(&self) -> Result<Probe> {
        let database = self.clone();
        let answer = self.with(move |client| database.look(client)).await;
        let Err(missing @ Error::DatabaseNotFound { .. }) = answer else {
            return answer;
        };
        let server = self.maintain(|client| Ok(server(client)?)).await?;
        Ok(Probe {
            server,
            database: Err(missing),
        })
    }

    fn look(&self, client: &mut Client) -> Result<Probe, Problem> {
        let mut server = server(client)?;
        let state = State {
            encoding: std::mem::take(&mut server.encoding),
            time_zone: std::mem::take(&mut server.time_zone),
            schema: self.schema(client),
            environment: marker::read(client).map_err(|error| self.explain(error.into())),
        };
        Ok(Probe {
            server,
            database: Ok(state),
        })
    }

    fn schema(&self, client: &mut Client) -> Result<()> {
        let query = include_str!("../../../../sql/db/missing.sql");
        let rows = client.query_typed(query, &[]);
        let rows = rows.map_err(|error| self.explain(error.into()))?;
        let missing: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::SchemaNotLoaded {
            database: self.name(),
            at: self.at(),
            cause: format!("it lacks {}", missing.join(", ")),
        })
    }
}

fn server(client: &mut Client) -> Result<Server, postgres::Error> {
    let sent = Utc::now();
    let row = client.query_typed_one(include_str!("../../../../sql/db/server.sql"), &[])?;
    let now: DateTime<Utc> = row.get("now");
    let clock = ahead(now, sent);
    let number: i32 = row.get("version_number");
    Ok(Server {
        version: row.get("version"),
        major: u32::try_from(number / 10_000).unwrap_or_default(),
        clock,
        tls: row.get("tls"),
        encoding: row.get("encoding"),
        time_zone: row.get("time_zone"),
    })
}

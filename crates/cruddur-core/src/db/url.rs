//! The address of a database.

use std::fmt;
use std::str::FromStr;

use postgres::Config;
use postgres::config::Host;

use crate::{Error, Result};

/// A parsed PostgreSQL URL. `Display` and `Debug` mask the password.
#[derive(Clone)]
pub struct ConnectionUrl {
    config: Config,
}

impl ConnectionUrl {
    /// Reads a URL such as `postgresql://user:password@host:5432/database`;
    /// `source` is the variable it came from, for the error.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where it is none; the message does not repeat it, since
    /// it may hold a password.
    pub fn parse(url: &str, source: &str) -> Result<ConnectionUrl> {
        let config = Config::from_str(url)
            .map_err(|error| Error::Usage(format!("{source} is no PostgreSQL URL: {error}")))?;
        Ok(ConnectionUrl { config })
    }

    /// The hosts it names.
    pub fn hosts(&self) -> Vec<String> {
        self.config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            })
            .collect()
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.hosts().join(","))
    }
}

//! The address of a database.
//!
//! How it is read is in `url_parser`.

use std::fmt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postgres::Config;
use postgres::config::{Host, SslMode as ConfigSslMode};

use super::tls::{RDS, SslMode};
use super::{password_file, url_parser};
use crate::{Error, Result};

/// What may stand in a part of a URL as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Where servers keep their sockets: as PostgreSQL builds itself, and as
/// distributions build it.
const DEFAULT_SOCKETS: &[&str] = &["/tmp", "/var/run/postgresql", "/run/postgresql"];

/// A parsed PostgreSQL URL. `Display` and `Debug` mask the password.
#[derive(Clone)]
pub struct ConnectionUrl {
    pub(super) hosts: Vec<Host>,
    pub(super) ports: Vec<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) database: Option<String>,
    pub(super) ssl_mode: Option<SslMode>,
    pub(super) verified_by_default: bool,
    pub(super) root_certificates: Option<String>,
    pub(super) parameters: Vec<(String, String)>,
    /// What the parameters that the crate understands come to.
    pub(super) base: Config,
}

/// What `psql` is to be started with.
#[derive(Clone)]
pub struct Psql {
    /// Its argument: key and value pairs, without the password, since every
    /// user of the machine can read a process's arguments.
    pub conninfo: String,
    /// The same of the server, the user and TLS as libpq's variables, for a psql
    /// whose arguments name another database.
    pub variables: Vec<(&'static str, String)>,
    /// What belongs into its `PGPASSWORD`.
    pub password: Option<Vec<u8>>,
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
        ConnectionUrl::parse_with(url, source, |_| None)
    }

    /// Reads a URL, and takes from libpq's variables (`PGSSLMODE`, `PGPASSWORD`
    /// and so on) what it leaves open.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`], as for [`ConnectionUrl::parse`].
    pub fn parse_with<'a>(
        url: &str,
        source: &str,
        variable: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<ConnectionUrl> {
        url_parser::parse(url, variable)
            .map_err(|cause| Error::Usage(format!("{source} is no PostgreSQL URL: {cause}")))
    }

    /// Verifies the server's certificate and name where no `sslmode` is given,
    /// as befits production.
    #[must_use]
    pub fn verified_by_default(mut self) -> ConnectionUrl {
        self.verified_by_default = true;
        self
    }

    /// Trusts the certificate authorities of this file instead of those it
    /// names: `--sslrootcert`.
    ///
    /// # Errors
    ///
    /// `system` and `rds` do not go with an `sslmode` below `verify-full`.
    pub fn trusting(mut self, file: &str) -> Result<ConnectionUrl> {
        (self.ssl_mode, self.root_certificates) =
            url_parser::trusting(self.ssl_mode, Some(file.to_owned())).map_err(Error::Usage)?;
        Ok(self)
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Takes the password from the text of libpq's password file, and says from
    /// which line. There is one password for all hosts here, so that it is only
    /// taken where every host is given the same.
    pub fn take_password(&mut self, file: &str) -> Option<usize> {
        let find = |(index, host): (usize, &Host)| {
            // libpq: "localhost" stands for the default folder of sockets, too.
            let host = match host {
                Host::Unix(path) if DEFAULT_SOCKETS.iter().any(|p| path == Path::new(p)) => {
                    "localhost".to_owned()
                }
                other => host_text(other),
            };
            password_file::find(file, &host, self.port(index), self.database(), self.user())
        };
        let mut found = self.hosts.iter().enumerate().map(find);
        let (password, line) = found.next()??;
        if !found.all(|other| other.is_some_and(|(other, _)| other == password)) {
            return None;
        }
        self.password = Some(password.into_bytes());
        Some(line)
    }

    /// The hosts it names; a folder stands for the Unix sockets in it.
    pub fn hosts(&self) -> Vec<String> {
        self.hosts.iter().map(host_text).collect()
    }

    /// The host and port of each server, as errors name them.
    pub fn at(&self) -> String {
        let one = |(index, host): (usize, &Host)| match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", self.port(index)),
            Host::Tcp(name) => format!("{name}:{}", self.port(index)),
            Host::Unix(path) => format!("{}/.s.PGSQL.{}", path.display(), self.port(index)),
        };
        let all: Vec<String> = self.hosts.iter().enumerate().map(one).collect();
        all.join(",")
    }

    /// The user to sign in as; PostgreSQL's clients take the system's where
    /// there is none.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The database, which is called as the user where the URL names none.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref().or(self.user())
    }

    /// The database that the URL itself names.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where it names none: what is created or dropped is
    /// never guessed.
    pub fn named_database(&self) -> Result<&str> {
        self.database.as_deref().ok_or_else(|| {
            Error::Usage(format!(
                "the URL {self} names no database; add /NAME after the host"
            ))
        })
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> ConnectionUrl {
        ConnectionUrl {
            database: Some(name.to_owned()),
            ..self.clone()
        }
    }

    /// How the connection is protected.
    pub fn ssl_mode(&self) -> SslMode {
        match self.ssl_mode {
            // Unix sockets have no TLS, and libpq ignores the setting there.
            _ if self.hosts.iter().all(|host| matches!(host, Host::Unix(_))) => SslMode::Disable,
            Some(mode) => mode,
            None if self.verified_by_default => SslMode::VerifyFull,
            None => SslMode::Prefer,
        }
    }

    /// Whether a session can only be one with the server that is meant: by its
    /// certificate, or since a Unix socket leads no farther than this machine.
    pub fn is_verified(&self) -> bool {
        match self.ssl_mode() {
            SslMode::VerifyCa | SslMode::VerifyFull => true,
            SslMode::Require => self.root_certificates.is_some(),
            SslMode::Disable | SslMode::Prefer => {
                self.hosts.iter().all(|host| matches!(host, Host::Unix(_)))
            }
        }
    }

    /// The file of certificate authorities to trust instead of the system's, or
    /// [`RDS`].
    pub fn root_certificates(&self) -> Option<&str> {
        self.root_certificates.as_deref()
    }

    /// What to start `psql` with.
    pub fn psql(&self) -> Psql {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let mut pairs = vec![
            ("host", "PGHOST", self.hosts().join(",")),
            ("port", "PGPORT", ports.join(",")),
            ("sslmode", "PGSSLMODE", self.ssl_mode().to_string()),
        ];
        let optional = [
            ("user", "PGUSER", self.user()),
            ("dbname", "PGDATABASE", self.database()),
            (
                "sslrootcert",
                "PGSSLROOTCERT",
                self.root_certificates().filter(|file| *file != RDS),
            ),
        ];
        for (key, variable, value) in optional {
            pairs.extend(value.map(|value| (key, variable, value.to_owned())));
        }
        let mut words: Vec<String> = pairs.iter().map(|(key, _, v)| conninfo(key, v)).collect();
        words.extend(self.parameters.iter().map(|(key, v)| conninfo(key, v)));
        let variables = pairs.into_iter().map(|(_, variable, v)| (variable, v));
        Psql {
            conninfo: words.join(" "),
            variables: variables.collect(),
            password: self.password.clone(),
        }
    }

    /// What the `postgres` crate connects by.
    pub(super) fn config(&self) -> Config {
        let mut config = self.base.clone();
        for host in &self.hosts {
            match host {
                Host::Tcp(name) => config.host(name),
                Host::Unix(path) => config.host_path(path),
            };
        }
        for port in &self.ports {
            config.port(*port);
        }
        if let Some(user) = &self.user {
            config.user(user);
        }
        if let Some(password) = &self.password {
            config.password(password);
        }
        if let Some(database) = self.database() {
            config.dbname(database);
        }
        config.ssl_mode(match self.ssl_mode() {
            SslMode::Disable => ConfigSslMode::Disable,
            SslMode::Prefer => ConfigSslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => ConfigSslMode::Require,
        });
        config
    }

    fn port(&self, index: usize) -> u16 {
        let port = self.ports.get(index).or(self.ports.first());
        port.copied().unwrap_or(url_parser::DEFAULT_PORT)
    }

    /// Each host as it stands in a URL.
    fn authorities(&self) -> Vec<String> {
        let one = |(index, host): (usize, &Host)| match host {
            // IPv6, maybe with a zone after a percent sign.
            Host::Tcp(name) if name.contains(':') => {
                let name = encoded(name).to_string().replace("%3A", ":");
                format!("[{name}]:{}", self.port(index))
            }
            Host::Tcp(name) => format!("{}:{}", encoded(name), self.port(index)),
            Host::Unix(path) => {
                let path = path.display().to_string();
                format!("{}:{}", encoded(&path), self.port(index))
            }
        };
        self.hosts.iter().enumerate().map(one).collect()
    }
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, PLAIN)
}

/// One pair of libpq's other form of an address; the crate reads it, too.
pub(super) fn conninfo(key: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
    format!("{key}='{value}'")
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        if let Some(user) = &self.user {
            write!(f, "{}", encoded(user))?;
        }
        if self.password.is_some() {
            f.write_str(":***")?;
        }
        if self.user.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        f.write_str(&self.authorities().join(","))?;
        if let Some(database) = &self.database {
            write!(f, "/{}", encoded(database))?;
        }
        let mode = self.ssl_mode.map(|mode| mode.to_string());
        let own = [
            ("sslmode", mode.as_deref()),
            ("sslrootcert", self.root_certificates()),
        ];
        let own = own
            .iter()
            .filter_map(|(key, value)| Some((*key, (*value)?)));
        let others = self
            .parameters
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()));
        let mut separator = '?';
        for (key, value) in own.chain(others) {
            write!(f, "{separator}{key}={}", encoded(value))?;
            separator = '&';
        }
        Ok(())
    }
}

impl fmt::Debug for Psql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Psql")
            .field("conninfo", &self.conninfo)
            .finish_non_exhaustive()
    }
}

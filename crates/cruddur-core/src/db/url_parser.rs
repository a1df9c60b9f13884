//! How the address of a database is read.
//!
//! The `postgres` crate reads the part up to the database's name. The query is
//! read here, since libpq, which psycopg and psql are built on, knows more
//! parameters than the crate does, and lets them override what stands before.
//! The rules are those of <https://www.postgresql.org/docs/current/libpq-connect.html>.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use postgres::Config;
use postgres::config::Host;

use super::tls::{RDS, SslMode};
use super::url::{ConnectionUrl, conninfo};

pub(super) const DEFAULT_PORT: u16 = 5432;
/// What sessions of this tool are called in `pg_stat_activity`.
const APPLICATION_NAME: &str = "cruddur";
/// How long to wait for one address, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// PostgreSQL cuts longer names short without an error (NAMEDATALEN - 1), so
/// that another database than the one named would be made or dropped.
const LONGEST_NAME: usize = 63;

/// Parameters that the `postgres` crate understands in the same sense as libpq.
const CRATE_PARAMETERS: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "options",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Parameters of libpq that change nothing here, but may matter to psql.
const PSQL_PARAMETERS: &[&str] = &[
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "gsslib",
    "keepalives_count",
    "krbsrvname",
    "sslcompression",
    "sslsni",
];

/// The variables that libpq reads for what a URL leaves open.
const VARIABLES: &[(&str, &str)] = &[
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGAPPNAME", "application_name"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGOPTIONS", "options"),
];

/// What parsing fails with: a cause, without any part that may be a password.
type Parsed<T> = Result<T, String>;

/// How to write what would otherwise end a part of a URL.
const ENCODE: &str = "in a user's name, a password or a database's name, write @ as %40, / as %2F, ? as %3F and % as %25";

pub(super) fn parse<'a>(
    url: &str,
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Parsed<ConnectionUrl> {
    let (before_query, query) = split_query(url)?;
    let config = Config::from_str(&before_query).map_err(|error| cause(&error))?;
    let mut given = query_parameters(query)?;
    for (name, key) in VARIABLES {
        let there = match *key {
            "host" => !config.get_hosts().is_empty(),
            "port" => names_port(&before_query),
            "user" => config.get_user().is_some_and(|user| !user.is_empty()),
            "password" => config.get_password().is_some(),
            "dbname" => config.get_dbname().is_some(),
            _ => false,
        };
        if let Some(value) = variable(name).filter(|_| !there && !given.contains_key(*key)) {
            given.insert((*key).to_owned(), value.to_owned());
        }
    }
    finish(&config, given)
}

/// Puts together what stands before the query and the parameters, which win.
fn finish(config: &Config, mut given: BTreeMap<String, String>) -> Parsed<ConnectionUrl> {
    let hosts = match given.remove("host") {
        Some(hosts) => hosts.split(',').map(host).collect(),
        None => config.get_hosts().iter().map(default_host).collect(),
    };
    let hosts = checked_hosts(hosts)?;
    let ports = match given.remove("port") {
        Some(ports) => ports.split(',').map(port).collect::<Parsed<_>>()?,
        None => config.get_ports().to_vec(),
    };
    if ports.contains(&0) {
        return Err("0 is not a port".to_owned());
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        let (ports, hosts) = (ports.len(), hosts.len());
        return Err(format!("it has {ports} ports for {hosts} hosts"));
    }
    let text = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(str::to_owned);
    // An empty parameter takes back what stands before the query, as in libpq.
    let user = match given.remove("user") {
        Some(user) => text(Some(&user)),
        None => text(config.get_user()),
    };
    let password = given.remove("password").map(String::into_bytes);
    let database = match given.remove("dbname") {
        Some(database) => text(Some(&database)),
        None => text(config.get_dbname()),
    };
    let (ssl_mode, root_certificates) = tls(&mut given)?;
    check_name("user", user.as_deref())?;
    check_name("database", database.as_deref())?;
    Ok(ConnectionUrl {
        hosts,
        ports: if ports.is_empty() {
            vec![DEFAULT_PORT]
        } else {
            ports
        },
        user,
        password: password.or_else(|| config.get_password().map(<[u8]>::to_vec)),
        database,
        ssl_mode,
        verified_by_default: false,
        root_certificates,
        base: base(&given)?,
        parameters: given.into_iter().collect(),
    })
}

/// Splits a URL before its query, in the way libpq does: what ends with the
/// first `@` before any `/` signs in, and may hold a `?`.
fn split_query(url: &str) -> Parsed<(String, &str)> {
    let rest = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or("it does not begin with postgresql://")?;
    let (sign_in, rest) = match rest.find(['@', '/']) {
        Some(at) if rest[at..].starts_with('@') => rest.split_at(at + 1),
        _ => ("", rest),
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    // What follows is most likely the rest of a password, which would be taken
    // for a host or a database, and shown.
    if address.contains('@') {
        return Err(format!("it has an @ too many; {ENCODE}"));
    }
    Ok((format!("postgresql://{sign_in}{address}"), query))
}

/// Whether what stands before a URL's query names a port. The crate does not tell
/// one that was named from its own default.
fn names_port(before_query: &str) -> bool {
    let (_, rest) = before_query.split_once("://").unwrap_or_default();
    let (_, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, _) = rest.split_once('/').unwrap_or((rest, ""));
    // The colons of an IPv6 address stand in brackets.
    let after_brackets = |host: &str| host.rsplit(']').next().unwrap_or(host).contains(':');
    hosts.split(',').any(after_brackets)
}

fn query_parameters(query: &str) -> Parsed<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or("its query has a parameter without a value")?;
        let (key, value) = (decoded(key)?, decoded(value)?);
        if value.contains('\0') {
            return Err(format!("its parameter {key} holds a zero byte"));
        }
        if !is_known(&key) {
            return Err(format!("its parameter {key:?} is not known here"));
        }
        parameters.insert(key, value);
    }
    Ok(parameters)
}

fn is_known(key: &str) -> bool {
    let own = [
        "host",
        "port",
        "user",
        "password",
        "dbname",
        "sslmode",
        "sslrootcert",
    ];
    [&own[..], CRATE_PARAMETERS, PSQL_PARAMETERS]
        .iter()
        .any(|keys| keys.contains(&key))
}

/// Takes out the parameters about TLS.
fn tls(given: &mut BTreeMap<String, String>) -> Parsed<(Option<SslMode>, Option<String>)> {
    let mode = given.remove("sslmode").map(|mode| mode.parse());
    let file = given.remove("sslrootcert").filter(|file| !file.is_empty());
    trusting(mode.transpose()?, file)
}

/// What `sslrootcert` comes to. `system`, libpq's word for the system's
/// authorities, which are the default here, and `rds`, ours for Amazon RDS's,
/// ask for `verify-full`.
pub(super) fn trusting(
    mode: Option<SslMode>,
    file: Option<String>,
) -> Parsed<(Option<SslMode>, Option<String>)> {
    let Some(word) = file
        .as_deref()
        .filter(|file| ["system", RDS].contains(file))
    else {
        return Ok((mode, file));
    };
    match mode {
        None | Some(SslMode::VerifyFull) => {
            let file = file.filter(|file| file == RDS);
            Ok((Some(SslMode::VerifyFull), file))
        }
        Some(mode) => Err(format!(
            "sslrootcert={word} does not go with sslmode={mode}"
        )),
    }
}

/// The parameters that the crate understands, in its own form.
fn base(given: &BTreeMap<String, String>) -> Parsed<Config> {
    let words: Vec<String> = given
        .iter()
        .filter(|(key, _)| CRATE_PARAMETERS.contains(&key.as_str()))
        .map(|(key, value)| conninfo(key, value))
        .collect();
    let mut config = Config::from_str(&words.join(" ")).map_err(|error| cause(&error))?;
    if config.get_application_name().is_none() {
        config.application_name(APPLICATION_NAME);
    }
    // 0 asks for no limit, which the crate takes as none given.
    if !given.contains_key("connect_timeout") {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    Ok(config)
}

fn host(text: &str) -> Host {
    match text {
        "" => Host::Tcp("localhost".to_owned()),
        path if path.starts_with('/') => Host::Unix(path.into()),
        name => Host::Tcp(name.to_owned()),
    }
}

/// An empty host is this machine. libpq would try a Unix socket first, in a
/// folder that depends on how it was built.
fn default_host(given: &Host) -> Host {
    match given {
        Host::Tcp(name) if name.is_empty() => host(name),
        other => other.clone(),
    }
}

fn checked_hosts(hosts: Vec<Host>) -> Parsed<Vec<Host>> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@/?#\\,".contains(c);
    for host in &hosts {
        match host {
            Host::Tcp(name) if name.contains(odd) => {
                return Err(format!("its host is none; {ENCODE}"));
            }
            _ => {}
        }
    }
    Ok(if hosts.is_empty() {
        vec![host("")]
    } else {
        hosts
    })
}

fn port(text: &str) -> Parsed<u16> {
    match text {
        "" => Ok(DEFAULT_PORT),
        text => text
            .parse()
            .map_err(|_| "its port is no number from 1 to 65535".to_owned()),
    }
}

fn check_name(what: &str, name: Option<&str>) -> Parsed<()> {
    let Some(name) = name else { return Ok(()) };
    if name.contains('\0') {
        return Err(format!("its {what}'s name holds a zero byte"));
    }
    if name.len() > LONGEST_NAME {
        return Err(format!(
            "its {what}'s name has {} bytes, and PostgreSQL keeps {LONGEST_NAME} at most",
            name.len()
        ));
    }
    Ok(())
}

fn decoded(text: &str) -> Parsed<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| "its percent-encoding does not stand for UTF-8".to_owned())
}

/// The crate's reason, which never repeats a value.
fn cause(error: &postgres::Error) -> String {
    let reason =
        std::error::Error::source(error).map_or_else(|| error.to_string(), |e| e.to_string());
    format!("{reason}; {ENCODE}")
}

#[cfg(test)]
mod tests;

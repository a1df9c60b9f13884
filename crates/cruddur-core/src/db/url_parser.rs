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

use super::tls::SslMode;
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
    let named = !config.get_hosts().is_empty();
    for (name, key) in VARIABLES {
        let there = match *key {
            "host" | "port" => named,
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
    let user = given.remove("user").or_else(|| text(config.get_user()));
    let password = given.remove("password").map(String::into_bytes);
    let database = given.remove("dbname").or_else(|| text(config.get_dbname()));
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

/// Takes out the parameters about TLS. `system` is libpq's word for the
/// system's authorities, which are the default here, and asks for `verify-full`.
fn tls(given: &mut BTreeMap<String, String>) -> Parsed<(Option<SslMode>, Option<String>)> {
    let mode = given.remove("sslmode").map(|mode| mode.parse());
    let file = given.remove("sslrootcert").filter(|file| !file.is_empty());
    match (mode.transpose()?, file) {
        (None, Some(file)) if file == "system" => Ok((Some(SslMode::VerifyFull), None)),
        (Some(SslMode::VerifyFull), Some(file)) if file == "system" => {
            Ok((Some(SslMode::VerifyFull), None))
        }
        (Some(mode), Some(file)) if file == "system" => Err(format!(
            "sslrootcert=system does not go with sslmode={mode}"
        )),
        other => Ok(other),
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
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@/?#\\".contains(c);
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
        .map_err(|_| "what its percent signs stand for is not UTF-8".to_owned())
}

/// The crate's reason, which never repeats a value.
fn cause(error: &postgres::Error) -> String {
    let reason =
        std::error::Error::source(error).map_or_else(|| error.to_string(), |e| e.to_string());
    format!("{reason}; {ENCODE}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(url: &str) -> String {
        ConnectionUrl::parse(url, "URL").unwrap().to_string()
    }

    fn refused(url: &str) -> String {
        ConnectionUrl::parse(url, "URL").unwrap_err().to_string()
    }

    #[test]
    fn what_is_shown_is_whole_but_for_the_password() {
        for (url, expected) in [
            ("postgresql://u:secret@h:1/d", "postgresql://u:***@h:1/d"),
            ("postgres://u@h/d", "postgresql://u@h:5432/d"),
            ("postgresql://:secret@h/", "postgresql://:***@h:5432"),
            ("postgresql://h1:1,h2:2/d", "postgresql://h1:1,h2:2/d"),
            ("postgresql://[::1]:7/d", "postgresql://[::1]:7/d"),
            ("postgresql:///d", "postgresql://localhost:5432/d"),
            ("postgresql://", "postgresql://localhost:5432"),
            (
                "postgresql://%2Ftmp/d?password=secret",
                "postgresql://:***@%2Ftmp:5432/d",
            ),
            ("postgresql://h/d?host=/tmp", "postgresql://%2Ftmp:5432/d"),
            (
                "postgresql://u:secret@h/d?sslmode=verify-ca&sslrootcert=%2Fa+b%2Fc.pem",
                "postgresql://u:***@h:5432/d?sslmode=verify-ca&sslrootcert=%2Fa%2Bb%2Fc.pem",
            ),
            (
                "postgresql://h/d?application_name=a@b",
                "postgresql://h:5432/d?application_name=a%40b",
            ),
        ] {
            assert_eq!(shown(url), expected);
            assert_eq!(
                format!("{:?}", ConnectionUrl::parse(url, "URL").unwrap()),
                expected
            );
        }
    }

    #[test]
    fn any_name_of_a_database_comes_back() {
        for name in [
            "it's", "a\"b", "a b", "100%", "%25", "🌊", "a/b", "a@b?c#d", "Ünï",
        ] {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let url =
                ConnectionUrl::parse(&format!("postgresql://u:p@h/{encoded}"), "URL").unwrap();
            assert_eq!(url.database(), Some(name));
            assert_eq!(url.config().get_dbname(), Some(name));
            assert_eq!(
                ConnectionUrl::parse(&url.to_string(), "URL")
                    .unwrap()
                    .database(),
                Some(name)
            );
        }
    }

    #[test]
    fn a_missing_name_is_the_users_but_is_never_created_or_dropped() {
        let url = ConnectionUrl::parse("postgresql://u@h", "URL").unwrap();
        assert_eq!(url.database(), Some("u"));
        assert!(url.named_database().is_err());
        assert_eq!(url.with_database("d").named_database().unwrap(), "d");
    }

    #[test]
    fn a_name_that_postgresql_would_cut_short_is_refused() {
        assert!(ConnectionUrl::parse(&format!("postgresql://h/{}", "a".repeat(63)), "URL").is_ok());
        let message = refused(&format!("postgresql://h/{}", "ä".repeat(32)));
        assert!(message.contains("64 bytes"), "{message}");
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_password() {
        for url in [
            "",
            "secret",
            "mysql://u:secret@h/d",
            "host=h password=secret",
            "postgresql:/u:secret@h/d",
            "postgresql://u:secret@h:99999/d",
            "postgresql://u:secret@h:0/d",
            "postgresql://u:secret@h:port/d",
            "postgresql://u:p@secret@h/d",
            "postgresql://u:secret/d@h/d",
            "postgresql://u:12/secret@h/d",
            "postgresql://u:secret@[::1/d",
            "postgresql://u:secret@h/d?sslmode=always",
            "postgresql://u:secret@h/d?schema=public",
            "postgresql://u:secret@h/d?sslcert=x",
            "postgresql://u:secret@h/d?connect_timeout=soon",
            "postgresql://u:secret@h/d?password",
            "postgresql://u:secret@h/%00",
            "postgresql://u:secret@h/%ff",
            "postgresql://u:secret@h 1/d",
            "postgresql://u:secret@h:1,g:2,f/d?port=1,2",
            "postgresql://u:secret@h/d?sslrootcert=system&sslmode=require",
        ] {
            let message = refused(url);
            assert!(
                message.starts_with("URL is no PostgreSQL URL: "),
                "{message}"
            );
            assert!(!message.contains("secret"), "{url}: {message}");
        }
    }

    #[test]
    fn variables_fill_in_what_the_url_leaves_open() {
        let variable = |name: &str| match name {
            "PGSSLMODE" => Some("require"),
            "PGPASSWORD" => Some("secret"),
            "PGUSER" => Some("someone"),
            "PGHOST" => Some("elsewhere"),
            "PGDATABASE" => Some("other"),
            _ => None,
        };
        let parse = |url| {
            ConnectionUrl::parse_with(url, "URL", variable)
                .unwrap()
                .to_string()
        };
        assert_eq!(
            parse("postgresql://"),
            "postgresql://someone:***@elsewhere:5432/other?sslmode=require"
        );
        assert_eq!(
            parse("postgresql://u:p@h:1/d?sslmode=disable"),
            "postgresql://u:***@h:1/d?sslmode=disable"
        );
    }

    #[test]
    fn tls_is_preferred_and_in_production_verified() {
        let url = |text| ConnectionUrl::parse(text, "URL").unwrap();
        assert_eq!(url("postgresql://h").ssl_mode(), SslMode::Prefer);
        let production = |text| url(text).verified_by_default().ssl_mode();
        assert_eq!(production("postgresql://h"), SslMode::VerifyFull);
        assert_eq!(
            production("postgresql://h?sslmode=require"),
            SslMode::Require
        );
        assert_eq!(production("postgresql://%2Ftmp"), SslMode::Disable);
        assert_eq!(
            url("postgresql://h?sslrootcert=system").ssl_mode(),
            SslMode::VerifyFull
        );
    }

    #[test]
    fn psql_is_given_everything_but_the_password() {
        let url = "postgresql://u:s%20ecret@h/it's%20%5C?sslmode=require&connect_timeout=3";
        let psql = ConnectionUrl::parse(url, "URL").unwrap().psql();
        assert_eq!(
            psql.conninfo,
            r"host='h' port='5432' sslmode='require' user='u' dbname='it\'s \\' connect_timeout='3'"
        );
        assert_eq!(psql.password.as_deref(), Some(&b"s ecret"[..]));
        assert!(!format!("{psql:?}").contains("ecret"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,80}") {
            let _ = ConnectionUrl::parse(&text, "URL");
        }

        #[test]
        fn what_looks_like_a_url_is_shown_without_its_password(
            rest in "[a-z0-9@:/?&=%,\\[\\]#é]{0,40}"
        ) {
            if let Ok(url) = ConnectionUrl::parse(&format!("postgresql://u:sEcReT@{rest}"), "URL") {
                prop_assert!(!url.to_string().contains("sEcReT"));
                let again = ConnectionUrl::parse(&url.to_string(), "URL").unwrap();
                prop_assert_eq!(again.database(), url.database());
                prop_assert_eq!(again.hosts(), url.hosts());
            }
        }
    }
}

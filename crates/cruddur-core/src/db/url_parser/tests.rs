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
        (
            "postgresql://[fe80::1%25eth0]:7/d",
            "postgresql://[fe80::1%25eth0]:7/d",
        ),
        ("postgresql://80%258/d", "postgresql://80%258:5432/d"),
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
        let url = ConnectionUrl::parse(&format!("postgresql://u:p@h/{encoded}"), "URL").unwrap();
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
    let empty = ConnectionUrl::parse("postgresql://u@h/d?dbname=", "URL").unwrap();
    assert!(empty.named_database().is_err());
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
        "postgresql://u:secret@h%2Ci/d",
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
        url("postgresql://h?sslrootcert=rds").ssl_mode(),
        SslMode::VerifyFull
    );
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

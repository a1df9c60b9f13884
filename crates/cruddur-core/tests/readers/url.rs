use cruddur_core::db::ConnectionUrl;
use proptest::prelude::*;

use crate::{config, edited, edits};

const PIECES: &[&str] = &[
    "@",
    ":",
    "/",
    "//",
    "?",
    "&",
    "=",
    "%",
    "%2F",
    "%00",
    "%ff",
    "%40",
    "%2C",
    "%3A",
    "%5B",
    ",",
    "[",
    "]",
    "[::1]",
    "::",
    "#",
    "\\",
    "'",
    " ",
    "host=",
    "port=",
    "user=",
    "password=",
    "dbname=",
    "hostaddr=",
    "sslmode=",
    "verify-full",
    "sslrootcert=",
    "system",
    "0",
    "65535",
    "localhost",
    "/tmp",
    "é",
    "application_name=",
    "connect_timeout=",
    "options=",
];

/// Text for a part of a URL, encoded as it has to be.
fn part() -> impl Strategy<Value = String> {
    "[^\0]{1,12}".prop_map(|text| text.bytes().map(|byte| format!("%{byte:02X}")).collect())
}

fn url() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[a-z0-9.-]{1,12}",
        Just("[::1]".to_owned()),
        Just("%2Ftmp".to_owned()),
        Just(String::new()),
    ];
    let host = (host, prop::option::of(1..=65_535_u16)).prop_map(|(host, port)| match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    });
    let parameter = prop_oneof![
        Just("sslmode=require".to_owned()),
        Just("connect_timeout=3".to_owned()),
        part().prop_map(|text| format!("application_name={text}")),
        part().prop_map(|text| format!("sslrootcert={text}")),
        part().prop_map(|text| format!("options={text}")),
    ];
    (
        prop::option::of((part(), prop::option::of(Just("sEcReT")))),
        prop::collection::vec(host, 1..3),
        prop::option::of(part()),
        prop::collection::vec(parameter, 0..3),
    )
        .prop_map(|(user, hosts, database, parameters)| {
            let user = match user {
                Some((user, Some(password))) => format!("{user}:{password}@"),
                Some((user, None)) => format!("{user}@"),
                None => String::new(),
            };
            let database = database.map_or(String::new(), |name| format!("/{name}"));
            let parameters = parameters.join("&");
            format!(
                "postgresql://{user}{}{database}?{parameters}",
                hosts.join(",")
            )
        })
}

/// What is shown of a URL is a URL of the same server, user and database.
fn comes_back(text: &str) -> Result<(), TestCaseError> {
    let Ok(url) = ConnectionUrl::parse(text, "URL") else {
        return Ok(());
    };
    let shown = url.to_string();
    let again = ConnectionUrl::parse(&shown, "URL")
        .map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
    prop_assert_eq!(again.to_string(), shown);
    prop_assert_eq!(again.hosts(), url.hosts());
    prop_assert_eq!(again.user(), url.user());
    prop_assert_eq!(again.database(), url.database());
    prop_assert_eq!(again.ssl_mode(), url.ssl_mode());
    prop_assert_eq!(again.root_certificates(), url.root_certificates());
    prop_assert_eq!(again.at(), url.at());
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), rest in any::<String>()) {
        comes_back(&text)?;
        comes_back(&format!("postgresql://{rest}"))?;
    }

    #[test]
    fn a_right_url_is_read_and_shown_without_its_password(text in url()) {
        let read = ConnectionUrl::parse(&text, "URL");
        // Several hosts may have other numbers of ports; all else is right.
        if let Ok(url) = read {
            prop_assert!(!url.to_string().contains("sEcReT"));
            let shown = format!("{url:?} {:?} {}", url.psql(), url.at());
            prop_assert!(!shown.contains("sEcReT"), "{}", shown);
        }
        comes_back(&text)?;
    }

    #[test]
    fn a_broken_url_is_read_or_refused(text in url(), edits in edits(PIECES)) {
        comes_back(&edited(&text, &edits))?;
    }
}

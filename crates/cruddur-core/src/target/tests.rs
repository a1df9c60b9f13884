use super::*;
use crate::Error;
use crate::db::SslMode;

fn inputs(variables: &[(&str, &str)]) -> Inputs {
    Inputs {
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Inputs::default()
    }
}

fn local() -> LocalStack {
    LocalStack {
        folder: ".cruddur".to_owned(),
        dynamodb: "http://127.0.0.1:4001".to_owned(),
        postgres: "postgresql://postgres:secret@127.0.0.1:4002/cruddur".to_owned(),
        cognito: "http://127.0.0.1:4003".to_owned(),
        user_pool_id: "us-east-1_local".to_owned(),
        variables: HashMap::from([
            (
                "AWS_COGNITO_USER_POOL_ID".to_owned(),
                "us-east-1_local".to_owned(),
            ),
            ("PGPASSWORD".to_owned(), "secret".to_owned()),
        ]),
    }
}

fn dynamodb_of(inputs: Inputs) -> String {
    let choice = Target::resolve(inputs).dynamodb.unwrap();
    format!(
        "{} by {}",
        choice.value.display(Service::DynamoDb, "r"),
        choice.why
    )
}

#[test]
fn dynamodb_flag_beats_variables_beat_the_stack_beats_the_default() {
    let mut all = inputs(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://a"),
        ("AWS_ENDPOINT_URL", "http://b"),
    ]);
    all.local = Some(local());
    let mut flag = all.clone();
    flag.endpoint_url = Some("http://flag".to_owned());
    assert_eq!(dynamodb_of(flag), "http://flag by --endpoint-url");
    assert_eq!(
        dynamodb_of(all.clone()),
        "http://a by AWS_ENDPOINT_URL_DYNAMODB"
    );
    all.variables.remove("AWS_ENDPOINT_URL_DYNAMODB");
    assert_eq!(dynamodb_of(all.clone()), "http://b by AWS_ENDPOINT_URL");
    all.variables
        .insert("AWS_ENDPOINT_URL".to_owned(), String::new());
    assert_eq!(
        dynamodb_of(all.clone()),
        "http://127.0.0.1:4001 by the local stack in .cruddur"
    );
    all.local = None;
    assert_eq!(dynamodb_of(all), "http://localhost:8000 by the default");
}

#[test]
fn an_endpoint_with_a_password_is_refused_without_repeating_it() {
    for url in ["http://u:secret@h", "postgresql://u:secret@h/d"] {
        let target = Target::resolve(inputs(&[("AWS_ENDPOINT_URL", url)]));
        let error = target.dynamodb.unwrap_err().to_string();
        assert!(error.contains("has an @"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_password_is_the_urls_then_the_variables_then_the_files() {
    let resolved = |url: &str, password: Option<&str>| {
        let mut inputs = inputs(&[("CONNECTION_URL", url)]);
        inputs.password_file = Some(PasswordFile {
            name: "/home/u/.pgpass".to_owned(),
            text: "other:*:*:*:no\nh:*:d:u:filed\n".to_owned(),
        });
        let password = password.map(|p| ("PGPASSWORD".to_owned(), p.to_owned()));
        inputs.variables.extend(password);
        let choice = Target::resolve(inputs).postgres.unwrap();
        let found = choice.value.psql().password.unwrap_or_default();
        (String::from_utf8(found).unwrap(), choice.why)
    };
    let plain = "CONNECTION_URL".to_owned();
    let given = |password: &str| (password.to_owned(), plain.clone());
    assert_eq!(resolved("postgresql://u:p@h/d", Some("v")), given("p"));
    assert_eq!(resolved("postgresql://u@h/d", Some("v")), given("v"));
    let why = "CONNECTION_URL; the password: /home/u/.pgpass:2".to_owned();
    let filed = ("filed".to_owned(), why);
    assert_eq!(resolved("postgresql://u@h/d", None), filed);
    assert_eq!(resolved("postgresql://v@h/d", None), given(""));
    // One password for two servers that have two of them is none.
    assert_eq!(resolved("postgresql://u@h,other/d", None), given(""));
}

#[test]
fn a_port_that_the_url_leaves_open_is_libpqs() {
    for (hosts, expected) in [
        ("h", "h:5433"),
        ("[::1]", "[::1]:5433"),
        ("u:p@h", "h:5433"),
        ("u:p@h:1", "h:1"),
        ("[::1]:1", "[::1]:1"),
        ("h,other:1", "h:5432,other:1"),
        ("", "elsewhere:5433"),
    ] {
        let url = format!("postgresql://{hosts}/d:1");
        let inputs = inputs(&[
            ("CONNECTION_URL", &url),
            ("PGPORT", "5433"),
            ("PGHOST", "elsewhere"),
        ]);
        let choice = Target::resolve(inputs).postgres.unwrap();
        assert_eq!(choice.value.at(), expected, "{url}");
    }
}

#[test]
fn a_region_is_a_part_of_a_host_name() {
    for (region, variables, source) in [
        (Some(""), &[][..], "--region"),
        (None, &[("AWS_REGION", "us-east-1 ")], "AWS_REGION"),
        (
            None,
            &[("AWS_DEFAULT_REGION", "us_east")],
            "AWS_DEFAULT_REGION",
        ),
    ] {
        let mut inputs = inputs(variables);
        inputs.region = region.map(str::to_owned);
        let error = Target::resolve(inputs).region.unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
        assert!(error.to_string().contains(source), "{error}");
    }
}

#[test]
fn the_local_stacks_database_is_reached_as_it_says_whatever_libpq_is_told() {
    let mut inputs = inputs(&[("PGSSLMODE", "bogus"), ("PGPORT", "1"), ("PGUSER", "me")]);
    inputs.local = Some(local());
    let choice = Target::resolve(inputs).postgres.unwrap();
    assert_eq!(
        choice.value.to_string(),
        ConnectionUrl::parse(&local().postgres, "")
            .unwrap()
            .to_string()
    );
}

#[test]
fn production_ignores_inherited_endpoints_and_says_so() {
    let mut inputs = inputs(&[
        ("AWS_ENDPOINT_URL", "http://b"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://c"),
        ("AWS_ENDPOINT_URL_SSO", ""),
        ("AWS_ENDPOINT_URL_STS", "http://d"),
        ("CONNECTION_URL", "postgresql://localhost/dev"),
    ]);
    inputs.local = Some(local());
    inputs.production = true;
    let target = Target::resolve(inputs);
    assert_eq!(target.dynamodb.unwrap().value, Endpoint::Aws);
    assert_eq!(target.cognito.unwrap().value, Endpoint::Aws);
    assert_eq!(
        target.ignored,
        [
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
            "AWS_ENDPOINT_URL_STS"
        ]
    );
    assert!(matches!(target.postgres, Err(Error::NotConfigured { .. })));
    assert!(matches!(target.region, Err(Error::NotConfigured { .. })));
    assert_eq!(target.user_pool_id, None);
}

#[test]
fn production_ignores_what_a_shell_was_given_for_the_local_stack() {
    let all = [
        ("AWS_ACCESS_KEY_ID", DUMMY_KEY),
        ("AWS_COGNITO_USER_POOL_ID", "us-east-1_local"),
        ("AWS_DEFAULT_REGION", DEFAULT_REGION),
        ("AWS_REGION", DEFAULT_REGION),
        ("AWS_SECRET_ACCESS_KEY", DUMMY_KEY),
        ("PGPASSWORD", "secret"),
    ];
    let resolved = |changed: &[(&str, &str)], local: Option<LocalStack>| {
        let mut inputs = inputs(&all);
        let changed = changed.iter().copied();
        inputs
            .variables
            .extend(changed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        inputs.production = true;
        inputs.profile_region = Some("eu-west-1".to_owned());
        inputs.local = local;
        Target::resolve(inputs)
    };
    let target = resolved(&[], Some(local()));
    assert_eq!(target.ignored, all.map(|(name, _)| name));
    assert_eq!(target.region.unwrap().value, "eu-west-1");
    assert_eq!(target.user_pool_id, None);
    // What was set since counts.
    let since = [
        ("AWS_COGNITO_USER_POOL_ID", "us-east-1_real"),
        ("AWS_REGION", "us-west-2"),
        ("PGPASSWORD", "other"),
    ];
    let target = resolved(&since, Some(local()));
    let keys_and_region = [
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_SECRET_ACCESS_KEY",
    ];
    assert_eq!(target.ignored, keys_and_region);
    assert_eq!(target.region.unwrap().value, "us-west-2");
    assert_eq!(target.user_pool_id.unwrap().value, "us-east-1_real");
    // The key is the stack's, whether that runs or not.
    assert!(resolved(&[], None).ignored.contains(&all[0].0.to_owned()));
    // Whoever has another key has set the region, too.
    let target = resolved(&[("AWS_ACCESS_KEY_ID", "AKIA")], Some(local()));
    assert_eq!(target.ignored, [""; 0]);
    assert_eq!(target.region.unwrap().value, DEFAULT_REGION);
}

#[test]
fn production_has_its_tls_from_its_url_alone() {
    let of = |url: &str, production: bool| {
        let name = if production {
            "PROD_CONNECTION_URL"
        } else {
            "CONNECTION_URL"
        };
        let target = Target::resolve(Inputs {
            production,
            ..inputs(&[(name, url), ("PGSSLMODE", "disable")])
        });
        let ignored = target.ignored == ["PGSSLMODE"];
        assert_eq!(ignored, production);
        target.postgres.unwrap().value.ssl_mode()
    };
    for (url, production, expected) in [
        ("postgresql://h/d", true, SslMode::VerifyFull),
        ("postgresql://h/d?sslmode=require", true, SslMode::Require),
        ("postgresql://h/d", false, SslMode::Disable),
    ] {
        assert_eq!(of(url, production), expected, "{url}");
    }
}

#[test]
fn cognito_does_not_follow_the_endpoint_that_names_dynamodb() {
    let target = Target::resolve(inputs(&[("AWS_ENDPOINT_URL", "http://localhost:8000")]));
    assert_eq!(target.cognito.unwrap().value, Endpoint::Aws);
}

#[test]
fn the_flag_for_authorities_beats_the_url() {
    let of = |query: &str, file: &str| {
        let url = format!("postgresql://h/d{query}");
        let resolved = Target::resolve(Inputs {
            production: true,
            root_certificates: Some(file.to_owned()),
            ..inputs(&[("PROD_CONNECTION_URL", &url)])
        });
        resolved.postgres.map(|choice| choice.value.to_string())
    };
    let shown = of("?sslrootcert=a.pem", "b.pem").unwrap();
    assert_eq!(shown, "postgresql://h:5432/d?sslrootcert=b.pem");
    let shown = of("", "rds").unwrap();
    assert_eq!(
        shown,
        "postgresql://h:5432/d?sslmode=verify-full&sslrootcert=rds"
    );
    let refused = of("?sslmode=require", "rds").unwrap_err();
    assert!(matches!(refused, Error::Usage(_)), "{refused}");
}

#[test]
fn production_is_reached_only_by_asking_for_it() {
    for url in [
        "https://dynamodb.us-east-1.amazonaws.com",
        "https://DynamoDB.us-east-1.AMAZONAWS.com.",
        "https://dynamodb.cn-north-1.amazonaws.com.cn",
        "https://dynamodb.us-east-1.api.aws",
    ] {
        let target = Target::resolve(inputs(&[("AWS_ENDPOINT_URL", url)]));
        assert!(matches!(target.dynamodb, Err(Error::Refused(_))), "{url}");
    }
    for host in [
        "db.abc.us-east-1.rds.amazonaws.com",
        "DB.abc.RDS.cn-north-1.amazonaws.com.cn.",
    ] {
        let url = format!("postgresql://u:p@{host}/cruddur");
        let target = Target::resolve(inputs(&[("CONNECTION_URL", &url)]));
        assert!(matches!(target.postgres, Err(Error::Refused(_))), "{host}");
    }
}

#[test]
fn production_takes_plain_http_to_this_machine_only() {
    for (url, allowed) in [
        ("http://localhost:8000", true),
        ("http://[::1]:8000", true),
        ("http://10.0.0.7:8000", false),
        ("https://10.0.0.7:8000", true),
    ] {
        let target = Target::resolve(Inputs {
            production: true,
            endpoint_url: Some(url.to_owned()),
            ..Inputs::default()
        });
        assert_eq!(target.dynamodb.is_ok(), allowed, "{url}");
    }
}

#[test]
fn an_endpoint_that_is_no_url_is_an_error_of_usage() {
    for url in [
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "::",
        "http:///x",
        "http://localhost:99999",
        "http://[::1]:x",
    ] {
        let target = Target::resolve(inputs(&[("AWS_ENDPOINT_URL", url)]));
        assert!(matches!(target.dynamodb, Err(Error::Usage(_))), "{url}");
    }
}

#[test]
fn credentials_are_the_environments_or_dummy_ones_but_never_looked_up() {
    let url = Endpoint::Url("http://localhost:8000".to_owned());
    let bare = Target::resolve(inputs(&[]));
    assert_eq!(bare.credentials(&url), Credentials::Dummy);
    assert_eq!(bare.credentials(&Endpoint::Aws), Credentials::Missing);
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let given = Target::resolve(inputs(&keys));
    assert_eq!(given.credentials(&url), Credentials::Environment);
    let production = Target::resolve(Inputs {
        production: true,
        ..inputs(&keys)
    });
    assert_eq!(production.credentials(&Endpoint::Aws), Credentials::Chain);
    for (flag, expected) in [
        (Some("p"), Credentials::Profile("p".to_owned())),
        (None, Credentials::Chain),
    ] {
        let target = Target::resolve(Inputs {
            production: true,
            profile: flag.map(str::to_owned),
            ..inputs(&[keys[0], keys[1], ("AWS_PROFILE", "q")])
        });
        assert_eq!(target.credentials(&url), expected);
    }
}

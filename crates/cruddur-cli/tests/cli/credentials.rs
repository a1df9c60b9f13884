//! Where the credentials of `--prod` come from, and which servers hear of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::support::{TestEnvironment, engines};

/// A server that keeps what it is told and has one answer, or as a proxy refuses
/// to connect to anything.
struct Listener {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn new() -> Listener {
        Listener::answering("200 OK", r#"{"TableNames":[]}"#)
    }

    fn answering(status: &'static str, body: &'static str) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                let mut length = 0;
                while stream.read_line(&mut head).unwrap_or_default() > 2 {
                    let line = head.lines().next_back().unwrap_or_default().to_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut sent = vec![0; length];
                let _ = stream.read_exact(&mut sent);
                let connect = head.starts_with("CONNECT");
                told.lock()
                    .unwrap()
                    .push(head + &String::from_utf8_lossy(&sent));
                let status = if connect { "403 Forbidden" } else { status };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                let _ = stream.get_mut().write_all(answer.as_bytes());
            }
        });
        Listener { url, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// With a proxy, so that nothing leaves this machine.
fn production(proxy: &Listener) -> TestEnvironment {
    let mut environment = TestEnvironment::bare();
    environment.set("AWS_REGION", "eu-west-1");
    environment.set("AWS_EC2_METADATA_DISABLED", "true");
    environment.set("HTTPS_PROXY", &proxy.url);
    environment
}

#[test]
fn no_variable_leads_those_who_give_them_out_elsewhere() {
    let (elsewhere, proxy) = (Listener::new(), Listener::new());
    let mut environment = production(&proxy);
    let token = environment.write("token", "WEB-IDENTITY-TOKEN");
    environment.set("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap());
    environment.set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r");
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"] {
        environment.set(variable, &elsewhere.url);
        let run = environment.run(&["--prod", "ddb", "list-tables"]).exits(4);
        assert_eq!(elsewhere.heard(), [""; 0], "{run}");
        let sts = "CONNECT sts.eu-west-1.amazonaws.com:443";
        let heard = proxy.heard();
        assert!(heard.iter().all(|head| head.starts_with(sts)), "{heard:?}");
        assert!(!heard.is_empty(), "{run}");
        let ignored = "ignored with --prod: AWS_ENDPOINT_URL";
        assert!(run.stderr.contains(ignored), "{run}");
        assert!(run.stderr.contains(variable), "{run}");
    }
    // Those are asked over TLS where the table is not.
    let plain = ["--prod", "--endpoint-url", &elsewhere.url];
    let run = environment.run(&[&plain[..], &["ddb", "list-tables"]].concat());
    assert!(!run.exits(4).stderr.contains("scheme"), "no TLS");
    assert_eq!(elsewhere.heard(), [""; 0]);
}

#[test]
fn who_has_no_credentials_is_told_so_in_a_sentence() {
    let proxy = Listener::new();
    let mut environment = production(&proxy);
    environment.unset("AWS_EC2_METADATA_DISABLED");
    environment.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    let none = environment.run(&["--prod", "ddb", "list-tables"]).exits(4);
    assert!(
        none.stderr
            .contains(": no credentials are in the environment"),
        "{none}"
    );
    assert!(none.stderr.contains("`aws sso login`"), "{none}");
    assert_eq!(none.stderr.lines().count(), 2, "{none}");
    let profile = ["--prod", "--profile", "nope", "ddb", "list-tables"];
    let without_files = environment.run(&profile).exits(4);
    std::fs::create_dir(environment.path().join("home/.aws")).unwrap();
    environment.write("home/.aws/config", "[profile other]\nregion = eu-west-1\n");
    let without_it = environment.run(&profile).exits(4);
    for run in [without_files, without_it] {
        assert!(run.stderr.contains("profile"), "{run}");
        assert!(run.stderr.contains("aws configure list-profiles"), "{run}");
    }
}

#[test]
fn a_profile_that_is_asked_for_beats_the_environment() {
    let (server, proxy) = (Listener::new(), Listener::new());
    let mut environment = production(&proxy);
    std::fs::create_dir(environment.path().join("home/.aws")).unwrap();
    environment.write(
        "home/.aws/credentials",
        "[p]\naws_access_key_id = PROFILES\naws_secret_access_key = x\n[empty]\nregion = x\n",
    );
    environment.set("AWS_ACCESS_KEY_ID", "ENVIRONMENTS");
    environment.set("AWS_SECRET_ACCESS_KEY", "x");
    let run = |environment: &TestEnvironment, more: &[&str]| {
        let flags = ["--prod", "--endpoint-url", &server.url];
        environment.run(&[&flags[..], more].concat())
    };
    let list = ["ddb", "list-tables"];
    let signed_with = |key: &str| {
        let heard = server.heard();
        let last = heard.last().unwrap();
        assert!(last.contains(&format!("Credential={key}/")), "{last}");
    };
    run(&environment, &[&["--profile", "p"][..], &list].concat()).exits(0);
    signed_with("PROFILES");
    let target = run(&environment, &["--profile", "p", "target"]);
    assert!(target.stdout.contains("profile p "), "{target}");
    assert!(target.stdout.contains("--profile"), "{target}");
    // The environment's keys are not what was asked for.
    for profile in ["none", "empty"] {
        let told = run(&environment, &[&["--profile", profile][..], &list].concat()).exits(4);
        assert!(told.stderr.contains("cannot sign in"), "{told}");
    }
    assert_eq!(server.heard().len(), 1);
    // As with the AWS CLI, the variable does not beat the keys.
    environment.set("AWS_PROFILE", "p");
    run(&environment, &list).exits(0);
    signed_with("ENVIRONMENTS");
}

#[test]
fn what_goes_over_tls_goes_through_the_proxy() {
    let (server, proxy) = (Listener::new(), Listener::new());
    let mut environment = production(&proxy);
    environment.set("AWS_ACCESS_KEY_ID", "x");
    environment.set("AWS_SECRET_ACCESS_KEY", "x");
    let host = server.url.trim_start_matches("http://").to_owned();
    let endpoint = format!("https://{host}");
    // Asks each server once or twice only.
    let doctor = |environment: &TestEnvironment| {
        environment.run(&["--prod", "--endpoint-url", &endpoint, "doctor"]);
    };
    let address = proxy.url.trim_start_matches("http://");
    environment.set("HTTPS_PROXY", &format!("u:p@{address}"));
    doctor(&environment);
    let tunnels = || {
        let mut heard = proxy.heard();
        heard.retain(|head| head.starts_with(&format!("CONNECT {host} ")));
        heard
    };
    let before = tunnels();
    let head = before[0].to_lowercase();
    assert!(head.contains("proxy-authorization: basic"), "{head}");
    assert!(server.heard().is_empty());
    environment.set("NO_PROXY", "localhost,127.0.0.1");
    doctor(&environment);
    assert_eq!(tunnels().len(), before.len());
    assert!(!server.heard().is_empty());
    environment.set("https_proxy", "socks5://u:secret@127.0.0.1:1");
    let run = environment.run(&["--prod", "ddb", "list-tables"]).exits(2);
    assert!(run.stderr.contains("https_proxy is not a URL"), "{run}");
    assert!(!run.stderr.contains("secret"), "{run}");
}

#[test]
fn a_scan_asks_for_them_once() {
    let mut environment = TestEnvironment::new();
    environment.set("AWS_REGION", "us-east-1");
    environment.run(&["ddb", "schema-load"]).exits(0);
    let script = r#"echo asked >> asked
echo '{"Version": 1, "AccessKeyId": "local", "SecretAccessKey": "local"}'
"#;
    environment.write("keys.sh", script);
    std::fs::create_dir(environment.path().join("home/.aws")).unwrap();
    environment.write(
        "home/.aws/config",
        "[profile p]\ncredential_process = sh keys.sh\n",
    );
    let flags = ["--prod", "--profile", "p"];
    let flags = [&flags[..], &["--endpoint-url", &engines().dynamodb]].concat();
    environment
        .run(&[&flags[..], &["ddb", "scan", "--segments", "4"]].concat())
        .exits(0);
    let asked = std::fs::read_to_string(environment.path().join("asked")).unwrap();
    assert_eq!(asked, "asked\n");
}

#[test]
fn what_mends_it_is_told() {
    let body = r#"{"__type":"x#AccessDeniedException","message":"you may not"}"#;
    let (server, proxy) = (
        Listener::answering("400 Bad Request", body),
        Listener::new(),
    );
    let mut environment = production(&proxy);
    std::fs::create_dir(environment.path().join("home/.aws")).unwrap();
    environment.write(
        "home/.aws/config",
        "[profile p]\nlogin_session = arn:aws:iam::123456789012:user/u\n",
    );
    let flags = [
        "--prod",
        "--endpoint-url",
        &server.url,
        "ddb",
        "list-tables",
    ];
    let run = environment.run(&[&["--profile", "p"][..], &flags].concat());
    let run = run.exits(4);
    assert!(run.stderr.contains("`aws login`"), "{run}");
    assert!(run.stderr.contains("credential_process ="), "{run}");
    assert!(!run.stderr.contains("cargo"), "{run}");
    environment.set("AWS_ACCESS_KEY_ID", "x");
    environment.set("AWS_SECRET_ACCESS_KEY", "x");
    let run = environment.run(&flags).exits(4);
    assert!(run.stderr.contains("you may not"), "{run}");
    assert!(run.stderr.contains("hint: have it allowed"), "{run}");
    assert!(!run.stderr.contains("aws sso login"), "{run}");
}

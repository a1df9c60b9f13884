//! The matrix of `sslmode` and certificates, on a server of its own.

use std::time::{Duration, Instant};

use cruddur_core::Error;
use cruddur_core::db::{ConnectionUrl, Database};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::postgres::PrivateStack;

struct Server {
    stack: PrivateStack,
    folder: tempfile::TempDir,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Server {
    fn url(&self, parameters: &str) -> String {
        let url = self
            .stack
            .engines
            .postgres
            .replace("127.0.0.1", "localhost");
        format!("{url}?{parameters}")
    }

    fn file(&self, name: &str, authority: &Authority) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, authority.pem()).unwrap();
        path.display().to_string()
    }

    async fn connect(&self, parameters: &str) -> Result<(), Error> {
        let url = ConnectionUrl::parse(&self.url(parameters), "URL").unwrap();
        Database::new(url).sessions(true).await.map(drop)
    }

    /// Lets the server present a certificate of `authority`.
    async fn present(&self, authority: &Authority, name: &str, expired: bool) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, authority).unwrap();
        let config: tokio_postgres::Config = self.stack.engines.postgres.parse().unwrap();
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        // The server's own user has to own the files.
        for (file, pem) in [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            let pem = pem.replace("\r\n", "\n");
            let lines: Vec<String> = pem.lines().map(|line| format!("('{line}')")).collect();
            let copy = format!(
                "copy (select * from (values {}) as lines) to program 'umask 077 && cat > {file}'",
                lines.join(", ")
            );
            client.batch_execute(&copy).await.unwrap();
        }
        client
            .batch_execute("alter system set ssl = on")
            .await
            .unwrap();
        client
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
    }

    /// Replaces the rules of who may connect how, and gives the former ones.
    async fn replace_rules(&self, rules: &str) -> String {
        let config: tokio_postgres::Config = self.stack.engines.postgres.parse().unwrap();
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let read = "select pg_read_file(current_setting('hba_file'))";
        let former: String = client.query_one(read, &[]).await.unwrap().get(0);
        let lines = rules.lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<String> = lines.map(|line| format!("('{line}')")).collect();
        let copy = format!(
            "copy (select * from (values {}) as lines) to program 'cat > pg_hba.conf'",
            lines.join(", ")
        );
        client.batch_execute(&copy).await.unwrap();
        client
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
        former
    }

    /// The URL of a proxy that agrees to TLS and then hangs up.
    async fn behind_broken_tls(&self) -> String {
        let url = &self.stack.engines.postgres;
        let (before, rest) = url.rsplit_once('@').unwrap();
        let (address, database) = rest.split_once('/').unwrap();
        let address = address.to_owned();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let address = address.clone();
                tokio::spawn(async move {
                    let mut first = [0; 8];
                    client.read_exact(&mut first).await?;
                    // SSLRequest, by its code.
                    if first[4..] == 80_877_103_u32.to_be_bytes() {
                        return client.write_all(b"S").await;
                    }
                    let mut server = tokio::net::TcpStream::connect(address).await?;
                    server.write_all(&first).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
                    Ok(())
                });
            }
        });
        format!("{before}@localhost:{port}/{database}")
    }

    /// Asserts how connecting ends: well, or with these words. The server takes
    /// a moment to present its new certificate.
    async fn ends(&self, parameters: &str, expected: Result<(), &str>) {
        let begun = Instant::now();
        loop {
            let found = self.connect(parameters).await;
            let as_expected = match (&found, expected) {
                (Ok(()), Ok(())) => true,
                (Err(error @ Error::Tls { .. }), Err(words)) => error.to_string().contains(words),
                _ => false,
            };
            if as_expected {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "{parameters}: {found:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn every_mode_meets_every_certificate() {
    let server = Server {
        stack: PrivateStack::start(),
        folder: tempfile::TempDir::new().unwrap(),
    };
    let ours = authority();
    let root = server.file("ours.pem", &ours);
    let full = format!("sslmode=verify-full&sslrootcert={root}");
    let ca = format!("sslmode=verify-ca&sslrootcert={root}");
    let require_ca = format!("sslmode=require&sslrootcert={root}");

    // Without TLS.
    server.ends("sslmode=disable", Ok(())).await;
    server.ends("sslmode=prefer", Ok(())).await;
    for parameters in ["sslmode=require", &require_ca, &ca, &full] {
        server.ends(parameters, Err("offers no TLS")).await;
    }
    // The right name.
    server.present(&ours, "localhost", false).await;
    for parameters in ["sslmode=require", &require_ca, &ca, &full, "sslmode=prefer"] {
        server.ends(parameters, Ok(())).await;
    }
    for (parameters, tls) in [(full.as_str(), Some("TLSv1.3")), ("sslmode=disable", None)] {
        let url = ConnectionUrl::parse(&server.url(parameters), "URL").unwrap();
        let probe = Database::new(url).probe().await.unwrap();
        assert_eq!(probe.server.tls.as_deref(), tls, "{parameters}");
    }
    for parameters in ["sslmode=verify-full", "sslrootcert=rds"] {
        server.ends(parameters, Err("not trusted here")).await;
    }
    // The wrong name.
    server.present(&ours, "elsewhere.example.com", false).await;
    server.ends(&full, Err("for another name")).await;
    for parameters in ["sslmode=require", &require_ca, &ca] {
        server.ends(parameters, Ok(())).await;
    }
    // Expired.
    server.present(&ours, "localhost", true).await;
    for parameters in [&full, &ca, &require_ca] {
        server.ends(parameters, Err("has expired")).await;
    }
    server.ends("sslmode=require", Ok(())).await;
    // An unknown authority.
    server.present(&authority(), "localhost", false).await;
    for parameters in [&full, &ca, &require_ca] {
        server.ends(parameters, Err("not trusted here")).await;
    }
    server.ends("sslmode=require", Ok(())).await;

    // A server that lets nobody in with TLS, and one whose TLS breaks off.
    let rules = server
        .replace_rules("hostnossl all all all scram-sha-256")
        .await;
    server.ends("sslmode=prefer", Ok(())).await;
    let error = server.connect("sslmode=require").await.unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }), "{error}");
    server.replace_rules(&rules).await;
    server.ends("sslmode=require", Ok(())).await;
    let broken = server.behind_broken_tls().await;
    let connect = async |parameters: &str| {
        let url = format!("{broken}?{parameters}");
        let url = ConnectionUrl::parse(&url, "URL").unwrap();
        Database::new(url).sessions(true).await
    };
    connect("sslmode=prefer").await.unwrap();
    let error = connect("sslmode=require").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");

    let error = server
        .connect("sslmode=verify-full&sslrootcert=/none")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
}

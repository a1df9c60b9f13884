//! PostgreSQL and Cognito for the tests: those of `CRUDDUR_TEST_POSTGRES_URL`
//! and `CRUDDUR_TEST_COGNITO_URL`, or a local stack on free ports that ends
//! with the test process.

use std::ops::Deref;
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;

use cruddur_core::db::{ConnectionUrl, Database};
use cruddur_local::{Options, StackDir};
use tokio::sync::oneshot;

/// Addresses of engines.
#[derive(Debug, Clone)]
pub struct Engines {
    /// A URL of the server, with a database that is there.
    pub postgres: String,
    pub cognito: String,
}

/// A local stack that nobody else uses.
pub struct PrivateStack {
    pub engines: Engines,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl PrivateStack {
    /// Starts one on a thread of its own: PostgreSQL ends with the thread that
    /// started it, and a test's thread ends with the test.
    pub fn start() -> PrivateStack {
        let (send, receive) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let folder = tempfile::TempDir::new().unwrap();
                let options = Options {
                    dynamodb_port: 0,
                    postgres_port: 0,
                    cognito_port: 0,
                    search_path: std::env::var_os("PATH"),
                    ..Options::default()
                };
                let dir = StackDir::at(folder.path());
                let stack = cruddur_local::start(dir, options, |_| ()).await.unwrap();
                let state = stack.state();
                send.send(Engines {
                    postgres: state.connection_url().replace("/cruddur", "/postgres"),
                    cognito: state.cognito.url.clone(),
                })
                .unwrap();
                let _ = stopped.await;
                let _ = stack.stop().await;
            });
        });
        PrivateStack {
            engines: receive.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for PrivateStack {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

static STACK: Mutex<Option<PrivateStack>> = Mutex::new(None);

extern "C" fn end_stack() {
    drop(STACK.lock().ok().and_then(|mut stack| stack.take()));
}

/// The engines that every test of this process shares.
pub fn engines() -> &'static Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let given = |name| std::env::var(name).ok();
        let names = ["CRUDDUR_TEST_POSTGRES_URL", "CRUDDUR_TEST_COGNITO_URL"];
        if let (Some(postgres), Some(cognito)) = (given(names[0]), given(names[1])) {
            return Engines { postgres, cognito };
        }
        let stack = PrivateStack::start();
        let engines = stack.engines.clone();
        *STACK.lock().unwrap() = Some(stack);
        // SAFETY: the handler only uses what lives as long as the process.
        unsafe { libc::atexit(end_stack) };
        engines
    })
}

/// The URL of a server.
pub fn server() -> ConnectionUrl {
    ConnectionUrl::parse(&engines().postgres, "the test's URL").unwrap()
}

/// A database of a name of its own, which is dropped with this value.
pub struct TestDatabase(pub Database);

impl Deref for TestDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let database = self.0.clone().for_production();
        // The test's own runtime cannot be waited for in here.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(database.drop(true))
        });
        let _ = thread.join();
    }
}

/// A database that does not exist yet, whose name begins so.
pub fn absent(prefix: &str) -> TestDatabase {
    let name = format!(
        "{prefix}{}",
        &uuid::Uuid::new_v4().simple().to_string()[..12]
    );
    TestDatabase(Database::new(server().with_database(&name)))
}

/// An empty database.
pub async fn empty() -> TestDatabase {
    let database = absent("test_");
    assert!(database.create().await.unwrap());
    database
}

/// Runs SQL and returns the first column of each row.
pub async fn sql(database: &Database, statements: &str) -> Vec<String> {
    let (client, driver) = raw(database).await;
    let messages = client.simple_query(statements).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0)?.to_owned()),
        _ => None,
    });
    rows.collect()
}

/// A connection as another program would have it.
pub async fn raw(
    database: &Database,
) -> (
    tokio_postgres::Client,
    tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>,
) {
    let mut config: tokio_postgres::Config = engines().postgres.parse().unwrap();
    config
        .dbname(database.url().named_database().unwrap())
        .application_name("another program");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    (client, tokio::spawn(connection))
}

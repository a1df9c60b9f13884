//! The engines that every test of the process shares: those of
//! `CRUDDUR_TEST_DYNAMODB_URL`, `CRUDDUR_TEST_POSTGRES_URL` and
//! `CRUDDUR_TEST_COGNITO_URL`, if all are set; otherwise a local stack on free
//! ports that ends with the test process.

use std::sync::{Mutex, OnceLock};

use cruddur_local::{Options, Stack, StackDir};
use tempfile::TempDir;

/// Addresses of engines that every test of this process shares.
pub struct Engines {
    pub dynamodb: String,
    /// A URL of the server, with another database than a test's.
    pub postgres: String,
    pub cognito: String,
}

pub fn engines() -> &'static Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let given = |name| std::env::var(name).ok();
        match (
            given("CRUDDUR_TEST_DYNAMODB_URL"),
            given("CRUDDUR_TEST_POSTGRES_URL"),
            given("CRUDDUR_TEST_COGNITO_URL"),
        ) {
            (Some(dynamodb), Some(postgres), Some(cognito)) => Engines {
                dynamodb,
                postgres,
                cognito,
            },
            _ => shared_stack(),
        }
    })
}

/// The stack that [`engines`] started, kept until the process exits.
static STACK: Mutex<Option<(tokio::runtime::Runtime, Stack, TempDir)>> = Mutex::new(None);

fn shared_stack() -> Engines {
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let dir = StackDir::at(folder.path());
    let handle = runtime.handle().clone();
    // PostgreSQL ends with the thread that started it, and a test's own thread
    // ends with the test.
    std::thread::spawn(move || {
        let options = Options {
            dynamodb_port: 0,
            postgres_port: 0,
            cognito_port: 0,
            search_path: std::env::var_os("PATH"),
            durable: false,
            ..Options::default()
        };
        send.send(handle.block_on(cruddur_local::start(dir, options, |_| ())))
            .unwrap();
        loop {
            std::thread::park();
        }
    });
    let stack = receive.recv().unwrap().unwrap();
    let state = stack.state();
    let engines = Engines {
        dynamodb: state.dynamodb.url.clone(),
        postgres: state.connection_url().replace("/cruddur", "/postgres"),
        cognito: state.cognito.url.clone(),
    };
    *STACK.lock().unwrap() = Some((runtime, stack, folder));
    // SAFETY: the handler only uses what lives as long as the process.
    unsafe { libc::atexit(end_stack) };
    engines
}

extern "C" fn end_stack() {
    if let Some((runtime, stack, folder)) = STACK.lock().ok().and_then(|mut stack| stack.take()) {
        let _ = runtime.block_on(stack.stop());
        drop(folder);
    }
}

/// They, if a test has already decided; starting them for nothing is slow.
pub fn engines_if_started() -> Option<&'static Engines> {
    let started = STACK.lock().is_ok_and(|stack| stack.is_some());
    let given = std::env::var_os("CRUDDUR_TEST_DYNAMODB_URL").is_some();
    (started || given).then(engines)
}

//! Every command, with faults on the way to its servers.
//!
//! What goes wrong follows from a seed. There are a few of them in `cargo test`;
//! `CRUDDUR_TEST_FAULT_RUNS=1000` takes the first thousand for each command and
//! tells what came of them, and `CRUDDUR_TEST_FAULT_SEED=7` takes that one only.
//! (Where a command has several requests under way at once, which of them meets
//! the fault is up to the machine.)

mod aws;
mod change;
mod dice;
mod interruptions;
mod pages;
mod reads;
mod state;
mod still_trying;
mod tally;
mod tcp;
mod writes;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::support::{Run, TestEnvironment, engines};
use aws::AwsProxy;
use dice::Dice;
use tally::Tally;
use tcp::TcpProxy;

const USUAL_RUNS: u64 = 2;
/// Runs spend most of their time on pauses.
const AT_ONCE: usize = 4;

/// What the proxies of all runs live on.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// A proxy in front of each engine, for one run.
pub struct Faults {
    dynamodb: AwsProxy,
    cognito: AwsProxy,
    postgres: TcpProxy,
    /// For what else is up to chance in this run.
    pub dice: Mutex<Dice>,
}

impl Faults {
    fn start(seed: u64, tally: &Arc<Tally>) -> Faults {
        let mut dice = Dice::new(seed);
        let tally = || tally.clone();
        RUNTIME.block_on(async {
            Faults {
                dynamodb: AwsProxy::start(&engines().dynamodb, dice.fork(), tally()).await,
                cognito: AwsProxy::start(&engines().cognito, dice.fork(), tally()).await,
                postgres: TcpProxy::start(postgres_address(), dice.fork(), tally()).await,
                dice: Mutex::new(dice),
            }
        })
    }

    /// A run of the binary that meets the proxies instead of the engines.
    pub fn command(&self, environment: &TestEnvironment, arguments: &[&str]) -> Command {
        let mut command = environment.command(arguments);
        command
            .env("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb.url)
            .env(
                "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
                &self.cognito.url,
            )
            .env("CONNECTION_URL", self.connection_url(environment));
        command
    }

    fn connection_url(&self, environment: &TestEnvironment) -> String {
        let url = environment.connection_url();
        url.replace(postgres_address(), &self.postgres.address)
    }

    pub fn run(&self, environment: &TestEnvironment, arguments: &[&str]) -> Run {
        environment.finish(arguments, self.command(environment, arguments), b"")
    }
}

/// Host and port of the engine.
fn postgres_address() -> &'static str {
    let (_, rest) = engines().postgres.rsplit_once('@').unwrap();
    rest.split('/').next().unwrap()
}

/// Does `once` for each seed, some at a time; it says what came of it.
fn over_seeds(command: &str, once: impl Fn(&Faults) -> String + Sync) {
    over_seeds_at_once(AT_ONCE, command, once);
}

fn over_seeds_at_once(at_once: usize, command: &str, once: impl Fn(&Faults) -> String + Sync) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let runs: Option<u64> = number("CRUDDUR_TEST_FAULT_RUNS");
    let seeds = match number("CRUDDUR_TEST_FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..runs.unwrap_or(USUAL_RUNS),
    };
    let (faults, endings) = (Arc::new(Tally::default()), Tally::default());
    let begun = Instant::now();
    let left = Mutex::new(seeds.clone());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(seed) = next(&left) {
                    let one = || once(&Faults::start(seed, &faults));
                    endings.count(&or_tell(command, seed, one));
                }
            });
        }
    });
    if runs.is_some() {
        tell(&format!(
            "{command}: {} runs in {:?}: {endings}; faults: {faults}",
            seeds.count(),
            begun.elapsed()
        ));
    }
}

/// In a function of its own, so that nobody holds the lock while it runs.
fn next(left: &Mutex<std::ops::Range<u64>>) -> Option<u64> {
    left.lock().unwrap().next()
}

fn or_tell<T>(command: &str, seed: u64, one: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(|panic| {
        tell(&format!(
            "{command} failed; CRUDDUR_TEST_FAULT_SEED={seed} does it again"
        ));
        resume_unwind(panic)
    })
}

fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether a run did what it was told; if not, it has to have said why.
#[track_caller]
fn succeeded(run: &Run) -> bool {
    assert!(!run.stderr.contains("panicked"), "{run}");
    if run.status != 0 {
        assert!([1, 3, 4].contains(&run.status), "{run}");
        assert!(run.stderr.contains("error: "), "{run}");
    }
    run.status == 0
}

/// How a run ended, for the figures.
fn ending(run: &Run) -> String {
    format!("exit {}", run.status)
}

//! A running stack, from its start to its end.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::mpsc::UnboundedSender;

use crate::lock::{Lock, Purpose};
use crate::postgres::{Cluster, Programs, Server};
use crate::state::VERSION;
use crate::task::Task;
use crate::{
    Cognito, CognitoRequest, DynamoDb, Error, PoolUser, Postgres, REGION, Service, StackDir, State,
    cognito::{self, Store},
    dynamodb, files, ports, postgres, probe, snapshot,
};

/// What a stack is to be like. A port of 0 means any that is free.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port DynamoDB should have.
    pub dynamodb_port: u16,
    /// The port PostgreSQL should have.
    pub postgres_port: u16,
    /// The port Cognito should have.
    pub cognito_port: u16,
    /// The value of `PATH`, to look for PostgreSQL's programs in.
    pub search_path: Option<OsString>,
    /// Whom a new Cognito pool begins with.
    pub pool_users: Vec<PoolUser>,
    /// Whether the data has to survive a power failure. That of a stack for one
    /// test run has not.
    pub durable: bool,
    /// Whether whoever starts the stack moves conversations in it, which is
    /// only written down: a later start "as it was" does the same.
    pub follows_stream: bool,
    /// The table that these are in, which is only written down as well.
    pub table: Option<String>,
    /// Gets every request that Cognito has answered.
    pub cognito_requests: Option<UnboundedSender<CognitoRequest>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dynamodb_port: 8000,
            postgres_port: 5432,
            cognito_port: 9229,
            search_path: None,
            pool_users: Vec::new(),
            durable: true,
            follows_stream: true,
            table: None,
            cognito_requests: None,
        }
    }
}

/// Something that a start has got to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which service.
    pub service: Service,
    /// How far it is.
    pub step: Step,
}

/// How far a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Its data is being made, which only a first start does.
    Creating,
    /// It is being started.
    Starting,
    /// It has answered a request.
    Ready {
        /// Where it is.
        address: String,
    },
}

/// Why a stack can no longer be used.
#[derive(Debug, Clone)]
pub struct Exit {
    /// Which service has ended, and how, in a sentence.
    pub reason: String,
    /// The last lines of its log.
    pub log: Vec<String>,
}

/// A running stack. [`Stack::stop`] ends it in order; dropped, it ends as it can.
#[derive(Debug)]
pub struct Stack {
    dir: StackDir,
    state: State,
    dynamodb: Task,
    cognito: Task,
    pool: Arc<Store>,
    postgres: Server,
    logs: tokio::task::JoinHandle<()>,
    // Last, so that it is given up after everything above.
    lock: Arc<Lock>,
}

/// Starts every service of the folder's stack. The state file is written once
/// each has answered a real request.
///
/// The services run as tasks of the caller's runtime and as one child process,
/// PostgreSQL, which on Linux ends when this process does, however it does.
pub async fn start(
    dir: StackDir,
    options: Options,
    progress: impl FnMut(Progress),
) -> Result<Stack, Error> {
    dir.prepare()?;
    let (lock, last) = {
        let dir = dir.clone();
        blocking(Service::Postgres, move || take_over(&dir)).await?
    };
    let mut start = Start {
        dir: &dir,
        options,
        last,
        progress,
    };
    let (dynamodb, dynamodb_state) = start.dynamodb().await?;
    let (cognito, pool, cognito_state) = start.cognito(&lock).await?;
    let (postgres, postgres_state) = start.postgres(&lock).await?;
    let state = State {
        version: VERSION,
        pid: std::process::id(),
        started_at: Utc::now(),
        ending: false,
        stopped_at: None,
        failure: None,
        region: REGION.to_owned(),
        follows_stream: start.options.follows_stream,
        table: start.options.table,
        dynamodb: dynamodb_state,
        postgres: postgres_state,
        cognito: cognito_state,
    };
    dir.write_state(&state)?;
    Ok(Stack {
        logs: tokio::spawn(keep_logs_short(dir.clone())),
        dir,
        state,
        dynamodb,
        cognito,
        pool,
        postgres,
        lock,
    })
}

/// Takes the folder's lock, finishes what was cut off before, and says what the last
/// stack wrote down.
fn take_over(dir: &StackDir) -> Result<(Arc<Lock>, Option<State>), Error> {
    let lock = Arc::new(dir.lock(Purpose::Stack)?);
    let last = dir.read_state()?;
    if let Some(last) = &last
        && last.pid == std::process::id()
    {
        // In a container a process often gets the id of the one that died, and
        // would be taken for it until it is ready.
        let nobody = 0;
        dir.write_state(&State {
            pid: nobody,
            ..last.clone()
        })?;
    }
    snapshot::finish(dir)?;
    Ok((lock, last))
}

/// A start that is under way, service by service.
struct Start<'a, P> {
    dir: &'a StackDir,
    options: Options,
    /// What the last stack of the folder wrote down.
    last: Option<State>,
    progress: P,
}

impl<P: FnMut(Progress)> Start<'_, P> {
    async fn dynamodb(&mut self) -> Result<(Task, DynamoDb), Error> {
        self.tell(Service::DynamoDb, Step::Starting);
        let asked_port = self.options.dynamodb_port;
        let before = self.last.as_ref().map(|last| &last.dynamodb);
        let wanted = ports::wanted(asked_port, before.map(|s| (s.port, s.asked_port)));
        let task = dynamodb::start(self.dir, &wanted, self.options.durable)?;
        answered(Service::DynamoDb, probe::dynamodb(task.port).await)?;
        let state = DynamoDb {
            url: url(task.port),
            port: task.port,
            asked_port,
        };
        self.tell(Service::DynamoDb, ready(&state.url));
        Ok((task, state))
    }

    async fn cognito(&mut self, lock: &Arc<Lock>) -> Result<(Task, Arc<Store>, Cognito), Error> {
        self.tell(Service::Cognito, Step::Starting);
        let asked_port = self.options.cognito_port;
        let before = self.last.as_ref().map(|last| &last.cognito);
        let wanted = ports::wanted(asked_port, before.map(|s| (s.port, s.asked_port)));
        let requests = self.options.cognito_requests.take();
        let users = &self.options.pool_users;
        let (store, ids) = Store::open(self.dir, lock, users).await?;
        let store = Arc::new(store);
        let task = cognito::start(Arc::clone(&store), &wanted, requests)?;
        let probed = probe::cognito(task.port, &ids.user_pool_id).await;
        answered(Service::Cognito, probed)?;
        let state = Cognito {
            url: url(task.port),
            port: task.port,
            asked_port,
            user_pool_id: ids.user_pool_id,
            client_id: ids.client_id,
        };
        self.tell(Service::Cognito, ready(&state.url));
        Ok((task, store, state))
    }

    async fn postgres(&mut self, lock: &Arc<Lock>) -> Result<(Server, Postgres), Error> {
        let step = match self.dir.data_path(Service::Postgres).exists() {
            true => Step::Starting,
            false => Step::Creating,
        };
        self.tell(Service::Postgres, step);
        let (programs, cluster) = self.cluster(Arc::clone(lock)).await?;
        let asked_port = self.options.postgres_port;
        let before = self.last.as_ref().map(|last| &last.postgres);
        let wanted = ports::wanted(asked_port, before.map(|s| (s.port, s.asked_port)));
        let log = self.dir.service_log_path(Service::Postgres);
        let server = Server::start(&programs, &cluster, log, &wanted).await?;
        let state = Postgres {
            host: "127.0.0.1".to_owned(),
            port: server.port,
            asked_port,
            user: postgres::USER.to_owned(),
            password: cluster.password,
            database: postgres::DATABASE.to_owned(),
            pid: server.pid(),
            version: programs.version,
        };
        self.tell(Service::Postgres, ready(&state.address()));
        Ok((server, state))
    }

    /// The programs, and the data, which is made if it is not there.
    async fn cluster(&self, lock: Arc<Lock>) -> Result<(Programs, Cluster), Error> {
        let (dir, search_path) = (self.dir.clone(), self.options.search_path.clone());
        let durable = self.options.durable;
        blocking(Service::Postgres, move || {
            // Then this work holds the lock alone; when it ends, nobody does.
            let given_up = || Arc::strong_count(&lock) == 1;
            let folder = dir.data_path(Service::Postgres);
            let programs = postgres::find(search_path.as_deref(), &folder)?;
            postgres::stop_orphan(&folder)?;
            postgres::forget_other(&folder)?;
            let cluster = Cluster::open(&dir, &programs, durable, given_up)?;
            Ok((programs, cluster))
        })
        .await
    }

    fn tell(&mut self, service: Service, step: Step) {
        (self.progress)(Progress { service, step });
    }
}

impl Stack {
    /// Where everything is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The folder it belongs to.
    pub fn dir(&self) -> &StackDir {
        &self.dir
    }

    /// Waits until a service ends by itself, which none should, or the data is deleted.
    pub async fn stopped(&mut self) -> Exit {
        let mut postgres = self.postgres.ended();
        let (service, reason) = tokio::select! {
            ended = postgres.wait_for(Option::is_some) => {
                let status = ended.ok().and_then(|status| *status);
                let reason = status.map_or("its end is unknown".to_owned(), |s| s.to_string());
                (Service::Postgres, reason)
            }
            ended = &mut self.dynamodb.handle => (Service::DynamoDb, task_reason(ended)),
            ended = &mut self.cognito.handle => (Service::Cognito, task_reason(ended)),
            () = deleted(&self.lock) => return self.without_a_folder(),
        };
        let log = match service {
            Service::Postgres => files::tail(&self.dir.service_log_path(service), 0, 20),
            _ => Vec::new(),
        };
        let reason = format!("{service} ended: {reason}");
        // For `status`, once this process has ended.
        self.state.failure = Some(reason.clone());
        Exit { reason, log }
    }

    fn without_a_folder(&self) -> Exit {
        Exit {
            reason: format!("the data folder {} was deleted", self.dir.path().display()),
            log: Vec::new(),
        }
    }

    /// Ends every service in order, and notes that it was in order.
    pub async fn stop(self) -> Result<(), Error> {
        self.stop_telling(|_| ()).await
    }

    /// The same, and tells of each service once it has ended.
    pub async fn stop_telling(mut self, ended: impl Fn(Service)) -> Result<(), Error> {
        // First, so that from now on nobody takes it for one that runs.
        self.state.ending = true;
        let begun = self.note();
        let Stack {
            dynamodb,
            cognito,
            postgres,
            ..
        } = &mut self;
        tokio::join!(
            async {
                dynamodb.stop().await;
                ended(Service::DynamoDb);
            },
            async {
                cognito.stop().await;
                ended(Service::Cognito);
            },
            async {
                postgres.stop().await;
                ended(Service::Postgres);
            },
        );
        // Without a disk it could not be saved before.
        let saved = self.pool.save_changes().await;
        self.state.ending = false;
        self.state.stopped_at = Some(Utc::now());
        begun.and(saved).and(self.note())
    }

    /// Writes down how it stands, unless the folder is gone, or another stack's.
    fn note(&self) -> Result<(), Error> {
        match self.lock.is_there(&self.dir) {
            true => self.dir.write_state(&self.state),
            false => Ok(()),
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.logs.abort();
    }
}

/// Resolves once the folder of a stack is deleted: what is written from then on would
/// be lost.
async fn deleted(lock: &Lock) {
    while !lock.is_deleted() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Looks at the logs from time to time. Each is one file and begins anew when it
/// is too large.
async fn keep_logs_short(dir: StackDir) {
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        for path in [dir.log_path(), dir.service_log_path(Service::Postgres)] {
            // Nothing is lost but disk space; the next look may have more luck.
            let _ = files::bound_log(&path);
        }
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn ready(address: &str) -> Step {
    Step::Ready {
        address: address.to_owned(),
    }
}

fn answered(service: Service, probed: Result<(), String>) -> Result<(), Error> {
    probed.map_err(|reason| failed(service, reason))
}

fn failed(service: Service, reason: String) -> Error {
    Error::Service {
        service,
        reason,
        log: Vec::new(),
    }
}

fn task_reason(ended: Result<Result<(), String>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "it ended without a reason".to_owned(),
        Ok(Err(reason)) => reason,
        Err(cause) => cause.to_string(),
    }
}

/// Runs what waits for the disk or for a process where that keeps no task from
/// running.
async fn blocking<T: Send + 'static>(
    service: Service,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|cause| Err(failed(service, cause.to_string())))
}

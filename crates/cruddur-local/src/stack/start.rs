//! The start of a stack, service by service.

use std::sync::Arc;

use chrono::Utc;

use super::{Options, Progress, Stack, Step, keep_logs_short};
use crate::cognito::{self, Store};
use crate::lock::{Lock, Purpose};
use crate::postgres::{self, Cluster, Programs, Server};
use crate::state::VERSION;
use crate::task::Task;
use crate::{
    Cognito, DynamoDb, Error, Postgres, REGION, Service, StackDir, State, dynamodb, ports, probe,
    snapshot,
};

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

/// Runs what waits for the disk or for a process where that keeps no task from
/// running.
async fn blocking<T: Send + 'static>(
    service: Service,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|cause| Err(failed(service, cause.to_string())))
}

//! A stack: what it is to be like, and how it ends. Its start has a file of its own.

mod start;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::mpsc::UnboundedSender;

pub use start::start;

use crate::cognito::Store;
use crate::lock::Lock;
use crate::postgres::Server;
use crate::task::Task;
use crate::{CognitoRequest, Error, PoolUser, Service, StackDir, State, files};

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

fn task_reason(ended: Result<Result<(), String>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "it ended without a reason".to_owned(),
        Ok(Err(reason)) => reason,
        Err(cause) => cause.to_string(),
    }
}

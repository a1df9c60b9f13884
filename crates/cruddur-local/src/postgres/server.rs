//! The server process, from its start to its end.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::account;
use super::cluster::Cluster;
use super::find::{Programs, environment};
use crate::{Error, Service, files, ports, probe};

/// How long a server may take to answer. Only recovery after a crash, with much
/// to do, takes more than a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the server ended, once it has.
pub(crate) type Ended = Option<ExitStatus>;

/// A running server. Dropped, it is told to shut down.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Process,
}

impl Server {
    /// Starts the server on the first wanted port that is free and waits until
    /// it answers a query.
    pub(crate) async fn start(
        programs: &Programs,
        cluster: &Cluster,
        log: PathBuf,
        wanted: &[u16],
    ) -> Result<Server, Error> {
        let mut wanted = wanted;
        for _ in 0..5 {
            let port = ports::listen(wanted)
                .and_then(|listener| listener.local_addr())
                .map_err(|cause| failed(format!("no port is free: {cause}"), Vec::new()))?
                .port();
            let log_file = files::open_log(&log)?;
            let from = log_file
                .metadata()
                .map_err(Error::file("read", &log))?
                .len();
            let command = command(programs, cluster, port, log_file)?;
            let process = Process::spawn(command).await?;
            let server = Server { port, process };
            match server.answers(&cluster.password).await {
                Ok(()) => return Ok(server),
                Err(reason) => {
                    server.stop().await;
                    let lines = files::tail(&log, from, 20);
                    // Between our look at the port and the server's someone else
                    // took it.
                    if lines
                        .iter()
                        .any(|line| line.contains("Address already in use"))
                    {
                        wanted = &[];
                        continue;
                    }
                    if reason == probe::WRONG_PASSWORD {
                        let path = cluster.folder.with_file_name("postgres.password");
                        return Err(Error::WrongPassword { path });
                    }
                    let told = lines.iter().find_map(|line| {
                        let (_, rest) = line.split_once("FATAL:")?;
                        Some(rest.trim().to_owned())
                    });
                    return Err(failed(told.unwrap_or(reason), lines));
                }
            }
        }
        Err(failed(
            "every port it tried was taken".to_owned(),
            Vec::new(),
        ))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Tells when the server has ended.
    pub(crate) fn ended(&self) -> watch::Receiver<Ended> {
        self.process.ended.clone()
    }

    /// Ends the server in order, or, where that takes long (it has much to put
    /// on the disk), as it is: the next start finds everything in its log.
    pub(crate) async fn stop(&self) {
        let steps = [
            (libc::SIGINT, 700),
            (libc::SIGQUIT, 3_000),
            (libc::SIGKILL, 3_000),
        ];
        for (signal, patience) in steps {
            self.process.signal(signal);
            let mut ended = self.ended();
            let waiting = ended.wait_for(Option::is_some);
            if timeout(Duration::from_millis(patience), waiting)
                .await
                .is_ok()
            {
                return;
            }
        }
    }

    /// Waits for the answer to a real query, the process's end, or the end of
    /// our patience.
    async fn answers(&self, password: &str) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = *self.process.ended.borrow() {
                return Err(format!("the server ended with {status}"));
            }
            let reason = match probe::postgres(self.port, super::USER, password).await {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            };
            if Instant::now() > deadline || reason == probe::WRONG_PASSWORD {
                return Err(reason);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.signal(libc::SIGINT);
    }
}

fn command(
    programs: &Programs,
    cluster: &Cluster,
    port: u16,
    log: std::fs::File,
) -> Result<Command, Error> {
    let handed = account::hand(&cluster.folder, cluster.account)?;
    let mut command = Command::new(programs.postgres());
    command.arg("-D").arg(&handed.argument);
    for setting in [
        &format!("port={port}"),
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "timezone=UTC",
        "log_timezone=UTC",
        "max_connections=100",
        // A developer's data fits; the default of 128 MB only looks big.
        "shared_buffers=16MB",
        // Nothing replicates from here, so no process waits for it.
        "max_logical_replication_workers=0",
        "max_wal_senders=0",
        "logging_collector=off",
        "log_destination=stderr",
    ] {
        command.args(["-c", setting]);
    }
    if !cluster.durable {
        command.args(["-c", "fsync=off"]);
    }
    command
        .env_clear()
        .envs(environment())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    account::confine(&mut command, cluster.account, handed, libc::SIGINT);
    Ok(command)
}

/// The child process, watched by a thread of its own.
#[derive(Debug)]
struct Process {
    pid: u32,
    /// False once the process has been waited for, when its id may be another's.
    alive: Arc<Mutex<bool>>,
    ended: watch::Receiver<Ended>,
}

impl Process {
    /// Starts the command from a thread that then waits for it.
    ///
    /// Linux sends the farewell signal when the *thread* that started the child
    /// ends. A runtime's threads come and go; this one ends with the child.
    async fn spawn(mut command: Command) -> Result<Process, Error> {
        let (started, start) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let alive = Arc::new(Mutex::new(true));
        let still_alive = Arc::clone(&alive);
        let thread = std::thread::Builder::new().name("postgres".to_owned());
        let watcher = thread.spawn(move || {
            let spawned = command.spawn();
            // It holds the log and the data folder open, which only the child needs.
            drop(command);
            match spawned {
                Ok(child) => {
                    // Nobody listens any more if the start was given up; whoever
                    // did has dropped `Process` or never had it.
                    let abandoned = started.send(Ok(child.id())).is_err();
                    if abandoned {
                        signal(child.id(), libc::SIGINT);
                    }
                    end.send_replace(Some(wait(child, &still_alive)));
                }
                Err(cause) => drop(started.send(Err(cause))),
            }
        });
        watcher
            .map_err(|cause| failed(format!("no thread can be started: {cause}"), Vec::new()))?;
        match start.await {
            Ok(Ok(pid)) => Ok(Process { pid, alive, ended }),
            Ok(Err(cause)) => Err(failed(format!("it cannot be run: {cause}"), Vec::new())),
            Err(_) => Err(failed("its thread ended".to_owned(), Vec::new())),
        }
    }

    fn signal(&self, number: libc::c_int) {
        // Under the lock the child cannot be waited for, so the id is its own.
        if *locked(&self.alive) {
            signal(self.pid, number);
        }
    }
}

fn wait(mut child: Child, alive: &Mutex<bool>) -> ExitStatus {
    // Waits without collecting the child, so that its id stays taken until no
    // one can signal it any more.
    // SAFETY: `info` is a plain structure the call fills in.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        while libc::waitid(
            libc::P_PID,
            child.id(),
            &mut info,
            libc::WEXITED | libc::WNOWAIT,
        ) == -1
            && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
        {}
    }
    let mut alive = locked(alive);
    *alive = false;
    child.wait().unwrap_or_default()
}

fn signal(pid: u32, number: libc::c_int) {
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe { libc::kill(pid as libc::pid_t, number) };
}

/// The value is one flag, so a panic elsewhere cannot have left it half written.
fn locked(alive: &Mutex<bool>) -> MutexGuard<'_, bool> {
    alive.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(reason: String, log: Vec<String>) -> Error {
    Error::Service {
        service: Service::Postgres,
        reason,
        log,
    }
}

//! What can go wrong, in sentences a person can act on.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::Service;

/// An error of the local stack, in one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process runs, or is starting, the stack of this folder.
    #[error("the local stack in {} is already running{}", folder.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    AlreadyRunning {
        /// The data folder.
        folder: PathBuf,
        /// The process that runs it, if it has said so yet.
        pid: Option<u32>,
    },
    /// Another process copies or deletes the data of this folder.
    #[error("the data of the local stack in {} is being copied or deleted right now{}", folder.display(), pid.map(|pid| format!(" (by pid {pid})")).unwrap_or_default())]
    Busy {
        /// The data folder.
        folder: PathBuf,
        /// The process that does.
        pid: Option<u32>,
    },
    /// The stack runs where it cannot be ended from: in another container, or
    /// under another account.
    #[error("the local stack in {} cannot be ended from here: it says that it is process {pid}, which is none of yours on this system", folder.display())]
    Elsewhere {
        /// The data folder.
        folder: PathBuf,
        /// The process, as the stack knows it.
        pid: u32,
    },
    /// The data folder is in a folder where anybody can make one, and somebody else
    /// has.
    #[error("{} belongs to someone else, who could lead you to servers of theirs", folder.display())]
    SomebodyElses {
        /// The data folder.
        folder: PathBuf,
    },
    /// Something needs a stack that runs.
    #[error("no local stack is running in {}", folder.display())]
    NotRunning {
        /// The data folder.
        folder: PathBuf,
    },
    /// There is nothing to keep.
    #[error("the local stack in {} has no data", folder.display())]
    NoData {
        /// The data folder.
        folder: PathBuf,
    },
    /// The data folder was written by a newer version of this program.
    #[error("{} has data format {found}, and this program knows only up to {known}", folder.display())]
    NewerVersion {
        /// The data folder.
        folder: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// No `postgres` and `initdb` anywhere they usually are.
    #[error("no PostgreSQL server is installed on this machine")]
    NoPostgres,
    /// PostgreSQL is there, but not the major version that made the data.
    #[error("{} was made by PostgreSQL {needed}, and this machine has only {found}", folder.display())]
    OtherPostgres {
        /// The cluster's folder.
        folder: PathBuf,
        /// The major version that made the data.
        needed: String,
        /// The versions found here.
        found: String,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {}", path.display(), reason(source))]
    File {
        /// What was being done: `read`, `write`, `create` …
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the stack is not what the stack wrote.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password of the cluster's role was changed.
    #[error("PostgreSQL did not start: {} is not the password of its role", path.display())]
    WrongPassword {
        /// The file that has the old one.
        path: PathBuf,
    },
    /// A service did not come up, or went down.
    #[error("{service} did not start: {reason}")]
    Service {
        /// Which.
        service: Service,
        /// Why.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// A detached stack ended before it was ready.
    #[error("the local stack did not start: {reason}")]
    Detached {
        /// Why.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The stack did not end, although it was asked to and then killed: it waits for a
    /// disk, say.
    #[error("the local stack (pid {pid}) was killed, and has not gone after {seconds} seconds")]
    StillRunning {
        /// The process that holds the lock.
        pid: u32,
        /// How long it was given.
        seconds: u64,
    },
    /// A snapshot of this name is not there.
    #[error("there is no snapshot named {name}")]
    NoSnapshot {
        /// The name asked for.
        name: String,
    },
    /// A snapshot of this name is already there.
    #[error("a snapshot named {name} is already there")]
    SnapshotExists {
        /// The name asked for.
        name: String,
    },
    /// A snapshot's name becomes a folder's, so not every text will do.
    #[error("{name:?} is no name for a snapshot")]
    SnapshotName {
        /// The name asked for.
        name: String,
    },
}

impl Error {
    /// The last lines of the log that belongs to the error, if there is one.
    pub fn log(&self) -> &[String] {
        match self {
            Error::Service { log, .. } | Error::Detached { log, .. } => log,
            _ => &[],
        }
    }

    /// For `map_err`: an I/O error while doing `action` with `path`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File {
            action,
            path,
            source,
        }
    }
}

/// Words for the causes that have a name; the system's own for the rest.
fn reason(source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::NotADirectory => "a part of this path is not a folder".to_owned(),
        _ => source.to_string(),
    }
}

//! The data folder `.cruddur`: what lies in it, who holds it, how old it is.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::state::VERSION;
use crate::{Error, Service, State, files};

/// The data folder of a stack.
#[derive(Debug, Clone)]
pub struct StackDir {
    path: PathBuf,
}

/// What a process holds a folder's lock for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run the stack, until it is asked to end.
    Stack,
    /// To copy or to delete the data, which nobody may end halfway.
    Data,
}

/// Who holds a folder's lock, by what stands in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    /// The process, if it has said so yet.
    pub(crate) pid: Option<u32>,
    pub(crate) purpose: Purpose,
}

/// How long the lock is waited for while someone copies or deletes the data.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of the stack of a folder.
///
/// Decided by the lock that a stack holds as long as its process lives, never
/// by a process id, which the system may have given to someone else since.
#[derive(Debug, Clone)]
pub enum Status {
    /// None has ever run here, or what it wrote down is damaged.
    Absent,
    /// A process holds the lock and is not ready yet, or is ending.
    Starting {
        /// The process, if it has said so.
        pid: Option<u32>,
    },
    /// It runs.
    Running(State),
    /// It ended in order.
    Stopped(State),
    /// Its process ended without a word (`kill -9`, a power failure), or one of
    /// its services did.
    Died(State),
}

impl StackDir {
    /// The data folder that belongs to `folder`, whether it is there or not.
    pub fn at(folder: &Path) -> StackDir {
        // Absolute, since the stack outlives the caller's current folder.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        StackDir {
            path: folder.join(".cruddur"),
        }
    }

    /// The data folder for whoever works in `folder`: that of the nearest stack,
    /// or the one that a start would make.
    pub fn of(folder: &Path) -> StackDir {
        StackDir::find(folder).unwrap_or_else(|| StackDir::at(folder))
    }

    /// The nearest data folder with a state file, from `start` upwards.
    pub fn find(start: &Path) -> Option<StackDir> {
        let start = std::path::absolute(start).ok()?;
        start
            .ancestors()
            .map(StackDir::at)
            .find(|dir| dir.state_path().is_file() && dir.may_be_trusted())
    }

    /// In a folder such as /tmp anybody can make a data folder, which would lead
    /// everybody who works below to servers of theirs. Elsewhere the owner of
    /// the folder answers for what is in it.
    fn may_be_trusted(&self) -> bool {
        const ANYBODY_MAY_MAKE_FILES: u32 = 0o1002;
        let shared = |seen: std::fs::Metadata| {
            seen.mode() & ANYBODY_MAY_MAKE_FILES == ANYBODY_MAY_MAKE_FILES
        };
        // SAFETY: geteuid only reads, and cannot fail.
        let own = |seen: std::fs::Metadata| [0, unsafe { libc::geteuid() }].contains(&seen.uid());
        !self.folder().metadata().is_ok_and(shared) || self.path.symlink_metadata().is_ok_and(own)
    }

    /// The data folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder it belongs to.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The log of a stack that runs in the background.
    pub fn log_path(&self) -> PathBuf {
        self.logs_path().join("stack.log")
    }

    /// The log of one service. Those that run inside the stack's own process
    /// write to the stack's log.
    pub fn service_log_path(&self, service: Service) -> PathBuf {
        match service {
            Service::Postgres => self.logs_path().join("postgres.log"),
            Service::DynamoDb | Service::Cognito => self.log_path(),
        }
    }

    /// Where a service keeps its data.
    pub fn data_path(&self, service: Service) -> PathBuf {
        self.path.join(match service {
            Service::DynamoDb => "dynamodb.sqlite",
            Service::Postgres => "postgres",
            Service::Cognito => "cognito.json",
        })
    }

    pub(crate) fn password_path(&self) -> PathBuf {
        self.path.join("postgres.password")
    }

    pub(crate) fn snapshots_path(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    pub(crate) fn state_path(&self) -> PathBuf {
        self.path.join("state.json")
    }

    fn logs_path(&self) -> PathBuf {
        self.path.join("logs")
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    fn version_path(&self) -> PathBuf {
        self.path.join("version")
    }

    /// Whether the stack runs, and where.
    pub fn status(&self) -> Result<Status, Error> {
        self.refuse_newer()?;
        let holder = self.holder()?;
        let state = self.read_state()?;
        Ok(match (holder, state) {
            (Some(holder), Some(state))
                if holder.purpose == Purpose::Stack
                    && holder.pid == Some(state.pid)
                    && state.stopped_at.is_none() =>
            {
                Status::Running(state)
            }
            (Some(Holder { pid, .. }), _) => Status::Starting { pid },
            (None, None) => Status::Absent,
            (None, Some(state)) if state.stopped_at.is_some() && state.failure.is_none() => {
                Status::Stopped(state)
            }
            (None, Some(state)) => Status::Died(state),
        })
    }

    /// What the last stack wrote down, running or not. A damaged file is as good
    /// as none: it tells nothing but addresses, and the next start writes it anew.
    pub(crate) fn read_state(&self) -> Result<Option<State>, Error> {
        match files::read_if_there(&self.state_path()) {
            Ok(text) => Ok(text.and_then(|text| serde_json::from_str(&text).ok())),
            Err(Error::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn write_state(&self, state: &State) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(state).map_err(|cause| Error::Damaged {
            path: self.state_path(),
            reason: cause.to_string(),
        })?;
        files::write(&self.state_path(), text.as_bytes())
    }

    /// Makes the folder if it is not there. A newer one is left untouched.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        self.refuse_newer()?;
        files::create_folder(&self.path)?;
        files::create_folder(&self.logs_path())?;
        for (path, content) in [
            (self.version_path(), format!("{VERSION}\n")),
            // The data is nobody's to commit.
            (self.path.join(".gitignore"), "*\n".to_owned()),
        ] {
            if !path.exists() {
                files::write(&path, content.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Removes a damaged version, for those who leave nothing that has one.
    pub(crate) fn forget_damaged_version(&self) -> Result<(), Error> {
        match self.refuse_newer() {
            Err(Error::Damaged { path, .. }) => files::remove(&path),
            other => other,
        }
    }

    fn refuse_newer(&self) -> Result<(), Error> {
        let path = self.version_path();
        let Some(text) = files::read_if_there(&path)? else {
            return Ok(());
        };
        let found: u32 = text.trim().parse().map_err(|_| Error::Damaged {
            path,
            reason: "it should hold a number".to_owned(),
        })?;
        if found > VERSION {
            return Err(Error::NewerVersion {
                folder: self.path.clone(),
                found,
                known: VERSION,
            });
        }
        Ok(())
    }

    /// Takes the lock for this process, or says who has it. Whoever copies or
    /// deletes the data is waited for.
    pub(crate) fn lock(&self, purpose: Purpose) -> Result<Lock, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_lock(purpose) {
                Err(Error::Busy { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                decided => return decided,
            }
        }
    }

    /// The same without waiting.
    pub(crate) fn try_lock(&self, purpose: Purpose) -> Result<Lock, Error> {
        let path = self.lock_path();
        let mut file = files::private()
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        for _ in 0..100 {
            match file.try_lock() {
                Ok(()) => {
                    write_holder(&mut file, purpose).map_err(Error::file("write", &path))?;
                    return Ok(Lock { file });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(cause)) => return Err(Error::file("lock", &path)(cause)),
            }
            // To look whether the lock is held, `status` takes a shared one for a
            // moment. That must not look like a stack, so it is told from one by
            // a shared lock of our own; what it collides with is gone the next
            // time. Whoever has just taken the lock, or is about to give it up,
            // says nothing for a moment, too.
            if file.try_lock_shared().is_err() {
                let holder = read_holder(&mut file);
                if holder.pid.is_some() {
                    return Err(self.held_by(holder));
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(self.held_by(Holder {
            pid: None,
            purpose: Purpose::Stack,
        }))
    }

    fn held_by(&self, Holder { pid, purpose }: Holder) -> Error {
        let folder = self.path.clone();
        match purpose {
            Purpose::Data => Error::Busy { folder, pid },
            Purpose::Stack => Error::AlreadyRunning { folder, pid },
        }
    }

    /// Who holds the lock, if anybody does.
    pub(crate) fn holder(&self) -> Result<Option<Holder>, Error> {
        let path = self.lock_path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::file("open", &path)(cause)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
            Err(TryLockError::Error(cause)) => Err(Error::file("lock", &path)(cause)),
        }
    }

    /// Whether this process has the lock's file open, where the system tells
    /// (Linux). What stands in it may be the id of a process in another
    /// container, or of one that was killed, and then be anybody's here.
    pub(crate) fn is_open_in(&self, pid: u32) -> bool {
        let same = |path: &Path| {
            let seen = path.metadata().ok()?;
            Some((seen.dev(), seen.ino()))
        };
        let lock = same(&self.lock_path());
        if !Path::new("/proc/self/fd").exists() {
            return true;
        }
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
        let mut open = open.into_iter().flatten().flatten();
        lock.is_some() && open.any(|entry| same(&entry.path()) == lock)
    }
}

/// The right to run the stack of a folder, held until it is dropped or the
/// process ends, however it ends. Child processes do not inherit it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What it says is true no longer, and must not be read as the next one's.
        let _ = self.file.set_len(0);
        // Closing is not enough: a child that another thread is just starting
        // has the file open too until its exec, and with it the lock.
        let _ = self.file.unlock();
    }
}

/// What [`read_holder`] reads: the process alone, or with the word `data`.
fn write_holder(file: &mut File, purpose: Purpose) -> std::io::Result<()> {
    let pid = std::process::id();
    let text = match purpose {
        Purpose::Stack => pid.to_string(),
        Purpose::Data => format!("{pid} data"),
    };
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    // A file that cannot be read says as much as one that is empty.
    let _ = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_string(&mut text));
    let (pid, purpose) = match text.trim().strip_suffix(" data") {
        Some(pid) => (pid, Purpose::Data),
        None => (text.trim(), Purpose::Stack),
    };
    Holder {
        pid: pid.parse().ok(),
        purpose,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_folder_of_someone_else_is_passed_over_where_anybody_can_make_one() {
        let shared = tempfile::tempdir().unwrap();
        let below = shared.path().join("below");
        std::fs::create_dir(&below).unwrap();
        let dir = StackDir::at(shared.path());
        dir.prepare().unwrap();
        files::write(&dir.state_path(), b"{}").unwrap();
        let found = || StackDir::find(&below).is_some_and(|found| found.path() == dir.path());
        let mode = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(shared.path(), mode).unwrap();
        };
        mode(0o1777);
        assert!(found());
        // Nobody but root can give it away.
        if std::os::unix::fs::chown(dir.path(), Some(65_533), None).is_ok() {
            assert!(!found());
            mode(0o755);
            assert!(found());
        }
    }

    #[test]
    fn a_child_that_is_just_starting_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StackDir::at(folder.path());
        dir.prepare().unwrap();
        let lock = dir.lock(Purpose::Stack).unwrap();
        let (mut forked, mut tell) = io::pipe().unwrap();
        let (mut go_on, release) = io::pipe().unwrap();
        let mut child = Command::new("true");
        // SAFETY: between fork and exec the child only reads and writes a pipe.
        unsafe {
            child.pre_exec(move || {
                tell.write_all(b"!")?;
                go_on.read_exact(&mut [0])
            });
        }
        let starting = std::thread::spawn(move || child.status());
        forked.read_exact(&mut [0]).unwrap();
        // The child has a copy of every open file now, until its exec.
        drop(lock);
        let again = dir.lock(Purpose::Stack);
        (&release).write_all(b"!").unwrap();
        assert!(starting.join().unwrap().unwrap().success());
        again.unwrap();
    }
}

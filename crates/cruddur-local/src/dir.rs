//! The data folder `.cruddur`: what lies in it, who holds it, how old it is.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::state::VERSION;
use crate::{Error, Service, State, files};

/// The data folder of a stack.
#[derive(Debug, Clone)]
pub struct StackDir {
    path: PathBuf,
}

/// What is known of the stack of a folder.
///
/// Decided by the lock that a stack holds as long as its process lives, never
/// by a process id, which the system may have given to someone else since.
#[derive(Debug, Clone)]
pub enum Status {
    /// None has ever run here.
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

    /// The nearest data folder with a state file, from `start` upwards.
    pub fn find(start: &Path) -> Option<StackDir> {
        let start = std::path::absolute(start).ok()?;
        start
            .ancestors()
            .map(StackDir::at)
            .find(|dir| dir.state_path().is_file())
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
            (Some(pid), Some(state)) if pid == Some(state.pid) && state.stopped_at.is_none() => {
                Status::Running(state)
            }
            (Some(pid), _) => Status::Starting { pid },
            (None, None) => Status::Absent,
            (None, Some(state)) if state.stopped_at.is_some() && state.failure.is_none() => {
                Status::Stopped(state)
            }
            (None, Some(state)) => Status::Died(state),
        })
    }

    /// What the last stack wrote down, running or not.
    pub(crate) fn read_state(&self) -> Result<Option<State>, Error> {
        let path = self.state_path();
        let Some(text) = files::read_if_there(&path)? else {
            return Ok(None);
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|cause| Error::Damaged {
                path,
                reason: cause.to_string(),
            })
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

    /// Takes the lock for this process, or says who has it.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.lock_path();
        let mut file = files::private()
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        // To look whether the lock is held, `status` takes a shared one for a
        // moment. That must not look like a stack, so it is told from one by a
        // shared lock of our own; what it collides with is gone the next time.
        let taken = (0..100).find_map(|_| match file.try_lock() {
            Err(TryLockError::WouldBlock) => match file.try_lock_shared() {
                Ok(()) => {
                    std::thread::sleep(Duration::from_millis(1));
                    None
                }
                refused => Some(refused),
            },
            decided => Some(decided),
        });
        match taken {
            Some(Ok(())) => {}
            Some(Err(TryLockError::WouldBlock)) | None => {
                // Whoever has just taken it says so in a moment.
                let pid = (0..100).find_map(|_| {
                    read_pid(&mut file).or_else(|| {
                        std::thread::sleep(Duration::from_millis(1));
                        None
                    })
                });
                let folder = self.path.clone();
                return Err(Error::AlreadyRunning { folder, pid });
            }
            Some(Err(TryLockError::Error(cause))) => return Err(Error::file("lock", &path)(cause)),
        }
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(std::process::id().to_string().as_bytes())
        };
        write_pid(&mut file).map_err(Error::file("write", &path))?;
        Ok(Lock { file })
    }

    /// Who holds the lock: None for nobody, `Some(None)` for someone who has
    /// not said yet.
    pub(crate) fn holder(&self) -> Result<Option<Option<u32>>, Error> {
        let path = self.lock_path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::file("open", &path)(cause)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_pid(&mut file))),
            Err(TryLockError::Error(cause)) => Err(Error::file("lock", &path)(cause)),
        }
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
        // Closing is not enough: a child that another thread is just starting
        // has the file open too until its exec, and with it the lock.
        let _ = self.file.unlock();
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_that_is_just_starting_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StackDir::at(folder.path());
        dir.prepare().unwrap();
        let lock = dir.lock().unwrap();
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
        let again = dir.lock();
        (&release).write_all(b"!").unwrap();
        assert!(starting.join().unwrap().unwrap().success());
        again.unwrap();
    }
}

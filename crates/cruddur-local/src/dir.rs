//! The data folder `.cruddur`: what lies in it, how it stands, how old it is.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::lock::{Holder, Purpose};
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
    /// None has ever run here, or what it wrote down is damaged.
    Absent,
    /// A process holds the lock and is not ready yet.
    Starting {
        /// The process, if it has said so.
        pid: Option<u32>,
    },
    /// It has begun to end.
    Ending(State),
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
    ///
    /// # Errors
    ///
    /// [`Error::SomebodyElses`] where one is there that cannot be trusted.
    pub fn of(folder: &Path) -> Result<StackDir, Error> {
        let dir = StackDir::find(folder).unwrap_or_else(|| StackDir::at(folder));
        let there = dir.path.symlink_metadata().is_ok();
        if there && !dir.may_be_trusted() {
            return Err(Error::SomebodyElses { folder: dir.path });
        }
        Ok(dir)
    }

    /// The nearest data folder with a state file, from `start` upwards; also that of
    /// `start` itself where this account may not look into it.
    pub fn find(start: &Path) -> Option<StackDir> {
        let start = std::path::absolute(start).ok()?;
        let has_state = |dir: &StackDir| dir.state_path().is_file();
        start
            .ancestors()
            .map(StackDir::at)
            .filter(|dir| has_state(dir) || dir.folder() == start && dir.is_closed())
            .find(StackDir::may_be_trusted)
    }

    fn is_closed(&self) -> bool {
        let seen = self.state_path().metadata();
        let closed = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
        seen.is_err_and(closed) && self.path.symlink_metadata().is_ok()
    }

    /// In a folder such as /tmp anybody can make a data folder, which would lead
    /// everybody who works below to servers of theirs. Elsewhere the owner of
    /// the folder answers for what is in it.
    fn may_be_trusted(&self) -> bool {
        const ANYBODY_MAY_MAKE_FILES: u32 = 0o002;
        let shared = |seen: std::fs::Metadata| seen.mode() & ANYBODY_MAY_MAKE_FILES != 0;
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

    /// What the stack writes down of itself: its addresses, and how it ended.
    pub fn state_path(&self) -> PathBuf {
        self.path.join("state.json")
    }

    fn logs_path(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    pub(crate) fn turn_path(&self) -> PathBuf {
        self.path.join("turn")
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
                match state.ending {
                    false => Status::Running(state),
                    true => Status::Ending(state),
                }
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
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
        let shared_modes = [0o1777, 0o777];
        for shared_mode in shared_modes {
            mode(shared_mode);
            assert!(found());
        }
        // Nobody but root can give it away.
        if std::os::unix::fs::chown(dir.path(), Some(65_533), None).is_ok() {
            for shared_mode in shared_modes {
                mode(shared_mode);
                assert!(!found());
                assert!(matches!(
                    StackDir::of(shared.path()),
                    Err(Error::SomebodyElses { folder }) if folder == dir.path()
                ));
                assert_eq!(StackDir::of(&below).unwrap().folder(), below);
            }
            mode(0o755);
            assert!(found());
            assert!(StackDir::of(shared.path()).is_ok());
        }
    }
}

//! A folder for a stack that lives no longer than its process.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::{Error, Service, StackDir, files, postgres};

/// What the folders' names begin with, by which a later run finds leftovers.
const PREFIX: &str = "cruddur-ephemeral-";

/// A folder that is deleted when it is dropped. Where its process was killed,
/// the next one that makes such a folder deletes it.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    // Held as long as the process lives: it tells a leftover from a folder in use.
    _lock: File,
}

impl TemporaryFolder {
    /// Makes one in `parent`, and deletes what killed processes have left there.
    pub fn create_in(parent: &Path) -> Result<TemporaryFolder, Error> {
        sweep(parent);
        // Between its making and its lock another process's sweep may take it;
        // then the next one is tried.
        for _ in 0..10 {
            let name = format!("{PREFIX}{}", Uuid::new_v4().simple());
            let path = parent.join(name);
            files::create_folder(&path)?;
            let Ok(lock) = File::open(&path) else {
                continue;
            };
            if lock.try_lock().is_ok() && path.is_dir() {
                return Ok(TemporaryFolder { path, _lock: lock });
            }
        }
        Err(Error::file("create", parent)(
            std::io::ErrorKind::AlreadyExists.into(),
        ))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What cannot be deleted now is left to the next sweep.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Deletes the folders that nobody holds. Best effort: they are in nobody's way.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // A folder of someone else's, or a link to one, is not ours to look into.
        // SAFETY: geteuid only reads, and cannot fail.
        let ours = |seen: fs::Metadata| seen.is_dir() && seen.uid() == unsafe { libc::geteuid() };
        if !named || !entry.metadata().is_ok_and(ours) {
            continue;
        }
        let path = entry.path();
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            let cluster = StackDir::at(&path).data_path(Service::Postgres);
            if postgres::stop_orphan(&cluster).is_ok() {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_and_folders_in_use_stay() {
        let parent = tempfile::tempdir().unwrap();
        let in_use = TemporaryFolder::create_in(parent.path()).unwrap();
        let leftover = parent.path().join(format!("{PREFIX}of-a-killed-run"));
        let other = parent.path().join("something-else");
        fs::create_dir_all(leftover.join(".cruddur")).unwrap();
        fs::create_dir(&other).unwrap();
        let second = TemporaryFolder::create_in(parent.path()).unwrap();
        assert!(in_use.path().is_dir() && second.path().is_dir() && other.is_dir());
        assert!(!leftover.exists());
        assert_eq!(fs::metadata(second.path()).unwrap().mode() & 0o777, 0o700);
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }
}

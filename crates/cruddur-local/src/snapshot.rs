//! The data of a stack as a whole: kept under a name, put back, thrown away.
//!
//! All of it happens to a stack that does not run, under its lock: then the
//! three services' files are a state they can start from, and belong together.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::lock::Purpose;
use crate::{Error, Service, StackDir, State, files, postgres};

/// A copy of the data under a name.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The name it was given.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What holds data, relative to the data folder. SQLite's log belongs to its
/// database; the password to its cluster.
const DATA: [&str; 6] = [
    "dynamodb.sqlite",
    "dynamodb.sqlite-wal",
    "dynamodb.sqlite-shm",
    "cognito.json",
    "postgres.password",
    "postgres",
];

/// A copy to be put back that is not whole yet.
const COPIED: &str = "restore.new";
/// One that is: whatever ends the process from here on, [`finish`] puts it in place.
const WHOLE: &str = "restore.whole";
/// One whose place is free; what is in place already is no longer in it.
const MOVING: &str = "restore.moving";
/// What is being deleted. A part of a cluster must not pass for all of it.
const DELETED: &str = "data.deleted";

/// What is made, or deleted, under a name of its own first.
const UNFINISHED: [&str; 7] = [
    "postgres.new",
    COPIED,
    WHOLE,
    MOVING,
    DELETED,
    "snapshots/.new",
    "snapshots/.deleted",
];

/// Whether a snapshot of this name can be made, for those who have a stack to
/// end first.
pub fn snapshot_check_new(dir: &StackDir, name: &str) -> Result<(), Error> {
    if folder_of(dir, name)?.exists() {
        return Err(Error::SnapshotExists {
            name: name.to_owned(),
        });
    }
    // After a reset there is no more to keep than before the first start.
    let data = DATA.into_iter().chain([WHOLE, MOVING]);
    if !data.into_iter().any(|name| dir.path().join(name).exists()) {
        return Err(Error::NoData {
            folder: dir.path().to_owned(),
        });
    }
    Ok(())
}

/// Whether there is a snapshot of this name.
pub fn snapshot_check(dir: &StackDir, name: &str) -> Result<(), Error> {
    if folder_of(dir, name)?.is_dir() {
        return Ok(());
    }
    Err(Error::NoSnapshot {
        name: name.to_owned(),
    })
}

/// Keeps the data of a stopped stack under a name.
pub fn snapshot_save(dir: &StackDir, name: &str) -> Result<Snapshot, Error> {
    let target = folder_of(dir, name)?;
    dir.prepare()?;
    let _lock = dir.lock(Purpose::Data)?;
    finish(dir)?;
    postgres::stop_orphan(&dir.data_path(Service::Postgres))?;
    // A copy without it would be of no use.
    postgres::password(dir)?;
    if target.exists() {
        return Err(Error::SnapshotExists {
            name: name.to_owned(),
        });
    }
    files::create_folder(&dir.snapshots_path())?;
    // Under another name until it is whole; no snapshot's name begins so.
    let unfinished = dir.snapshots_path().join(".new");
    in_new_folder(&unfinished, || {
        copy_data(dir.path(), &unfinished)?;
        fs::rename(&unfinished, &target).map_err(Error::file("create", &target))
    })?;
    look_at(&target)
}

/// Puts the data of a stopped stack back as it was under a name.
pub fn snapshot_restore(dir: &StackDir, name: &str) -> Result<(), Error> {
    snapshot_check(dir, name)?;
    let source = folder_of(dir, name)?;
    dir.prepare()?;
    let _lock = dir.lock(Purpose::Data)?;
    finish(dir)?;
    // Copied first, so that a full disk leaves the data as it is.
    let (copied, whole) = (dir.path().join(COPIED), dir.path().join(WHOLE));
    in_new_folder(&copied, || {
        copy_data(&source, &copied)?;
        fs::rename(&copied, &whole).map_err(Error::file("create", &whole))
    })?;
    finish(dir)
}

/// Finishes what a restore that was cut off had begun to put back. To be called under
/// the lock, before the data is used.
pub(crate) fn finish(dir: &StackDir) -> Result<(), Error> {
    files::remove(&dir.path().join(DELETED))?;
    let (whole, moving) = (dir.path().join(WHOLE), dir.path().join(MOVING));
    if whole.exists() {
        remove_data(dir)?;
        fs::rename(&whole, &moving).map_err(Error::file("create", &moving))?;
    }
    for name in DATA {
        let (from, to) = (moving.join(name), dir.path().join(name));
        if from.exists() {
            fs::rename(&from, &to).map_err(Error::file("write", &to))?;
        }
    }
    files::remove(&moving)
}

/// Makes a folder and fills it. If that fails, the folder goes: what is left of
/// a copy would keep a full disk full, and no stack starts on one.
fn in_new_folder(folder: &Path, fill: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    files::remove(folder)?;
    let filled = files::create_folder(folder).and_then(|()| fill());
    if filled.is_err() {
        // The error that counts is the one that brought us here.
        let _ = files::remove(folder);
    }
    filled
}

/// The snapshots of a folder, oldest first.
pub fn snapshot_list(dir: &StackDir) -> Result<Vec<Snapshot>, Error> {
    let folder = dir.snapshots_path();
    let entries = match fs::read_dir(&folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::file("read", &folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::file("read", &folder))?.path();
        // No snapshot's name begins so, but what is half made or half deleted.
        if path.is_dir() && !entry_name(&path).starts_with('.') {
            found.push(look_at(&path)?);
        }
    }
    found.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
    Ok(found)
}

/// Deletes a snapshot. The stack may run: none of its files are touched.
pub fn snapshot_delete(dir: &StackDir, name: &str) -> Result<(), Error> {
    snapshot_check(dir, name)?;
    let path = folder_of(dir, name)?;
    // Under another name first: a part of it must not pass for all of it.
    let going = dir.snapshots_path().join(".deleted");
    files::remove(&going)?;
    fs::rename(&path, &going).map_err(Error::file("remove", &path))?;
    files::remove(&going)
}

/// Deletes the data of a stopped stack, and what is left of copies that were
/// killed. Its snapshots, its logs and the ports it had stay; a damaged version is
/// written anew.
pub fn reset(dir: &StackDir) -> Result<(), Error> {
    if !dir.path().exists() {
        return Ok(());
    }
    dir.forget_damaged_version()?;
    dir.prepare()?;
    let _lock = dir.lock(Purpose::Data)?;
    for unfinished in UNFINISHED {
        files::remove(&dir.path().join(unfinished))?;
    }
    remove_data(dir)?;
    match dir.read_state()? {
        // How it died concerns data that is gone.
        Some(state) if state.stopped_at.is_none() || state.failure.is_some() => {
            dir.write_state(&State {
                stopped_at: Some(Utc::now()),
                failure: None,
                ..state
            })
        }
        _ => Ok(()),
    }
}

/// Removes the data, and how far its stream was read: a table that is put back
/// or made anew has other records, and to apply one again changes nothing.
fn remove_data(dir: &StackDir) -> Result<(), Error> {
    postgres::stop_orphan(&dir.data_path(Service::Postgres))?;
    let going = dir.path().join(DELETED);
    for path in DATA.map(|name| dir.path().join(name)) {
        if path.exists() {
            fs::rename(&path, &going).map_err(Error::file("remove", &path))?;
        }
        files::remove(&going)?;
    }
    let entries = fs::read_dir(dir.path()).map_err(Error::file("read", dir.path()))?;
    for entry in entries {
        let path = entry.map_err(Error::file("read", dir.path()))?.path();
        let name = entry_name(&path);
        if name.starts_with("stream-") && name.ends_with(".json") {
            files::remove(&path)?;
        }
    }
    Ok(())
}

/// The name becomes a folder's, so it must not lead elsewhere.
fn folder_of(dir: &StackDir, name: &str) -> Result<PathBuf, Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || name.len() > 100 || !name.chars().all(fits) {
        return Err(Error::SnapshotName {
            name: name.to_owned(),
        });
    }
    Ok(dir.snapshots_path().join(name))
}

fn entry_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn look_at(path: &Path) -> Result<Snapshot, Error> {
    let seen = fs::metadata(path).and_then(|seen| seen.modified());
    Ok(Snapshot {
        name: entry_name(path),
        created_at: seen.map_err(Error::file("read", path))?.into(),
    })
}

/// Copies the data, and has it on the disk: what takes its name from then on has to
/// be whole after a power failure, too.
fn copy_data(from: &Path, to: &Path) -> Result<(), Error> {
    for name in DATA {
        let source = from.join(name);
        if source.exists() {
            copy(&source, &to.join(name))?;
        }
    }
    files::sync(to);
    Ok(())
}

/// Copies a file or a folder with its mode and, for root, its owner. A cluster
/// holds no links: this one has no tablespaces and its log is in its folder.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let seen = fs::symlink_metadata(from).map_err(Error::file("read", from))?;
    if seen.is_dir() {
        files::create_folder(to)?;
        for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
            let entry = entry.map_err(Error::file("read", from))?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        let mode = fs::Permissions::from_mode(seen.mode() & 0o7777);
        fs::set_permissions(to, mode).map_err(Error::file("write", to))?;
    } else {
        fs::copy(from, to).map_err(Error::file("write", to))?;
    }
    let made = fs::metadata(to).map_err(Error::file("read", to))?;
    if (made.uid(), made.gid()) != (seen.uid(), seen.gid()) {
        std::os::unix::fs::chown(to, Some(seen.uid()), Some(seen.gid()))
            .map_err(Error::file("change the owner of", to))?;
    }
    Ok(())
}

//! Files only their owner can read, written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use uuid::Uuid;

use crate::Error;

/// Makes a folder with mode 0700; one that is already there stays as it is.
pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other.map_err(Error::file("create", path)),
    }
}

/// Writes a file of mode 0600 so that a reader, and a restart after a power
/// failure, sees the old content or the new one, never a part.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    // A name of its own: several may write before one of them gets the lock.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!(".{name}.{}", Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = private().write(true).truncate(true).open(&unfinished)?;
        file.write_all(content)?;
        let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
        // What root writes into someone's folder stays theirs to read.
        let (theirs, mine) = (folder.metadata()?, file.metadata()?);
        if mine.uid() == 0 && theirs.uid() != 0 {
            fchown(&file, Some(theirs.uid()), Some(theirs.gid()))?;
        }
        file.sync_data()?;
        fs::rename(&unfinished, path)?;
        // The new name is safe only once the folder is on the disk.
        folder.sync_data()
    })();
    written.map_err(|cause| {
        // Best effort: the error that counts is the one that brought us here.
        let _ = fs::remove_file(&unfinished);
        Error::file("write", path)(cause)
    })
}

/// How large a log may become. A stack may run for months.
const MOST_LOGGED: u64 = 10 * 1024 * 1024;

/// Opens a log of mode 0600 for appending; one that has grown too large begins
/// anew.
pub(crate) fn open_log(path: &Path) -> Result<File, Error> {
    let open = || {
        let file = private().append(true).open(path)?;
        bound(&file)?;
        Ok(file)
    };
    open().map_err(Error::file("write", path))
}

/// Empties a log that has grown too large, and says so in it. Whoever writes to
/// it appends, and goes on at the new end.
pub(crate) fn bound_log(path: &Path) -> io::Result<()> {
    // A log that nobody has written yet is not made here.
    if path.exists() {
        bound(&OpenOptions::new().append(true).open(path)?)?;
    }
    Ok(())
}

fn bound(mut file: &File) -> io::Result<()> {
    if file.metadata()?.len() > MOST_LOGGED {
        file.set_len(0)?;
        writeln!(file, "(the log had passed 10 MB, and begins anew here)")?;
    }
    Ok(())
}

/// The last lines of a file from a byte offset on; none if it cannot be read,
/// because they only ever illustrate another error.
pub(crate) fn tail(path: &Path, from: u64, lines: usize) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(end.saturating_sub(64 * 1024))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let all: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let skipped = all.len().saturating_sub(lines);
    all.into_iter().skip(skipped).map(str::to_owned).collect()
}

/// The text of a file, or None if there is none.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => Err(Error::Damaged {
            path: path.to_owned(),
            reason: "it is not text".to_owned(),
        }),
        Err(cause) => Err(Error::file("read", path)(cause)),
    }
}

/// Removes a file or a folder with all in it, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(seen) if seen.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(cause) => Err(cause),
    };
    match removed {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::file("remove", path)),
    }
}

/// Puts a folder, with all in it, on the disk. Best effort, as any of it may be gone
/// by now.
pub(crate) fn sync(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sync(&entry.path());
        } else if let Ok(file) = File::open(entry.path()) {
            let _ = file.sync_all();
        }
    }
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

/// Options for a file of mode 0600 that is made if it is not there.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_has_grown_too_large_begins_anew_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        bound_log(&path).unwrap();
        assert!(!path.exists());
        let mut log = open_log(&path).unwrap();
        writeln!(log, "first").unwrap();
        bound_log(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
        log.set_len(MOST_LOGGED + 1).unwrap();
        bound_log(&path).unwrap();
        writeln!(log, "later").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("(the log had passed"), "{text}");
        assert!(text.ends_with("here)\nlater\n"), "{text}");
    }
}

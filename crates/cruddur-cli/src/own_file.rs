//! A file of this program's own in the folder `.cruddur`.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cruddur_local::{Error, StackDir};

/// Where a file of that name is for a folder: in its `.cruddur`, or in that of
/// the folder above it in which a local stack has its data.
///
/// # Errors
///
/// That folder is somebody else's.
pub fn path(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    Ok(StackDir::of(folder)?.path().join(name))
}

/// Writes it, so that whoever reads it, even after a crash of this process,
/// sees this content or the one before.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        match DirBuilder::new().mode(0o700).create(folder) {
            // As in the local stack's: nothing in it is anybody's to commit.
            Ok(()) => fs::write(folder.join(".gitignore"), "*\n")?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    // Two processes of one folder each write a file of their own first.
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    let private = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
    };
    let written = private()
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The error that counts is the one that brought us here.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

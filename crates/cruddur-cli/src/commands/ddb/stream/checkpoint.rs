//! Where a follower keeps how far it got.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cruddur_core::Error;
use cruddur_core::stream::Checkpoint;
use cruddur_local::StackDir;

use crate::ui::Ui;

/// The file `.cruddur/stream-TABLE.json` of a folder, or of the folder above it
/// in which a local stack has its data.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    /// The file for a table, whether it is there or not.
    pub fn of(folder: &Path, table: &str) -> CheckpointFile {
        let dir = StackDir::find(folder).unwrap_or_else(|| StackDir::at(folder));
        // A table's name may be an ARN, whose slashes are none of a path.
        let name = format!("stream-{}.json", table.replace('/', "_"));
        CheckpointFile {
            path: dir.path().join(name),
        }
    }

    /// The checkpoint, if there is one. One that cannot be read is passed over:
    /// applying records again changes nothing.
    pub fn load(&self, ui: &Ui) -> Option<Checkpoint> {
        let content = match fs::read(&self.path) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                ui.warning(format_args!("{}: {error}", self.path.display()));
                return None;
            }
        };
        let read = serde_json::from_slice(&content);
        read.map_err(|error| {
            ui.warning(format_args!(
                "{} is passed over: {error}",
                self.path.display()
            ));
        })
        .ok()
    }

    /// Writes it, so that whoever reads it, even after a crash of this
    /// process, sees this one or the one before.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.write(checkpoint)
            .map_err(|error| Error::Failed(format!("{}: {error}", self.path.display())))
    }

    fn write(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            match DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let content = serde_json::to_vec_pretty(checkpoint)?;
        // Two followers of one folder each write a file of their own first.
        let unfinished = self
            .path
            .with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&unfinished, content)?;
        fs::rename(&unfinished, &self.path)
    }
}

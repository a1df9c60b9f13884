//! Where a follower keeps how far it got.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cruddur_core::Error;
use cruddur_core::stream::Checkpoint;

use crate::own_file;
use crate::ui::Ui;

/// The file `stream-TABLE.json` among those of a folder; of production's table, whose
/// name is the same, `production-stream-TABLE.json`.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    /// The file for a table, whether it is there or not.
    pub fn of(
        folder: &Path,
        table: &str,
        production: bool,
    ) -> Result<CheckpointFile, cruddur_local::Error> {
        let whose = if production { "production-" } else { "" };
        // A table's name may be an ARN, whose slashes are none of a path.
        let name = format!("{whose}stream-{}.json", table.replace('/', "_"));
        let path = own_file::path(folder, &name)?;
        Ok(CheckpointFile { path })
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

    /// Writes it.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        self.write(checkpoint)
            .map_err(|error| Error::Failed(format!("{}: {error}", self.path.display())))
    }

    fn write(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        own_file::replace(&self.path, &serde_json::to_vec_pretty(checkpoint)?)
    }
}

//! How an error of the local stack is told.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;

use cruddur_local::Error;

use super::{FAILED, NOT_FOUND, REFUSED, UNREACHABLE, USAGE};
use crate::ui::Ui;

/// Prints what belongs to an error of the local stack besides its sentence.
pub fn report(ui: &Ui, error: &Error) -> ExitCode {
    for line in error.log() {
        ui.detail(line);
    }
    if let Some(hint) = hint(error) {
        ui.hint(hint);
    }
    ExitCode::from(match error {
        Error::NotRunning { .. } => UNREACHABLE,
        Error::NewerVersion { .. } | Error::SomebodyElses { .. } => REFUSED,
        Error::NoSnapshot { .. } | Error::NoData { .. } => NOT_FOUND,
        Error::SnapshotName { .. } => USAGE,
        _ => FAILED,
    })
}

/// What mends an error of the local stack, where something does.
pub fn hint(error: &Error) -> Option<String> {
    let hint = match error {
        Error::AlreadyRunning { .. } => {
            "use it as it is, or end it with `cruddur local down`".to_owned()
        }
        Error::Busy { .. } => "try again when that is done".to_owned(),
        Error::Elsewhere { .. } => "run `cruddur local down` where it was started: in that \
             container, or as that user"
            .to_owned(),
        Error::SomebodyElses { .. } => "work in a folder of your own".to_owned(),
        Error::NotRunning { .. } | Error::NoData { .. } => {
            "start it with `cruddur local up --detach`".to_owned()
        }
        Error::NewerVersion { .. } => {
            "update cruddur, or start the stack in another folder".to_owned()
        }
        Error::NoPostgres => INSTALL.to_owned(),
        Error::OtherPostgres { needed, .. } => format!(
            "install PostgreSQL {needed} again, or begin with empty data: \
             `cruddur local reset`"
        ),
        Error::File { path, source, .. } => return file_hint(path, source),
        Error::Damaged { .. } => "put a good copy in its place, or begin with empty data: \
             `cruddur local reset`"
            .to_owned(),
        Error::Service { reason, .. } if reason.contains("No space left on device") => {
            FREE_SPACE.to_owned()
        }
        Error::WrongPassword { .. } => {
            "write into that file what was set, or begin with empty data: `cruddur local reset`"
                .to_owned()
        }
        Error::Service { .. } | Error::Detached { .. } => {
            "read more with `cruddur local logs`".to_owned()
        }
        Error::StillRunning { .. } => {
            "its disk may not answer; `cruddur local status` tells when it has ended".to_owned()
        }
        Error::NoSnapshot { .. } => "list them with `cruddur local snapshot list`".to_owned(),
        Error::SnapshotExists { .. } => "choose another name".to_owned(),
        Error::SnapshotName { .. } => {
            "use letters, digits, `-`, `_` and `.`, and begin with a letter or a digit".to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

const INSTALL: &str = "install it: `apt-get install postgresql` (Debian, Ubuntu), \
     `dnf install postgresql-server` (Fedora), `brew install postgresql` (macOS); \
     or set CONNECTION_URL to a server you have";

const FREE_SPACE: &str = "free some space and try again";

fn file_hint(path: &Path, source: &io::Error) -> Option<String> {
    let hint = match source.kind() {
        ErrorKind::PermissionDenied => match files_owner(path) {
            Some(owner) => format!(
                "the folder belongs to user id {owner}: run as that user, or use another folder"
            ),
            None => "use a folder that you may write to".to_owned(),
        },
        ErrorKind::ReadOnlyFilesystem => "use a folder on a disk that can be written".to_owned(),
        ErrorKind::StorageFull => FREE_SPACE.to_owned(),
        _ => return None,
    };
    Some(hint)
}

/// Who owns the nearest part of `path` that can be seen.
fn files_owner(path: &Path) -> Option<u32> {
    path.ancestors()
        .find_map(|part| part.metadata().ok())
        .map(|seen| seen.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_postgresql_it_is_said_how_to_get_one() {
        let hint = hint(&Error::NoPostgres).unwrap();
        for part in [
            "apt-get install postgresql",
            "dnf install",
            "brew install",
            "CONNECTION_URL",
        ] {
            assert!(hint.contains(part), "{hint}");
        }
    }
}

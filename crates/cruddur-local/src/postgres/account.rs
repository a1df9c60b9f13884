//! Whom the server programs run as, and how they get to their data.
//!
//! PostgreSQL refuses to run as root. Started by root, the cluster belongs to
//! an unprivileged account, which may not be able to walk down to it: the
//! project can lie in a folder only root may enter. The programs are therefore
//! handed the open folder itself, and reach it as `/proc/self/fd/N`, a link
//! that leads there without a look at the parents.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Error;

/// An unprivileged account, for a caller that is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to become, or None where the caller's own will do. A cluster
    /// that is already there keeps its owner.
    pub(crate) fn needed(cluster: &Path) -> Option<Account> {
        // SAFETY: geteuid only reads, and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return None;
        }
        let owner = fs::metadata(cluster).ok().map(|seen| Account {
            uid: seen.uid(),
            gid: seen.gid(),
        });
        owner
            .filter(|account| account.uid != 0)
            .or_else(|| {
                let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
                ["postgres", "nobody"]
                    .iter()
                    .find_map(|name| entry(&users, name))
            })
            .or(Some(Account {
                uid: 65534,
                gid: 65534,
            }))
    }

    pub(crate) fn give(self, path: &Path) -> Result<(), Error> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(Error::file("change the owner of", path))
    }
}

fn entry(users: &str, name: &str) -> Option<Account> {
    let mut fields = users
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?
        .split(':')
        .skip(1);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Account { uid, gid })
}

/// The data folder as a server program is told of it.
pub(crate) struct Handed {
    /// What to pass for `-D`.
    pub(crate) argument: OsString,
    /// The open folder that the argument names.
    folder: Option<File>,
}

/// Opens the folder for a program that runs as `account`.
pub(crate) fn hand(folder: &Path, account: Option<Account>) -> Result<Handed, Error> {
    if account.is_none() || !cfg!(target_os = "linux") {
        return Ok(Handed {
            argument: folder.into(),
            folder: None,
        });
    }
    let file = File::open(folder).map_err(Error::file("open", folder))?;
    Ok(Handed {
        argument: format!("/proc/self/fd/{}", file.as_raw_fd()).into(),
        folder: Some(file),
    })
}

/// Prepares a command to run as `account`, in a session of its own so that a
/// terminal's Ctrl-C reaches only us, and to get `farewell` when the thread
/// that starts it ends (Linux). The command keeps the folder open.
pub(crate) fn confine(
    command: &mut Command,
    account: Option<Account>,
    handed: Handed,
    farewell: libc::c_int,
) {
    let folder = handed.folder;
    let parent = std::process::id();
    // In the new process, before the program: only calls that are safe after
    // a fork, so nothing here allocates.
    let prepare = move || {
        check(unsafe { libc::setsid() })?;
        if let Some(folder) = &folder {
            check(unsafe { libc::fcntl(folder.as_raw_fd(), libc::F_SETFD, 0) })?;
        }
        if let Some(Account { uid, gid }) = account {
            check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
            check(unsafe { libc::setgid(gid) })?;
            check(unsafe { libc::setuid(uid) })?;
        }
        // After setuid, which clears it.
        #[cfg(target_os = "linux")]
        {
            check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, farewell) })?;
            // Had the parent ended before that line, no signal would come.
            if unsafe { libc::getppid() } as u32 != parent {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (parent, farewell);
        Ok(())
    };
    // SAFETY: see the comment above; the closure makes system calls only.
    unsafe { command.pre_exec(prepare) };
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether a file system has the room and the right for a cluster: PostgreSQL's
/// own complaints about either come late and in many words.
pub(crate) fn writable(folder: &Path) -> Result<(), Error> {
    let path = CString::new(folder.as_os_str().as_bytes())
        .map_err(|cause| Error::file("read", folder)(cause.into()))?;
    // SAFETY: the string is valid and ends in NUL; access only reads it.
    check(unsafe { libc::access(path.as_ptr(), libc::W_OK) })
        .map_err(Error::file("write to", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_account_of_a_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\n\
                     postgres2:x:5:5::/:\n\
                     postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n\
                     nobody:x:65534:65533::/:\n";
        assert_eq!(
            entry(users, "postgres"),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(
            entry(users, "nobody"),
            Some(Account {
                uid: 65534,
                gid: 65533
            })
        );
        assert_eq!(entry(users, "root"), None);
        assert_eq!(entry(users, "absent"), None);
    }
}

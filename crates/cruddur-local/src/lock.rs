//! Who works in a data folder: the locks that say so, and the process behind them.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{Error, StackDir, files};

/// What a process holds a folder's lock for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run the stack, until it is asked to end.
    Stack,
    /// To copy or to delete the data, which nobody may end halfway.
    Data,
}

/// Who holds a folder's lock, by what stands in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    /// The process, if it has said so yet.
    pub(crate) pid: Option<u32>,
    pub(crate) purpose: Purpose,
}

/// How long the lock is waited for while someone copies or deletes the data.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long whoever holds the lock may take to say who it is: two writes to a
/// file, on a machine that may have other things to do.
const SILENCE: Duration = Duration::from_secs(5);

impl StackDir {
    /// Takes the lock for this process, or says who has it. Whoever copies or
    /// deletes the data is waited for.
    pub(crate) fn lock(&self, purpose: Purpose) -> Result<Lock, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_lock(purpose) {
                Err(Error::Busy { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                decided => return decided,
            }
        }
    }

    /// The same without waiting.
    pub(crate) fn try_lock(&self, purpose: Purpose) -> Result<Lock, Error> {
        let path = self.lock_path();
        let mut file = files::private()
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        let deadline = Instant::now() + SILENCE;
        while Instant::now() < deadline {
            match file.try_lock() {
                Ok(()) => {
                    write_holder(&mut file, purpose).map_err(Error::file("write", &path))?;
                    return Ok(Lock { file });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(cause)) => return Err(Error::file("lock", &path)(cause)),
            }
            // To look whether the lock is held, `status` and whoever waits take a
            // shared one for a moment. That must not look like a stack; it is gone
            // the next time. Whoever has just taken the lock, or is about to give
            // it up, says nothing for a moment, too.
            if let Some(holder) = self.holder()?
                && holder.pid.is_some()
            {
                return Err(self.held_by(holder));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(self.held_by(Holder {
            pid: None,
            purpose: Purpose::Stack,
        }))
    }

    fn held_by(&self, Holder { pid, purpose }: Holder) -> Error {
        let folder = self.path().to_owned();
        match purpose {
            Purpose::Data => Error::Busy { folder, pid },
            Purpose::Stack => Error::AlreadyRunning { folder, pid },
        }
    }

    /// Who holds the lock, if anybody does.
    pub(crate) fn holder(&self) -> Result<Option<Holder>, Error> {
        let path = self.lock_path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::file("open", &path)(cause)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
            Err(TryLockError::Error(cause)) => Err(Error::file("lock", &path)(cause)),
        }
    }

    /// The right to end the stack, to change its data and to start it again, as one
    /// change; none while another process has it. The lock alone would not do: it is
    /// free between these steps, and the stack's own while it runs.
    pub fn turn(&self) -> Result<Option<Turn>, Error> {
        files::create_folder(self.path())?;
        let path = self.turn_path();
        let file = files::private()
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Turn { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(Error::file("lock", &path)(cause)),
        }
    }

    /// Whether this process has the lock's file open, where the system tells
    /// (Linux). What stands in it may be the id of a process in another
    /// container, or of one that was killed, and then be anybody's here.
    pub(crate) fn is_open_in(&self, pid: u32) -> bool {
        let same = |path: &Path| {
            let seen = path.metadata().ok()?;
            Some((seen.dev(), seen.ino()))
        };
        let lock = same(&self.lock_path());
        if !Path::new("/proc/self/fd").exists() {
            return true;
        }
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
        let mut open = open.into_iter().flatten().flatten();
        lock.is_some() && open.any(|entry| same(&entry.path()) == lock)
    }
}

/// The lock of a folder: the right to run its stack, or to copy or delete its
/// data. Held until it is dropped or the process ends, however it ends. Child
/// processes do not inherit it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Whether the file that is the lock was deleted. One that was moved is not.
    pub(crate) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|seen| seen.nlink() == 0)
    }

    /// Whether the folder still has this lock: it may have been deleted, and made anew.
    pub(crate) fn is_there(&self, dir: &StackDir) -> bool {
        let (ours, there) = (self.file.metadata(), dir.lock_path().metadata());
        matches!((ours, there), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What it says is true no longer, and must not be read as the next one's.
        let _ = self.file.set_len(0);
        // Closing is not enough: a child that another thread is just starting
        // has the file open too until its exec, and with it the lock.
        let _ = self.file.unlock();
    }
}

/// What [`StackDir::turn`] gives, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Turn {
    file: File,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // As with the lock: closing is not enough.
        let _ = self.file.unlock();
    }
}

/// What [`read_holder`] reads: the process alone, or with the word `data`.
fn write_holder(file: &mut File, purpose: Purpose) -> std::io::Result<()> {
    let pid = std::process::id();
    let text = match purpose {
        Purpose::Stack => pid.to_string(),
        Purpose::Data => format!("{pid} data"),
    };
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    // A file that cannot be read says as much as one that is empty.
    let _ = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_string(&mut text));
    let (pid, purpose) = match text.trim().strip_suffix(" data") {
        Some(pid) => (pid, Purpose::Data),
        None => (text.trim(), Purpose::Stack),
    };
    Holder {
        pid: pid.parse().ok(),
        purpose,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn those_who_wait_do_not_keep_each_other_from_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StackDir::at(folder.path());
        dir.prepare().unwrap();
        drop(dir.lock(Purpose::Data).unwrap());
        // As `status` looks for a moment, and long enough for all to have begun.
        let looked_at = File::open(dir.lock_path()).unwrap();
        looked_at.lock_shared().unwrap();
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let dir = dir.clone();
                std::thread::spawn(move || dir.lock(Purpose::Data).map(drop))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20));
        drop(looked_at);
        for waited in waiting {
            waited.join().unwrap().unwrap();
        }
    }

    #[test]
    fn a_child_that_is_just_starting_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StackDir::at(folder.path());
        dir.prepare().unwrap();
        let lock = dir.lock(Purpose::Stack).unwrap();
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
        let again = dir.lock(Purpose::Stack);
        (&release).write_all(b"!").unwrap();
        assert!(starting.join().unwrap().unwrap().success());
        again.unwrap();
    }
}

//! A stack in another process: starting it in the background, ending it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::lock::{Holder, Purpose};
use crate::{Error, Service, StackDir, State, Status, files, postgres};

const PAUSE: Duration = Duration::from_millis(10);

/// How long a start that was given up may take to end what it had begun.
const LEFTOVER: Duration = Duration::from_secs(10);

/// How long a process that was killed may take to go.
const KILLED: Duration = Duration::from_secs(5);

/// What [`down`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Nothing: none was running.
    NotRunning,
    /// The stack ended in order.
    Stopped,
    /// It did not obey, and was killed.
    Killed,
}

/// Asks the running stack to end (SIGTERM) and waits until it has, at most for
/// `timeout`; then kills it. What it had acknowledged is on the disk either way.
/// Whoever copies or deletes the data is waited for, and never ended.
pub fn down(dir: &StackDir, timeout: Duration) -> Result<Down, Error> {
    let Some(pid) = stack_process(dir, timeout)? else {
        // A server that outlived a stack that died ends here as well.
        postgres::stop_orphan(&dir.data_path(Service::Postgres))?;
        return Ok(Down::NotRunning);
    };
    for (signal, patience, done) in [
        (libc::SIGTERM, timeout, Down::Stopped),
        (libc::SIGKILL, KILLED, Down::Killed),
    ] {
        if dir.is_open_in(pid) {
            // SAFETY: sends a signal, to the process that holds the lock.
            let sent = unsafe { libc::kill(pid as libc::pid_t, signal) };
            if sent == -1 && io::Error::last_os_error().kind() == ErrorKind::PermissionDenied {
                return Err(elsewhere(dir, pid));
            }
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            // One that says nothing may still be about to give the lock up.
            let next = |now: Holder| now.pid.is_some_and(|other| other != pid);
            if dir.holder()?.is_none_or(next) {
                postgres::stop_orphan(&dir.data_path(Service::Postgres))?;
                return Ok(done);
            }
            sleep(PAUSE);
        }
    }
    Err(Error::StillRunning {
        pid,
        seconds: (timeout + KILLED).as_secs(),
    })
}

/// Waits until a stack that is ending has ended, at most for `timeout`.
pub fn wait_until_ended(dir: &StackDir, timeout: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + timeout;
    while let Status::Ending(_) = dir.status()?
        && Instant::now() < deadline
    {
        sleep(PAUSE);
    }
    Ok(())
}

/// Ends the server that a start left behind when it was given up, so that
/// nothing is left when the caller exits.
pub fn end_leftover(dir: &StackDir) -> Result<(), Error> {
    if !dir.path().exists() {
        return Ok(());
    }
    let deadline = Instant::now() + LEFTOVER;
    loop {
        return match dir.try_lock(Purpose::Data) {
            Ok(_lock) => postgres::stop_orphan(&dir.data_path(Service::Postgres)),
            // A part of that start which has yet to see that it was given up.
            Err(Error::AlreadyRunning { pid, .. })
                if pid == Some(std::process::id()) && Instant::now() < deadline =>
            {
                sleep(PAUSE);
                continue;
            }
            // It is someone else's by now.
            Err(Error::AlreadyRunning { .. } | Error::Busy { .. }) => Ok(()),
            Err(error) => Err(error),
        };
    }
}

/// The process that runs the stack. It writes its id a moment after taking the
/// lock.
fn stack_process(dir: &StackDir, timeout: Duration) -> Result<Option<u32>, Error> {
    let begun = Instant::now();
    loop {
        let Some(Holder { pid, purpose }) = dir.holder()? else {
            return Ok(None);
        };
        let waited = begun.elapsed();
        match (pid, purpose) {
            (Some(pid), Purpose::Stack) if dir.is_open_in(pid) => return Ok(Some(pid)),
            // Until it writes its own id, that of one that was killed may stand there.
            (Some(pid), Purpose::Stack) if waited > PAUSE * 100 => return Err(elsewhere(dir, pid)),
            (pid, Purpose::Data) if waited > timeout => {
                let folder = dir.path().to_owned();
                return Err(Error::Busy { folder, pid });
            }
            (None, Purpose::Stack) if waited > timeout => {
                let folder = dir.path().to_owned();
                return Err(Error::AlreadyRunning { folder, pid });
            }
            _ => sleep(PAUSE),
        }
    }
}

fn elsewhere(dir: &StackDir, pid: u32) -> Error {
    Error::Elsewhere {
        folder: dir.path().to_owned(),
        pid,
    }
}

/// A stack that was started in the background.
#[derive(Debug)]
pub struct Detached {
    child: Child,
    log: PathBuf,
    /// Where this run's part of the log begins.
    log_from: u64,
}

impl Detached {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn end(&mut self) {
        // Both fail only if it has ended by itself just now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program that runs the stack of `dir`, in a session of its own, with
/// no input, and with its output in [`StackDir::log_path`].
pub fn spawn_detached(exe: &Path, args: &[OsString], dir: &StackDir) -> Result<Detached, Error> {
    dir.prepare()?;
    let log = dir.log_path();
    let output = files::open_log(&log)?;
    let log_from = output.metadata().map_err(Error::file("read", &log))?.len();
    let errors = output.try_clone().map_err(Error::file("write", &log))?;
    let mut command = Command::new(exe);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    // SAFETY: makes system calls only, as is allowed after a fork.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() == -1 {
                return Err(io::Error::last_os_error());
            }
            close_others_on_exec();
            Ok(())
        })
    };
    let child = command.spawn().map_err(Error::file("run", exe))?;
    Ok(Detached {
        child,
        log,
        log_from,
    })
}

/// Has files of whoever started this program closed in the one that takes its
/// place, which would keep a pipe open as long as it runs. They are closed no
/// sooner, since one of them tells the parent that the program was not found.
fn close_others_on_exec() {
    // SAFETY: marks descriptors of this process; one that is not open is no harm.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        ) == 0
        {
            return;
        }
        // An older kernel, or another system.
        for descriptor in 3..libc::getdtablesize().min(65_536) {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Waits until the stack of `dir` answers. If another process was faster, its
/// stack is as good. One that ends, or is not ready in time, is an error with
/// the last lines of its log; the process is ended then.
pub fn wait_until_ready(
    dir: &StackDir,
    mut detached: Detached,
    timeout: Duration,
) -> Result<State, Error> {
    let deadline = Instant::now() + timeout;
    let failed = |reason: String, detached: &Detached| Error::Detached {
        reason,
        log: files::tail(&detached.log, detached.log_from, 20),
    };
    loop {
        let ended = detached
            .child
            .try_wait()
            .map_err(|cause| failed(cause.to_string(), &detached))?;
        match (dir.status()?, ended) {
            (Status::Running(state), _) => {
                if state.pid != detached.pid() {
                    // It has nothing to do but to find the lock taken; left to
                    // itself, it might find it free again and start.
                    detached.end();
                }
                return Ok(state);
            }
            // Ours has ended because another one is on its way.
            (Status::Starting { .. }, Some(_)) | (_, None) => {}
            (_, Some(status)) => return Err(failed(format!("it ended with {status}"), &detached)),
        }
        if Instant::now() > deadline {
            detached.end();
            let seconds = timeout.as_secs();
            return Err(failed(
                format!("it was not ready in {seconds} s"),
                &detached,
            ));
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_replaces_the_data_is_waited_for_and_not_ended() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StackDir::at(folder.path());
        dir.prepare().unwrap();
        let lock = dir.lock(Purpose::Data).unwrap();
        // It would end this very process.
        let error = down(&dir, Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error}");
        let error = dir.try_lock(Purpose::Stack).unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error}");
        end_leftover(&dir).unwrap();
        let waiting = {
            let dir = dir.clone();
            std::thread::spawn(move || dir.lock(Purpose::Stack).map(drop))
        };
        drop(lock);
        waiting.join().unwrap().unwrap();
        assert_eq!(down(&dir, Duration::ZERO).unwrap(), Down::NotRunning);
    }
}

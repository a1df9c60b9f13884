//! A command that runs beside a stack and does not outlive it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

/// A command that, on Linux, is told to end (SIGTERM) when the thread that
/// started it does: whoever runs a stack for it may be killed.
#[derive(Debug)]
pub struct Companion {
    child: Child,
}

impl Companion {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Those of starting a program: it is not there, or is none.
    pub fn start(mut command: Command) -> io::Result<Companion> {
        #[cfg(target_os = "linux")]
        {
            let parent = std::process::id();
            let prepare = move || {
                // SAFETY: both only make a system call, as is allowed after a fork.
                let (set, now) = unsafe {
                    let set = libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                    (set, libc::getppid())
                };
                if set == -1 {
                    return Err(io::Error::last_os_error());
                }
                // Had the parent ended before that line, no signal would come.
                if now as u32 != parent {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                Ok(())
            };
            // SAFETY: the closure makes system calls only.
            unsafe { command.pre_exec(prepare) };
        }
        let child = command.spawn()?;
        Ok(Companion { child })
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    ///
    /// Those of `waitpid`, which a process has no way to bring about.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Passes on a request to end: SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&self) {
        self.signal(libc::SIGINT);
    }

    /// Passes on a request to end: SIGTERM.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    fn signal(&self, number: libc::c_int) {
        // SAFETY: sends a signal. Its id is not another's: only `ended` waits
        // for it, and needs the same value mutably.
        unsafe { libc::kill(self.child.id() as libc::pid_t, number) };
    }
}

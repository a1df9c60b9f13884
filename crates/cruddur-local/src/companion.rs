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

    /// Passes on that the terminal is closed: SIGHUP, by which an interactive
    /// shell ends, and SIGTERM for what takes the first for something else.
    pub fn hang_up(&self) {
        self.signal(libc::SIGHUP);
        self.signal(libc::SIGTERM);
    }

    /// Passes on a request to end: SIGTERM.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    fn signal(&self, number: libc::c_int) {
        // A process that is stopped hears of the first when it goes on.
        for number in [number, libc::SIGCONT] {
            // SAFETY: sends a signal. Its id is not another's: only `ended` waits
            // for it, and needs the same value mutably.
            unsafe { libc::kill(self.child.id() as libc::pid_t, number) };
        }
    }
}

/// Whether this process was started so that SIGHUP does not end it, as `nohup`
/// does. Whoever listens for the signal undoes that, so it is asked first.
pub fn hangup_is_ignored() -> bool {
    // SAFETY: all zeroes is a valid value; the call only fills it in.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut action);
        asked == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

//! Child processes: their end, and a terminal for them.

use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Longer than any command takes on the busiest machine.
const HANGS: Duration = Duration::from_secs(180);

/// How a child ends, which it must: one that hangs fails its test instead of
/// holding up all of them.
pub fn output(child: Child) -> Output {
    let pid = i32::try_from(child.id()).unwrap();
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let late = end.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout);
        if late {
            // SAFETY: sends a signal to a child that is still being waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        late
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    assert!(!watch.join().unwrap(), "did not end: {output:?}");
    output
}

/// The status of a child that ends as [`output`]'s does.
pub fn status(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > HANGS {
            child.kill().unwrap();
            panic!("did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A terminal of its own for a command; it is closed when the file is.
pub fn with_terminal(command: &mut Command) -> File {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: the first two are filled in, the others may be null.
    let opened = unsafe {
        libc::openpty(
            &mut ours,
            &mut theirs,
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert_eq!(opened, 0);
    // SAFETY: both are open, and nobody else's.
    let (ours, theirs) = unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) };
    let prepare = || {
        // SAFETY: both only make a system call, as is allowed after a fork.
        let made = unsafe { libc::setsid() != -1 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0 };
        made.then_some(()).ok_or_else(std::io::Error::last_os_error)
    };
    command
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs);
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(prepare) };
    // SAFETY: the child must not keep the other end open, or it never closes.
    unsafe { libc::fcntl(ours.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    ours
}

//! A server that outlived its stack.
//!
//! On Linux the kernel tells a server when its stack dies; elsewhere, or in the
//! moment the server needs to end, a new start finds it still at the data.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{Error, Service, files};

/// Ends the server that still runs on this cluster, if there is one, and waits
/// until it has.
pub(crate) fn stop_orphan(cluster: &Path) -> Result<(), Error> {
    let Some(pid) = running(cluster) else {
        return Ok(());
    };
    // Fast, then immediate: the second leaves recovery to the next start.
    for (signal, patience) in [(libc::SIGINT, 10), (libc::SIGQUIT, 5), (libc::SIGKILL, 2)] {
        // SAFETY: sends a signal; the process is this cluster's server.
        unsafe { libc::kill(pid, signal) };
        let deadline = Instant::now() + Duration::from_secs(patience);
        while Instant::now() < deadline {
            if running(cluster) != Some(pid) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Err(Error::Service {
        service: Service::Postgres,
        reason: format!("a server (pid {pid}) still runs on its data and does not end"),
        log: Vec::new(),
    })
}

/// Takes away the file that names a server of this cluster where another process
/// has its id by now: PostgreSQL takes any of its own account for that server, and
/// does not start. To be called under the folder's lock.
pub(crate) fn forget_other(cluster: &Path) -> Result<(), Error> {
    let other = named(cluster).filter(|pid| !is_server_of(*pid, cluster));
    // SAFETY: asks whether there is such a process, and sends nothing. Where there
    // is none the file stays: by it the next server finds what is left of the last.
    if other.is_some_and(|pid| unsafe { libc::kill(pid, 0) } == 0) {
        files::remove(&pid_file(cluster))?;
    }
    Ok(())
}

/// The server on this cluster, by the file it keeps there and by a look at the
/// process, since the file stays when a server is killed and ids are reused.
fn running(cluster: &Path) -> Option<libc::pid_t> {
    named(cluster).filter(|pid| is_server_of(*pid, cluster))
}

fn named(cluster: &Path) -> Option<libc::pid_t> {
    let text = fs::read_to_string(pid_file(cluster)).ok()?;
    let pid: libc::pid_t = text.lines().next()?.trim().parse().ok()?;
    (pid > 0).then_some(pid)
}

fn pid_file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

/// A server's current folder is its cluster. A process that has ended but was
/// not waited for has none.
#[cfg(target_os = "linux")]
fn is_server_of(pid: libc::pid_t, cluster: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = || {
        let there = fs::metadata(format!("/proc/{pid}/cwd")).ok()?;
        let here = fs::metadata(cluster).ok()?;
        Some(there.dev() == here.dev() && there.ino() == here.ino())
    };
    same().unwrap_or(false)
}

/// A server is told its cluster by its arguments.
#[cfg(not(target_os = "linux"))]
fn is_server_of(pid: libc::pid_t, cluster: &Path) -> bool {
    let output = std::process::Command::new("/bin/ps")
        .args(["-ww", "-o", "args=", "-p", &pid.to_string()])
        .output();
    output.is_ok_and(|output| {
        let arguments = String::from_utf8_lossy(&output.stdout);
        arguments.contains("postgres") && arguments.contains(&*cluster.to_string_lossy())
    })
}

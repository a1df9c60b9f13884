//! The cluster: the folder of PostgreSQL's files, made once.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::ptr;
use std::time::Duration;

use uuid::Uuid;

use super::account::{self, Account};
use super::find::{Programs, environment};
use crate::{Error, Service, StackDir, files};

/// The superuser of every cluster.
pub(crate) const USER: &str = "postgres";

/// A cluster that is ready to be started.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
    pub(crate) password: String,
    pub(crate) account: Option<Account>,
    /// Whether its data has to survive a power failure.
    pub(crate) durable: bool,
}

impl Cluster {
    /// Opens the cluster, or makes one if there is none, unless that is given up.
    pub(crate) fn open(
        dir: &StackDir,
        programs: &Programs,
        durable: bool,
        given_up: impl Fn() -> bool,
    ) -> Result<Cluster, Error> {
        let folder = dir.data_path(Service::Postgres);
        let account = Account::needed(&folder);
        let there = is_there(&folder);
        let password = match password(dir)? {
            Some(password) => password,
            None => {
                // 122 random bits, in digits that need no escape anywhere. Saved
                // before the cluster is: without it the cluster is lost.
                let password = Uuid::new_v4().simple().to_string();
                files::write(&dir.password_path(), password.as_bytes())?;
                password
            }
        };
        let cluster = Cluster {
            folder,
            password,
            account,
            durable,
        };
        if !there {
            cluster.init(programs, given_up)?;
        }
        Ok(cluster)
    }

    /// Runs `initdb` beside the final folder and moves the result there, so that
    /// what is interrupted leaves no half a cluster.
    fn init(&self, programs: &Programs, given_up: impl Fn() -> bool) -> Result<(), Error> {
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        account::writable(parent)?;
        let unfinished = parent.join("postgres.new");
        files::remove(&unfinished)?;
        files::create_folder(&unfinished)?;
        if let Some(account) = self.account {
            account.give(&unfinished)?;
        }
        let handed = account::hand(&unfinished, self.account)?;
        let mut command = Command::new(programs.initdb());
        command
            .arg("-D")
            .arg(&handed.argument)
            .arg(format!("--username={USER}"))
            .args([
                "--pwfile=/dev/stdin",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                lc_ctype(),
                // Made up for by `sync_later`.
                "--no-sync",
            ])
            .env_clear()
            .envs(environment())
            .current_dir("/")
            .stdin(self.password_file(parent)?)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        account::confine(&mut command, self.account, handed, libc::SIGTERM);
        let ended = command.spawn().and_then(|child| end_of(child, given_up));
        let (status, stderr) = ended.map_err(Error::file("run", &programs.initdb()))?;
        if !status.success() {
            files::remove(&unfinished)?;
            return Err(failed(&stderr));
        }
        fs::rename(&unfinished, &self.folder).map_err(Error::file("create", &self.folder))?;
        if self.durable {
            sync_later(self.folder.clone());
        }
        Ok(())
    }

    /// The password as an open file without a name: initdb must read it under
    /// its own account, and nobody else should.
    fn password_file(&self, parent: &Path) -> Result<Stdio, Error> {
        let path = parent.join(".pwfile");
        files::remove(&path)?;
        let mut file = files::private()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(Error::file("create", &path))?;
        if let Some(account) = self.account {
            account.give(&path)?;
        }
        fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        writeln!(file, "{}", self.password)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .map_err(Error::file("write", &path))?;
        Ok(file.into())
    }
}

fn is_there(folder: &Path) -> bool {
    folder.join("PG_VERSION").exists()
}

/// The password of the folder's cluster, where there is one; where its file is gone,
/// that which the last stack wrote down is saved anew.
///
/// # Errors
///
/// [`Error::Damaged`] for a cluster whose password nobody knows.
pub(crate) fn password(dir: &StackDir) -> Result<Option<String>, Error> {
    let (path, folder) = (dir.password_path(), dir.data_path(Service::Postgres));
    if let Some(text) = files::read_if_there(&path)? {
        return Ok(Some(text.trim().to_owned()));
    }
    if !is_there(&folder) {
        return Ok(None);
    }
    let Some(last) = dir.read_state()? else {
        return Err(Error::Damaged {
            path: folder,
            reason: format!("its password, {}, is missing", path.display()),
        });
    };
    files::write(&path, last.postgres.password.as_bytes())?;
    Ok(Some(last.postgres.password))
}

/// What tells PostgreSQL which letters there are: as on most servers all of Unicode's,
/// where the C library has a locale that does and is the same everywhere. By C alone
/// `lower('É')` is no lowercase letter.
fn lc_ctype() -> &'static str {
    // SAFETY: makes a locale, or none, and frees it.
    unsafe {
        let locale = libc::newlocale(libc::LC_CTYPE_MASK, c"C.UTF-8".as_ptr(), ptr::null_mut());
        if locale.is_null() {
            return "--lc-ctype=C";
        }
        libc::freelocale(locale);
    }
    "--lc-ctype=C.UTF-8"
}

/// How a program ends, and what it writes to stderr. Once it is given up it is
/// killed, with the processes it has started: all are a group of its own.
fn end_of(mut child: Child, given_up: impl Fn() -> bool) -> io::Result<(ExitStatus, Vec<u8>)> {
    let group = -(child.id() as libc::pid_t);
    let mut stderr = child.stderr.take();
    std::thread::scope(|scope| {
        let told = scope.spawn(move || {
            let mut told = Vec::new();
            // It only illustrates the status.
            let _ = stderr.as_mut().map(|from| from.read_to_end(&mut told));
            told
        });
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if given_up() {
                // SAFETY: sends a signal; the child has not been waited for.
                unsafe { libc::kill(group, libc::SIGKILL) };
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Ok((status, told.join().unwrap_or_default()))
    })
}

/// Puts a new cluster on the disk, in the background: to wait for it would be
/// most of the first start on a busy machine, and until it is done a power
/// failure costs no more than what was written in these few seconds.
///
/// File by file: a process cannot end while one of its threads waits for a whole
/// file system.
fn sync_later(folder: PathBuf) {
    std::thread::spawn(move || files::sync(&folder));
}

fn failed(stderr: &[u8]) -> Error {
    let text = String::from_utf8_lossy(stderr);
    let log: Vec<String> = text.lines().map(str::to_owned).collect();
    let told = ["FATAL:", "error:"].iter().find_map(|mark| {
        let mut lines = log.iter();
        lines.find_map(|line| Some(line.split_once(mark)?.1.trim()))
    });
    let reason = match told {
        Some(told) => format!("initdb failed: {told}"),
        None => "initdb failed".to_owned(),
    };
    Error::Service {
        service: Service::Postgres,
        reason,
        log,
    }
}

//! Where this machine keeps its PostgreSQL server programs.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Error, Service, StackDir};

/// The folder of one PostgreSQL installation's server programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// Such as `15.18`.
    pub(crate) version: String,
}

impl Programs {
    pub(crate) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// What a cluster notes as the version that made it: 15 of `15.18`, 18 of
    /// `18beta1`.
    pub(crate) fn major(&self) -> &str {
        let other = |c: char| !c.is_ascii_digit();
        self.version.split(other).next().unwrap_or_default()
    }
}

/// The programs for a cluster: those of the major version that made it, or the
/// first that are found if there is no cluster yet.
pub(crate) fn find(search_path: Option<&OsStr>, cluster: &Path) -> Result<Programs, Error> {
    let needed = crate::files::read_if_there(&cluster.join("PG_VERSION"))?
        .map(|text| text.trim().to_owned());
    choose(folders(search_path), needed.as_deref(), cluster)
}

/// The version of the PostgreSQL server programs that a stack in `dir` would be
/// started with.
///
/// # Errors
///
/// [`Error::NoPostgres`] and [`Error::OtherPostgres`].
pub fn installed_postgres(dir: &StackDir, search_path: Option<&OsStr>) -> Result<String, Error> {
    let programs = find(search_path, &dir.data_path(Service::Postgres))?;
    Ok(programs.version)
}

fn choose(
    folders: impl IntoIterator<Item = PathBuf>,
    needed: Option<&str>,
    cluster: &Path,
) -> Result<Programs, Error> {
    let mut others: Vec<String> = Vec::new();
    for programs in folders.into_iter().filter_map(look_at) {
        if needed.is_none_or(|needed| needed == programs.major()) {
            return Ok(programs);
        }
        if !others.contains(&programs.version) {
            others.push(programs.version);
        }
    }
    match needed {
        Some(needed) if !others.is_empty() => Err(Error::OtherPostgres {
            folder: cluster.to_owned(),
            needed: needed.to_owned(),
            found: others.join(", "),
        }),
        _ => Err(Error::NoPostgres),
    }
}

/// The folders to look in, best first. Lazy, because each costs a look at the
/// disk, `pg_config` a process, and the first nearly always does.
fn folders(search_path: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    let path: Vec<PathBuf> = search_path
        .map(|value| std::env::split_paths(value).collect())
        .unwrap_or_default();
    let configured = path.clone();
    path.into_iter()
        .chain(std::iter::once_with(move || bin_of_pg_config(&configured)).flatten())
        .chain(std::iter::once_with(usual_folders).flatten())
}

fn bin_of_pg_config(path: &[PathBuf]) -> Option<PathBuf> {
    let program = path
        .iter()
        .map(|folder| folder.join("pg_config"))
        .find(|program| program.is_file())?;
    first_line(&program, "--bindir").map(PathBuf::from)
}

/// What Debian, Fedora's and PostgreSQL's own packages, and Homebrew do.
fn usual_folders() -> Vec<PathBuf> {
    [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
    ]
    .into_iter()
    .flat_map(|(parent, prefix)| versions_in(Path::new(parent), prefix))
    .collect()
}

/// The `bin` folders of the installations in a folder, highest version first.
fn versions_in(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let rest = name.to_str()?.strip_prefix(prefix)?;
            let version = rest.trim_start_matches('@').parse().unwrap_or(0);
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn look_at(folder: PathBuf) -> Option<Programs> {
    let postgres = folder.join("postgres");
    if !postgres.is_file() {
        return None;
    }
    // A link in PATH usually stands for one program; its siblings are where it
    // points to.
    let real = postgres.canonicalize().ok()?.parent()?.to_owned();
    let folder = [real, folder]
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())?;
    let line = first_line(&folder.join("postgres"), "--version")?;
    Some(Programs {
        version: version_in(&line)?,
        folder,
    })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → `15.18`
fn version_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("(PostgreSQL) ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn first_line(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}

/// The environment the server programs get: nothing of the caller's `PG*` and
/// locale variables, which would change what they do.
pub(crate) fn environment() -> [(&'static str, OsString); 2] {
    [("LC_ALL", "C".into()), ("TZ", "UTC".into())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn install(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        for name in ["postgres", "initdb"] {
            let program = folder.join(name);
            let script = format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n");
            // Written elsewhere and moved: a fork of another test could hold the
            // file open for writing, and then it could not be executed.
            fs::write(folder.join("new"), script).unwrap();
            fs::set_permissions(folder.join("new"), PermissionsExt::from_mode(0o755)).unwrap();
            fs::rename(folder.join("new"), &program).unwrap();
        }
    }

    #[test]
    fn reads_the_version_of_a_distribution() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(version_in(debian).unwrap(), "15.18");
        let beta = Programs {
            folder: PathBuf::new(),
            version: version_in("postgres (PostgreSQL) 18beta1").unwrap(),
        };
        assert_eq!((&*beta.version, beta.major()), ("18beta1", "18"));
        assert!(version_in("busybox").is_none());
    }

    #[test]
    fn the_highest_version_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["pg@9", "pg@15", "pg", "pg@100", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let found = versions_in(dir.path(), "pg");
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap())
            .collect();
        assert_eq!(
            names,
            ["pg@100/bin", "pg@15/bin", "pg@9/bin", "pg/bin"].map(Path::new)
        );
    }

    #[test]
    fn the_version_that_made_the_data_is_preferred_and_needed() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("17"), dir.path().join("15"));
        install(&new, "17.2");
        install(&old, "15.18");
        let both = || [new.clone(), old.clone()];
        let cluster = Path::new("cluster");
        assert_eq!(choose(both(), None, cluster).unwrap().version, "17.2");
        assert_eq!(
            choose(both(), Some("15"), cluster).unwrap().version,
            "15.18"
        );
        let error = choose(both(), Some("16"), cluster).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cluster was made by PostgreSQL 16, and this machine has only 17.2, 15.18"
        );
    }

    #[test]
    fn none_at_all_is_told_as_such() {
        let error = choose([PathBuf::from("/nowhere")], None, Path::new("c")).unwrap_err();
        assert!(matches!(error, Error::NoPostgres), "{error}");
    }
}

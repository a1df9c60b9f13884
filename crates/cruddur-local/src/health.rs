//! Whether the services of a stack answer, and what they take.

use std::fs;
use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use serde::Serialize;

use crate::{Error, Service, StackDir, Status, probe};

/// The engines' versions, which their crates do not tell: dynoxide's own
/// constant counts something else. A test compares them with the lock file.
const DYNOXIDE: &str = "3.2.0";
const WINTERBAUME: &str = "0.2.0";

/// One service of a running stack.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceHealth {
    /// Which.
    pub service: Service,
    /// Its address, without a password.
    pub address: String,
    /// Whether it answered a real request just now.
    pub healthy: bool,
    /// Why it did not.
    pub problem: Option<String>,
    /// Where its data is.
    pub data: PathBuf,
    /// Its process. DynamoDB and Cognito share the stack's own.
    pub pid: u32,
    /// The memory of that process and its children in bytes, where the system
    /// tells (Linux). Pages that processes share count once.
    pub memory_bytes: Option<u64>,
    /// For how long it has been up.
    pub uptime_seconds: i64,
    /// The version of what serves it.
    pub version: String,
}

/// Asks each service of a running stack for an answer.
pub async fn health(dir: &StackDir) -> Result<Vec<ServiceHealth>, Error> {
    let Status::Running(state) = dir.status()? else {
        return Err(Error::NotRunning {
            folder: dir.path().to_owned(),
        });
    };
    let postgres = &state.postgres;
    let (dynamodb, cognito, postgres) = tokio::join!(
        probe::dynamodb(state.dynamodb.port),
        probe::cognito(state.cognito.port, &state.cognito.user_pool_id),
        probe::postgres(postgres.port, &postgres.user, &postgres.password),
    );
    let uptime = Utc::now().signed_duration_since(state.started_at);
    let own = memory(state.pid);
    let health = |service, probed: Result<(), String>| {
        let (pid, memory_bytes, version) = match service {
            Service::Postgres => {
                let pid = state.postgres.pid;
                (pid, memory(pid), state.postgres.version.clone())
            }
            // Both are part of this program, whose version the lock file fixes.
            Service::DynamoDb => (state.pid, own, format!("dynoxide {DYNOXIDE}")),
            Service::Cognito => (state.pid, own, format!("winterbaume {WINTERBAUME}")),
        };
        ServiceHealth {
            service,
            address: state.address(service),
            healthy: probed.is_ok(),
            problem: probed.err(),
            data: dir.data_path(service),
            pid,
            memory_bytes,
            uptime_seconds: uptime.max(TimeDelta::zero()).num_seconds(),
            version,
        }
    };
    Ok(vec![
        health(Service::DynamoDb, dynamodb),
        health(Service::Cognito, cognito),
        health(Service::Postgres, postgres),
    ])
}

/// The memory of a process and its children: `Pss`, which divides what is
/// shared, where it may be read, else the resident set.
fn memory(pid: u32) -> Option<u64> {
    let own = field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
        .or_else(|| field(&format!("/proc/{pid}/status"), "VmRSS:"))?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let below = children
        .split_whitespace()
        .filter_map(|child| memory(child.parse().ok()?));
    Some(own + below.sum::<u64>())
}

/// A line such as `VmRSS:     5248 kB`, in bytes.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        for (name, version) in [
            ("dynoxide-rs", DYNOXIDE),
            ("winterbaume-cognitoidentityprovider", WINTERBAUME),
        ] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{name} is not {version}");
        }
    }
}

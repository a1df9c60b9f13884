//! DynamoDB with Streams: the dynoxide engine over an SQLite file.

use std::io::ErrorKind;

use dynoxide::Database;
use tokio::sync::oneshot;

use crate::task::{Task, listener};
use crate::{Error, Service, StackDir, files};

/// Opens the data and serves it.
pub(crate) fn start(dir: &StackDir, wanted: &[u16]) -> Result<Task, Error> {
    let database = open(dir)?;
    let (listener, port) = listener(Service::DynamoDb, wanted)?;
    let (shutdown, stopped) = oneshot::channel::<()>();
    let served = dynoxide::server::serve_with_shutdown(listener, database, async {
        // Resolves when the sender is dropped, too: that is how `stop` asks.
        let _ = stopped.await;
    });
    Ok(Task::new(port, shutdown, tokio::spawn(served)))
}

fn open(dir: &StackDir) -> Result<Database, Error> {
    let path = dir.data_path(Service::DynamoDb);
    // SQLite gives its own files the mode of the database; this sets it.
    files::private()
        .append(true)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    let name = path.to_str().ok_or_else(|| Error::Service {
        service: Service::DynamoDb,
        reason: format!("the path {} is not UTF-8", path.display()),
        log: Vec::new(),
    })?;
    Database::new(name).map_err(|cause| {
        // The engine has one kind of error for all of SQLite's; its words tell
        // a bad file, which only another file mends, from a bad moment.
        let reason = cause.to_string();
        if reason.contains("not a database") || reason.contains("malformed") {
            Error::Damaged { path, reason }
        } else if reason.contains("disk is full") {
            Error::file("write", &path)(ErrorKind::StorageFull.into())
        } else {
            Error::Service {
                service: Service::DynamoDb,
                reason: format!("{} cannot be opened: {reason}", path.display()),
                log: Vec::new(),
            }
        }
    })
}

//! DynamoDB with Streams: the dynoxide engine over an SQLite file.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use dynoxide::Database;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::task::{Task, listener};
use crate::{Error, Service, StackDir, files};

/// Opens the data and serves it.
///
/// Where it is to be `durable`, a machine that loses power costs the last second
/// of writes at most.
pub(crate) fn start(dir: &StackDir, wanted: &[u16], durable: bool) -> Result<Task, Error> {
    let database = open(dir)?;
    let (listener, port) = listener(Service::DynamoDb, wanted)?;
    let (shutdown, stopped) = oneshot::channel::<()>();
    let served = dynoxide::server::serve_with_shutdown(listener, database, async {
        // Resolves when the sender is dropped, too: that is how `stop` asks.
        let _ = stopped.await;
    });
    let log = dir
        .data_path(Service::DynamoDb)
        .with_extension("sqlite-wal");
    let running = tokio::spawn(async move {
        tokio::select! {
            end = served => end,
            never = keep_synced(&log), if durable => match never {},
        }
    });
    Ok(Task::new(port, shutdown, running))
}

/// Brings what was written to the disk once a second.
async fn keep_synced(log: &Path) -> Infallible {
    let mut synced = None;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Without a log there is nothing to sync.
        let written = tokio::fs::metadata(log)
            .await
            .and_then(|m| m.modified())
            .ok();
        if written == synced {
            continue;
        }
        if let Ok(file) = tokio::fs::File::open(log).await {
            // A disk that fails will tell the next write as well.
            let _ = file.sync_data().await;
        }
        synced = written;
    }
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
    let database = Database::new(name).map_err(|cause| failure(&path, &cause))?;
    // Despite its name the one public way to `PRAGMA synchronous = NORMAL`, the
    // mode SQLite advises with its write-ahead log: the file cannot be damaged,
    // and only a machine that loses power loses what `keep_synced` has not got
    // to. The default waits for the disk once an item, 25 times a batch.
    database
        .disable_bulk_loading()
        .map_err(|cause| failure(&path, &cause))?;
    // A connection of our own: the engine has no way in for statements.
    Connection::open(&path)
        .and_then(|connection| connection.execute_batch(include_str!("dynamodb/upkeep.sql")))
        .map_err(|cause| failure(&path, &cause))?;
    Ok(database)
}

/// The engine has one kind of error for all of SQLite's; its words tell a bad
/// file, which only another file mends, from a bad moment.
fn failure(path: &Path, cause: &dyn std::error::Error) -> Error {
    let reason = cause.to_string();
    if reason.contains("not a database") || reason.contains("malformed") {
        Error::Damaged {
            path: path.to_owned(),
            reason,
        }
    } else if reason.contains("disk is full") || reason.contains("disk I/O error") && is_full(path)
    {
        Error::file("write", path)(ErrorKind::StorageFull.into())
    } else {
        Error::Service {
            service: Service::DynamoDb,
            reason: format!("{} cannot be opened: {reason}", path.display()),
            log: Vec::new(),
        }
    }
}

/// Whether no file of the size that SQLite needs beside its database fits: of
/// that it says no more than "disk I/O error".
fn is_full(path: &Path) -> bool {
    let probe = path.with_extension("probe");
    let written = files::write(&probe, &[0; 64 * 1024]);
    // It is empty space either way.
    let _ = files::remove(&probe);
    matches!(written, Err(Error::File { source, .. }) if source.kind() == ErrorKind::StorageFull)
}

#[cfg(test)]
mod tests {
    use dynoxide::Database;
    use serde_json::{Value, json};

    use super::*;

    /// A stack's folder, its file opened, and a connection of the test's own.
    fn opened(folder: &tempfile::TempDir) -> (Database, Connection) {
        let dir = StackDir::at(folder.path());
        dir.prepare().unwrap();
        let database = open(&dir).unwrap();
        let connection = Connection::open(dir.data_path(Service::DynamoDb)).unwrap();
        (database, connection)
    }

    fn request<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn create_table(database: &Database) {
        database
            .create_table(request(json!({
                "TableName": "table",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
            })))
            .unwrap();
    }

    fn put(database: &Database, pk: &str) {
        let item = json!({"TableName": "table", "Item": {"pk": {"S": pk}}});
        database.put_item(request(item)).unwrap();
    }

    fn records(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT keys_json FROM _stream_records ORDER BY id")
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn the_stream_of_a_table_made_anew_begins_empty() {
        let folder = tempfile::tempdir().unwrap();
        let (database, connection) = opened(&folder);
        create_table(&database);
        put(&database, "old");
        assert_eq!(records(&connection), [r#"{"pk":{"S":"old"}}"#]);
        let drop = json!({"TableName": "table"});
        database.delete_table(request(drop)).unwrap();
        create_table(&database);
        put(&database, "new");
        assert_eq!(records(&connection), [r#"{"pk":{"S":"new"}}"#]);
    }

    #[test]
    fn stream_records_are_kept_for_a_day_and_until_others_come() {
        let folder = tempfile::tempdir().unwrap();
        let (database, connection) = opened(&folder);
        create_table(&database);
        for number in 0..5 {
            put(&database, &number.to_string());
        }
        let back = "UPDATE _stream_records SET created_at = created_at - ?1 WHERE id <= 4";
        connection.execute(back, [25 * 60 * 60]).unwrap();
        drop(database);
        let (database, connection) = opened(&folder);
        assert_eq!(records(&connection).len(), 5);
        put(&database, "5");
        assert_eq!(records(&connection).len(), 4);
        for number in 6..9 {
            put(&database, &number.to_string());
        }
        let kept = [4, 5, 6, 7, 8].map(|number| format!(r#"{{"pk":{{"S":"{number}"}}}}"#));
        assert_eq!(records(&connection), kept);
    }

    /// The engine's own statements, as of dynoxide 3.2 in `storage.rs`: what is
    /// held is that a write does not read every record there is.
    #[test]
    fn the_streams_statements_use_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let (_database, connection) = opened(&folder);
        let number = "CAST(sequence_number AS INTEGER)";
        for statement in [
            format!(
                "SELECT COALESCE(MAX({number}), 0) + 1 FROM _stream_records WHERE table_name = ?1"
            ),
            format!(
                "SELECT keys_json FROM _stream_records WHERE table_name = ?1 AND shard_id = ?2 \
                 AND {number} > ?3 ORDER BY {number} ASC LIMIT ?4"
            ),
        ] {
            let mut explain = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap();
            let plan: Vec<String> = explain
                .raw_query()
                .mapped(|row| row.get("detail"))
                .map(Result::unwrap)
                .collect();
            assert_eq!(plan.len(), 1, "{plan:?}");
            assert!(plan[0].contains("INDEX cruddur_stream_order"), "{plan:?}");
        }
    }
}

//! One invocation: an event in, the records that failed out.

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use cruddur_core::ddb::Table;
use cruddur_core::stream::{Applied, StreamEvent, apply};
use serde::Serialize;

use crate::log;

/// What an invocation leaves in the log whose event cannot be read. Its error goes
/// to whoever invoked the function, which for a stream is nobody.
#[derive(Serialize)]
struct Unread<'a> {
    error: &'a str,
}

/// What any other one leaves there.
#[derive(Serialize)]
struct Summary<'a> {
    table: &'a str,
    records: usize,
    #[serde(flatten)]
    applied: &'a Applied,
}

/// Applies an event.
///
/// The answer names the lowest sequence number that failed: Lambda tries the
/// records from there on again, as the event source mapping's
/// `ReportBatchItemFailures` asks. Those after it that were applied change
/// nothing the second time.
///
/// # Errors
///
/// Where the event cannot be read, or a record failed that carries no number:
/// Lambda then tries the whole batch again.
pub async fn handle(
    table: &Table,
    named: bool,
    event: &str,
) -> Result<DynamoDbEventResponse, lambda_runtime::Error> {
    let event = StreamEvent::parse(event).map_err(|(line, message)| {
        let error = format!("line {line} of the event: {message}");
        log::line(&Unread { error: &error });
        error
    })?;
    let table = match event.table() {
        Some(name) if !named => table.named(name),
        _ => table.clone(),
    };
    let applied = apply(&table, &event.records).await;
    log::line(&Summary {
        table: table.name(),
        records: event.records.len(),
        applied: &applied,
    });
    let mut answer = DynamoDbEventResponse::default();
    match applied.lowest_failure() {
        None => {}
        Some("") => return Err("a record that failed carries no sequence number".into()),
        Some(number) => {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(number.to_owned());
            answer.batch_item_failures.push(failure);
        }
    }
    Ok(answer)
}

//! The AWS Lambda function that keeps conversations up to date: pattern E for
//! the records that an event source mapping takes from the table's stream.
//!
//! All that it does is [`cruddur_core::stream::apply`]. Here are only the
//! environment, the event and the answer.

mod handler;
mod log;
mod settings;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

// One invocation at a time has no use for threads.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings = settings::Settings::new(std::env::vars());
    // Made once for all invocations. It sends no request, so a cold start
    // waits for nothing. What it lacks is told as a sentence, and not as a value.
    let table = settings
        .connect()
        .await
        .map_err(|error| error.to_string())?;
    let named = settings.table.is_some();
    let table = &table;
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<Box<RawValue>>| async move {
            handler::handle(table, named, event.payload.get()).await
        },
    ))
    .await
}

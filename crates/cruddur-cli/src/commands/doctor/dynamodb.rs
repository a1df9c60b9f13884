//! DynamoDB, its Streams, and the messages table.

use cruddur_core::Service;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::schema::Report;
use cruddur_core::stream::Streams;

use super::checks::{Checks, within};
use crate::context::Context;

const SERVICE: [&str; 3] = ["dynamodb", "dynamodb clock", "dynamodb streams"];
const TABLE: [&str; 4] = ["table", "table keys", "table index", "table stream"];

pub async fn check(context: &Context) -> Checks {
    let mut checks = Checks::new(context);
    let target = &context.target;
    if target.region.is_err() {
        checks.unchecked(&["dynamodb credentials"], "no region is set");
    } else if let Err(error) = &target.dynamodb {
        checks.failed("dynamodb", error);
        checks.unchecked(&["dynamodb credentials"], "the endpoint is not known");
        checks.unchecked(&SERVICE[1..], "the endpoint is not known");
        checks.unchecked(&TABLE, "the endpoint is not known");
        return checks;
    } else if checks
        .credentials("dynamodb credentials", target, Service::DynamoDb)
        .await
    {
        ask(context, &mut checks).await;
        return checks;
    }
    checks.unchecked(&SERVICE, "no request can be signed");
    checks.unchecked(&TABLE, "no request can be signed");
    checks
}

async fn ask(context: &Context, checks: &mut Checks) {
    let target = &context.target;
    let (table, streams) = match tokio::join!(Table::connect(target), Streams::connect(target)) {
        (Ok(table), Ok(streams)) => (table, streams),
        (Err(error), _) | (_, Err(error)) => {
            checks.failed("dynamodb", &error);
            checks.unchecked(&SERVICE[1..], "DynamoDB could not be asked");
            checks.unchecked(&TABLE, "DynamoDB could not be asked");
            return;
        }
    };
    let (probe, streamed) = tokio::join!(
        within(Service::DynamoDb, table.at(), async {
            Ok(table.probe().await)
        }),
        within(
            Service::DynamoDbStreams,
            streams.at(),
            streams.answers(table.name())
        ),
    );
    let (clock, report) = match probe {
        Ok(probe) => (probe.clock, probe.table),
        Err(error) => (None, Err(error)),
    };
    match &report {
        Ok(_) => checks.ok("dynamodb", table.at()),
        Err(error) => checks.failed("dynamodb", error),
    }
    match clock {
        None if report.is_err() => {
            checks.unchecked(&["dynamodb clock"], "DynamoDB could not be asked");
        }
        clock => checks.clock("dynamodb clock", clock, true),
    }
    match streamed {
        Ok(()) => checks.ok("dynamodb streams", streams.at()),
        Err(error) => checks.failed("dynamodb streams", &error),
    }
    match report {
        Ok(Some(report)) => check_table(checks, &table, &report),
        Ok(None) => {
            checks.failed("table", &table.not_found());
            checks.unchecked(&TABLE[1..], "there is no table");
        }
        Err(_) => checks.unchecked(&TABLE, "DynamoDB could not be asked"),
    }
}

fn check_table(checks: &mut Checks, table: &Table, report: &Report) {
    let name = table.name();
    state(checks, "table", &format!("table {name}"), &report.status);
    match &report.keys {
        Ok(()) => checks.ok("table keys", "as they should be"),
        Err(error) => {
            checks.failed("table keys", error);
            checks.unchecked(&TABLE[2..], "it is another table");
            return;
        }
    }
    match &report.index {
        Ok(status) => state(checks, "table index", "the index", status),
        Err(error) => checks.failed("table index", error),
    }
    match &report.stream {
        Ok(view) => checks.ok("table stream", format!("on, with {view}")),
        Err(error) => checks.failed("table stream", error),
    }
}

fn state(checks: &mut Checks, name: &'static str, what: &str, status: &str) {
    let detail = format!("{what} is {status}");
    let wait = format!(
        "`cruddur ddb schema-load{}` waits until it is ACTIVE",
        checks.flags()
    );
    match status {
        "ACTIVE" => checks.ok(name, detail),
        // Both serve requests, or will in a moment.
        "CREATING" | "UPDATING" => checks.warning(name, detail, wait),
        "DELETING" => checks.problem(name, detail, wait),
        _ => checks.problem(name, detail, "look at it in the AWS console".to_owned()),
    }
}

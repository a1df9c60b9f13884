use clap::Args;
use cruddur_core::Service;
use cruddur_core::target::{Choice, Credentials, Endpoint};
use serde::Serialize;

use crate::context::Context;
use crate::ui::{printable, write_table};

#[derive(Debug, Args)]
pub struct TargetArgs {}

/// One line of the answer: a setting, or why it has no value.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: Option<String>,
    why: String,
}

pub fn target(context: &Context, _args: &TargetArgs) -> anyhow::Result<()> {
    let rows = rows(context);
    context.ui.list(&rows, |out| {
        let mut table = context.ui.table(&["setting", "value", "why"]);
        for row in &rows {
            table.add_row([
                row.name,
                &printable(row.value.as_deref().unwrap_or("-")),
                &printable(&row.why),
            ]);
        }
        write_table(out, &table)
    })?;
    Ok(())
}

fn rows(context: &Context) -> Vec<Row> {
    let target = &context.target;
    let region = target.region.as_ref().map_or("REGION", |r| &r.value);
    let mode = if target.production {
        ("production", "--prod")
    } else {
        ("development", "no --prod")
    };
    let credentials = |endpoint: &cruddur_core::Result<Choice<Endpoint>>| match endpoint {
        Ok(choice) => describe(&target.credentials(&choice.value)),
        Err(error) => (None, error.to_string()),
    };
    let mut rows = vec![Row {
        name: "mode",
        value: Some(mode.0.to_owned()),
        why: mode.1.to_owned(),
    }];
    let mut add =
        |name, (value, why): (Option<String>, String)| rows.push(Row { name, value, why });
    add("region", shown(&target.region, String::clone));
    add(
        "dynamodb",
        shown(&target.dynamodb, |e| e.display(Service::DynamoDb, region)),
    );
    add("dynamodb credentials", credentials(&target.dynamodb));
    add(
        "table",
        (Some(target.table.value.clone()), target.table.why.clone()),
    );
    add("postgresql", shown(&target.postgres, ToString::to_string));
    add(
        "cognito",
        shown(&target.cognito, |e| e.display(Service::Cognito, region)),
    );
    add("cognito credentials", credentials(&target.cognito));
    add(
        "user pool",
        match &target.user_pool_id {
            Some(pool) => (Some(pool.value.clone()), pool.why.clone()),
            None => (None, "AWS_COGNITO_USER_POOL_ID is not set".to_owned()),
        },
    );
    rows
}

fn shown<T>(
    choice: &cruddur_core::Result<Choice<T>>,
    display: impl FnOnce(&T) -> String,
) -> (Option<String>, String) {
    match choice {
        Ok(choice) => (Some(display(&choice.value)), choice.why.clone()),
        Err(error) => (None, error.to_string()),
    }
}

/// Where credentials come from, and why from there.
pub fn describe(credentials: &Credentials) -> (Option<String>, String) {
    let (value, why) = match credentials {
        Credentials::Profile(name) => return (Some(format!("profile {name}")), "--profile".into()),
        Credentials::Environment => (Some("the environment's"), "AWS_ACCESS_KEY_ID"),
        Credentials::Dummy => (Some("dummy"), "the endpoint is not AWS"),
        Credentials::Chain => (Some("the SDK's default chain"), "--prod"),
        Credentials::Missing => (None, "AWS_ACCESS_KEY_ID is not set"),
    };
    (value.map(str::to_owned), why.to_owned())
}

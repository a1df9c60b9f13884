//! What the function is told by its environment.

use std::collections::HashMap;

use cruddur_core::Result;
use cruddur_core::ddb::Table;
use cruddur_core::target::{Inputs, Target};

/// The settings of a function.
#[derive(Debug)]
pub struct Settings {
    /// `TABLE_NAME`: the table, where it is not to be the one that an event's
    /// stream is of.
    pub table: Option<String>,
    variables: HashMap<String, String>,
}

impl Settings {
    /// Reads the variables. Region and credentials are in those that Lambda
    /// sets.
    pub fn new(variables: impl Iterator<Item = (String, String)>) -> Settings {
        let variables: HashMap<String, String> = variables.collect();
        let table = variables.get("TABLE_NAME").filter(|name| !name.is_empty());
        Settings {
            table: table.cloned(),
            variables,
        }
    }

    /// The table, in AWS unless `AWS_ENDPOINT_URL_DYNAMODB` names another
    /// place. One without TLS is a development server, as with `sam local`.
    pub async fn connect(&self) -> Result<Table> {
        let endpoint_url = self.variables.get("AWS_ENDPOINT_URL_DYNAMODB");
        let endpoint_url = endpoint_url.filter(|url| !url.is_empty()).cloned();
        let local = endpoint_url
            .as_ref()
            .is_some_and(|url| url.starts_with("http://"));
        Table::connect(&Target::resolve(Inputs {
            production: !local,
            endpoint_url,
            table: self.table.clone(),
            variables: self.variables.clone(),
            ..Inputs::default()
        }))
        .await
    }
}

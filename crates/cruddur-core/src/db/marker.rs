//! What a database says it is, so that a copied URL or a tunnel cannot make
//! production look like development.

use postgres::GenericClient;
use serde::Serialize;

use super::client::{Database, Problem, text};
use crate::{Error, Result};

/// What a database is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// It may be dropped and made again.
    Development,
    /// People's data are in it.
    Production,
}

impl Database {
    /// Whether it is right to be here, by what the database says it is.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for production's database without `--prod`, and for
    /// development's with it.
    pub fn suits(&self, environment: Environment) -> Result<()> {
        if !self.is_production() {
            return self.unless_production(Some(environment));
        }
        match environment {
            Environment::Production => Ok(()),
            Environment::Development => Err(Error::Refused(format!(
                "database {} at {} is marked as development, and --prod was given",
                self.name(),
                self.at()
            ))),
        }
    }

    fn unless_production(&self, environment: Option<Environment>) -> Result<()> {
        if environment != Some(Environment::Production) {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "database {} at {} is marked as production, and --prod was not given",
            self.name(),
            self.at()
        )))
    }
}

pub(super) fn read(
    client: &mut impl GenericClient,
) -> Result<Option<Environment>, postgres::Error> {
    let exists = client.query_typed_one(include_str!("../../../../sql/marker/exists.sql"), &[])?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_typed_opt(include_str!("../../../../sql/marker/read.sql"), &[])?;
    Ok(row.map(|row| match row.get("environment") {
        "development" => Environment::Development,
        // Whatever else stands there, nothing is dropped because of it.
        _ => Environment::Production,
    }))
}

/// Stops what would change production's database without `--prod`.
pub(super) fn guard(client: &mut impl GenericClient, database: &Database) -> Result<(), Problem> {
    if database.is_production() {
        return Ok(());
    }
    Ok(database.unless_production(read(client)?)?)
}

/// Writes the marker, unless there is one. Says which stands there then.
pub(super) fn write(
    client: &mut impl GenericClient,
    production: bool,
) -> Result<Environment, Problem> {
    if let Some(environment) = read(client)? {
        return Ok(environment);
    }
    client.batch_execute(include_str!("../../../../sql/marker/create.sql"))?;
    let (environment, name) = match production {
        true => (Environment::Production, "production"),
        false => (Environment::Development, "development"),
    };
    let insert = include_str!("../../../../sql/marker/write.sql");
    client.execute_typed(insert, &[text(&name)])?;
    Ok(environment)
}

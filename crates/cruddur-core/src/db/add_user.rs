//! Adding a user.

use super::client::{Database, text};
use super::marker;
use crate::Result;

impl Database {
    /// Adds a user, and says whether that was needed: a handle that is there
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// Those of connecting; [`crate::Error::SchemaNotLoaded`];
    /// [`crate::Error::Refused`] for production's database without `--prod`.
    pub async fn add_user(
        &self,
        handle: &str,
        display_name: &str,
        email: &str,
        cognito_id: &str,
    ) -> Result<bool> {
        let values = [handle, display_name, email, cognito_id].map(str::to_owned);
        let database = self.clone();
        self.with(move |client| {
            marker::guard(client, &database)?;
            let statement = include_str!("../../../../sql/users/add.sql");
            let [handle, name, email, id] = values.each_ref().map(text);
            Ok(client.execute_typed(statement, &[handle, name, email, id])? > 0)
        })
        .await
    }
}

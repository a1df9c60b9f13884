//! Adding a user to the pool.

use aws_sdk_cognitoidentityprovider::error::BuildError;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, MessageActionType};

use super::Pool;
use crate::{Error, Result};

impl Pool {
    /// Adds a user who signs in with an address, and sends no invitation. It has
    /// to set a password before the first sign-in. Returns the id that the user's
    /// tokens will carry.
    ///
    /// # Errors
    ///
    /// [`crate::Error::PoolNotFound`]; [`crate::Error::Service`] where the pool
    /// has a user with this address.
    pub async fn add(&self, handle: &str, email: &str, name: &str) -> Result<String> {
        let attributes = [
            ("email", email),
            ("email_verified", "true"),
            ("name", name),
            ("preferred_username", handle),
        ]
        .map(|(name, value)| AttributeType::builder().name(name).value(value).build());
        // Building fails only without a name.
        let attributes = attributes
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error: BuildError| Error::Failed(error.to_string()))?;
        let request = self
            .client
            .admin_create_user()
            .user_pool_id(&self.id)
            .username(email)
            .set_user_attributes(Some(attributes))
            .message_action(MessageActionType::Suppress);
        let answer = request.send().await.map_err(|error| self.error(error))?;
        let attributes = answer.user.and_then(|user| user.attributes);
        let mut attributes = attributes.into_iter().flatten();
        let sub = attributes.find(|attribute| attribute.name() == "sub");
        sub.and_then(|sub| sub.value)
            .ok_or_else(|| Error::Failed(format!("Cognito at {} returned no sub", self.at)))
    }
}

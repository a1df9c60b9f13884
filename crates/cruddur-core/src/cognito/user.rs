//! A user of a pool, and how `ListUsers` writes one.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ddb::json::without_place;
use crate::time;

/// A user of a pool. A pool has the attributes that its owner chose, so any of
/// them can be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolUser {
    /// `preferred_username`, which is the handle in Cruddur.
    pub handle: Option<String>,
    /// The id that tokens carry.
    pub sub: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// What the pool itself calls the user.
    pub username: String,
    /// `CONFIRMED`, `UNCONFIRMED` and so on.
    pub status: Option<String>,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// When the user signed up.
    pub created: Option<DateTime<Utc>>,
}

/// What a user of a pool can be told by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `preferred_username`, which is the handle in Cruddur.
    pub handle: Option<String>,
    /// The id that tokens carry.
    pub sub: Option<String>,
    /// What the pool itself calls the user.
    pub username: String,
}

impl From<PoolUser> for Account {
    fn from(user: PoolUser) -> Account {
        Account {
            handle: user.handle,
            sub: user.sub,
            username: user.username,
        }
    }
}

/// Reads the list of an answer, which is of AWS's `UserType`s.
///
/// # Errors
///
/// Where it is something else.
pub(super) fn parse(text: &str) -> Result<Vec<PoolUser>, String> {
    let users: Vec<UserType> = serde_json::from_str(text).map_err(|error| without_place(&error))?;
    Ok(users.into_iter().map(UserType::into_user).collect())
}

/// Whatever is null or not there is missing.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserType<'a> {
    username: Option<String>,
    #[serde(borrow)]
    attributes: Option<Vec<Attribute<'a>>>,
    user_status: Option<String>,
    enabled: Option<bool>,
    /// In seconds.
    user_create_date: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    value: Option<String>,
}

impl UserType<'_> {
    fn into_user(self) -> PoolUser {
        let mut attributes = self.attributes.unwrap_or_default();
        let mut attribute = |name: &str| {
            let attribute = attributes.iter_mut().find(|a| a.name == name)?;
            attribute.value.take().filter(|value| !value.is_empty())
        };
        PoolUser {
            handle: attribute("preferred_username"),
            sub: attribute("sub"),
            email: attribute("email"),
            username: self.username.unwrap_or_default(),
            status: self.user_status,
            enabled: self.enabled.unwrap_or_default(),
            created: self.user_create_date.and_then(time::from_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PoolUser {
        let mut users = parse(text).unwrap();
        assert_eq!(users.len(), 1);
        users.remove(0)
    }

    #[test]
    fn a_user_is_read_whatever_is_missing() {
        let user = read(
            r#"[{"Username":"a \"b\" 🌊","Enabled":true,"UserStatus":"CONFIRMED",
                 "UserCreateDate":1679651101.561513,"UserLastModifiedDate":1,"MFAOptions":[],
                 "Attributes":[{"Name":"sub","Value":"1"},{"Name":"email"},
                               {"Name":"preferred_username","Value":""}]}]"#,
        );
        assert_eq!(user.username, "a \"b\" 🌊");
        assert_eq!(user.sub.as_deref(), Some("1"));
        assert_eq!((user.handle, user.email), (None, None));
        assert_eq!(user.status.as_deref(), Some("CONFIRMED"));
        assert!(user.enabled);
        let created = user.created.unwrap();
        assert_eq!(created.to_rfc3339(), "2023-03-24T09:45:01.561513+00:00");

        let bare = read(r#"[{"Username":null,"Attributes":null}]"#);
        assert_eq!(bare.username, "");
        assert!(!bare.enabled && bare.created.is_none() && bare.status.is_none());
    }

    #[test]
    fn what_is_no_list_of_users_is_an_error() {
        for text in [
            "[1]",
            r#"[{"Username":1}]"#,
            r#"[{"Attributes":[{}]}]"#,
            "[{]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

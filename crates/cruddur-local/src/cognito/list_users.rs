//! ListUsers, with the pages, the filter and the refusals of the real one.
//!
//! The engine returns every user at once. A program tested against that never
//! follows a token, and reads sixty users in production.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::Filter;

/// The users of every pool, in the order they are listed, and the custom
/// attributes of the pool.
#[derive(Debug, Default)]
pub(super) struct Pools {
    pub(super) pools: HashMap<String, (Vec<User>, Vec<String>)>,
    /// Which pool a client is of.
    pub(super) clients: HashMap<String, String>,
}

/// A user as it is listed.
#[derive(Debug)]
pub(super) struct User {
    pub(super) username: String,
    pub(super) status: String,
    pub(super) enabled: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) attributes: BTreeMap<String, String>,
}

impl User {
    /// The place in the list: it never changes, so a page that is read later
    /// neither repeats nor skips a user that was there.
    pub(super) fn key(&self) -> (DateTime<Utc>, &str) {
        (self.created, &self.username)
    }
}

/// A request the real one refuses, too.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    user_pool_id: Option<String>,
    attributes_to_get: Option<Vec<String>>,
    limit: Option<i64>,
    pagination_token: Option<String>,
    filter: Option<String>,
}

const MOST: i64 = 60;

/// What every pool's users may have.
const STANDARD: [&str; 21] = [
    "address",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "identities",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "sub",
    "updated_at",
    "website",
    "zoneinfo",
];

/// The page a request asks for.
pub(super) fn answer(pools: &Pools, body: &[u8]) -> Result<Value, Refusal> {
    let request: Request = serde_json::from_slice(body).map_err(|cause| Refusal {
        kind: "SerializationException",
        message: cause.to_string(),
    })?;
    let id = request
        .user_pool_id
        .ok_or_else(|| invalid("1 validation error detected: Value at 'userPoolId' failed to satisfy constraint: Member must not be null"))?;
    let limit = match request.limit.unwrap_or(MOST) {
        // As the SDKs send it for "no limit given".
        0 => MOST,
        limit @ 1..=MOST => limit,
        limit => {
            let (bound, word) = if limit > MOST {
                (MOST, "less")
            } else {
                (0, "greater")
            };
            return Err(invalid(format!(
                "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy \
                 constraint: Member must have value {word} than or equal to {bound}"
            )));
        }
    };
    let (users, custom) = pools.pools.get(&id).ok_or_else(|| Refusal {
        kind: "ResourceNotFoundException",
        message: format!("User pool {id} does not exist."),
    })?;
    let wanted = request.attributes_to_get.unwrap_or_default();
    if wanted.iter().any(|name| !known(name, custom)) {
        return Err(invalid("One or more requested attributes do not exist."));
    }
    let filter = match request.filter.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            Filter::parse(text)
                .ok_or_else(|| invalid(format!("Error while parsing filter expression: {text}")))?,
        ),
    };
    let from = match request.pagination_token.as_deref() {
        None => 0,
        Some(token) => {
            let (created, username) =
                read_token(token).ok_or_else(|| invalid("Invalid pagination token given."))?;
            users.partition_point(|user| user.key() <= (created, &username))
        }
    };
    let mut matching = users[from..]
        .iter()
        .filter(|user| filter.as_ref().is_none_or(|filter| filter.matches(user)));
    let page: Vec<&User> = matching.by_ref().take(limit as usize).collect();
    let mut answer = json!({
        "Users": page.iter().map(|user| shown(user, &wanted)).collect::<Vec<_>>(),
    });
    if let (Some(last), Some(_)) = (page.last(), matching.next()) {
        answer["PaginationToken"] = token(last).into();
    }
    Ok(answer)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal {
        kind: "InvalidParameterException",
        message: message.into(),
    }
}

/// Whether a pool's users may have the attribute. One that a user lacks is
/// left out; one that no user can have is refused.
fn known(name: &str, custom: &[String]) -> bool {
    // Custom attributes are asked for with a prefix they are declared without.
    let bare = name.strip_prefix("custom:");
    STANDARD.contains(&name)
        || custom
            .iter()
            .any(|known| known == name || Some(known.as_str()) == bare)
}

fn shown(user: &User, wanted: &[String]) -> Value {
    let attributes: Vec<Value> = user
        .attributes
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    let created = user.created.timestamp_millis() as f64 / 1000.0;
    json!({
        "Username": user.username,
        "Attributes": attributes,
        "UserCreateDate": created,
        "UserLastModifiedDate": created,
        "Enabled": user.enabled,
        "UserStatus": user.status,
    })
}

fn token(last: &User) -> String {
    let key = serde_json::to_vec(&last.key()).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(key)
}

fn read_token(token: &str) -> Option<(DateTime<Utc>, String)> {
    let key = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&key).ok()
}

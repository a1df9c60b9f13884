//! Whose access token is whose, which the engine does not know: it answers as if any
//! token were right, for whichever user it finds first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::list_users::{Pools, Refusal, User};

/// How long an access token is valid, as the engine's answers say.
const VALID: Duration = Duration::from_secs(60 * 60);

/// The access tokens that were given, and to whom. A stack that is started again
/// knows of none, and its users sign in again.
#[derive(Default)]
pub(super) struct Tokens {
    given: Mutex<HashMap<String, Given>>,
}

struct Given {
    at: Instant,
    pool: String,
    /// The user's `sub`, since another may have the name later.
    sub: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    access_token: Option<String>,
    session: Option<String>,
    auth_flow: Option<String>,
    auth_parameters: Option<HashMap<String, String>>,
    client_id: Option<String>,
    user_pool_id: Option<String>,
    username: Option<String>,
}

impl Request {
    fn read(body: &[u8]) -> Option<Request> {
        serde_json::from_slice(body).ok()
    }
}

/// Why the engine is not to be asked, where it is not: what takes a token or the
/// session of a challenge it answers without doing anything. That is better told than
/// hidden.
pub(super) fn refusal(action: &str, body: &[u8]) -> Option<Refusal> {
    let request = Request::read(body)?;
    let refreshes = request
        .auth_flow
        .is_some_and(|flow| flow.starts_with("REFRESH_TOKEN"));
    let takes_one = request.access_token.is_some()
        || request.session.is_some()
        || ["GetTokensFromRefreshToken", "RevokeToken"].contains(&action);
    let what = match (refreshes, takes_one) {
        (true, _) => "a refresh token: sign in by password again",
        (false, true) => action,
        (false, false) => return None,
    };
    Some(Refusal {
        kind: "UnsupportedOperationException",
        message: format!("the Cognito of a local stack does not support {what}"),
    })
}

impl Tokens {
    /// Takes note of what succeeded, where it gives tokens or takes them back.
    pub(super) fn note(&self, action: &str, pools: &Pools, request: &[u8], answer: &[u8]) {
        let Some(request) = Request::read(request) else {
            return;
        };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, given| given.at.elapsed() < VALID);
        let client = request.client_id.as_ref();
        let of_client = client.and_then(|client| pools.clients.get(client));
        let Some(pool) = request.user_pool_id.or_else(|| of_client.cloned()) else {
            return;
        };
        if action == "AdminUserGlobalSignOut" {
            let name = request.username.unwrap_or_default();
            let sub = user(pools, &pool, |user| user.username == name).and_then(sub);
            given.retain(|_, given| given.pool != pool || Some(&given.sub) != sub);
            return;
        }
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let token = answer["AuthenticationResult"]["AccessToken"].as_str();
        let parameters = request.auth_parameters.unwrap_or_default();
        let name = parameters.get("USERNAME");
        let signed_in = user(pools, &pool, |user| Some(&user.username) == name);
        if let (Some(token), Some(sub)) = (token, signed_in.and_then(sub)) {
            let sub = sub.clone();
            let at = Instant::now();
            given.insert(token.to_owned(), Given { at, pool, sub });
        }
    }

    /// Answers `GetUser`.
    pub(super) fn user(&self, pools: &Pools, request: &[u8]) -> Result<Value, Refusal> {
        let request = Request::read(request);
        let token = request.and_then(|request| request.access_token);
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let given = given.get(&token.unwrap_or_default());
        let given = given.filter(|given| given.at.elapsed() < VALID);
        let known = given.and_then(|given| {
            let is_own = |user: &User| user.enabled && sub(user) == Some(&given.sub);
            user(pools, &given.pool, is_own)
        });
        let user = known.ok_or_else(|| Refusal {
            kind: "NotAuthorizedException",
            message: "Invalid Access Token".to_owned(),
        })?;
        let attributes = user.attributes.iter();
        let attributes: Vec<Value> = attributes
            .map(|(name, value)| json!({"Name": name, "Value": value}))
            .collect();
        Ok(json!({"Username": user.username, "UserAttributes": attributes}))
    }
}

fn user<'a>(pools: &'a Pools, pool: &str, is: impl Fn(&User) -> bool) -> Option<&'a User> {
    let (users, _) = pools.pools.get(pool)?;
    users.iter().find(|user| is(user))
}

fn sub(user: &User) -> Option<&String> {
    user.attributes.get("sub")
}

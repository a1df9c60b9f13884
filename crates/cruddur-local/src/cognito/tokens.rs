//! Whose access token is whose, which the engine does not know: it answers as if any
//! token were right, for whichever user it finds first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::list_users::{Pools, Refusal};

/// How long an access token is valid, as the engine's answers say.
const VALID: Duration = Duration::from_secs(60 * 60);

/// What takes a token, or the session of a challenge, but for `GetUser`. That
/// nothing happened is better told than hidden.
const UNSUPPORTED: [&str; 14] = [
    "AdminRespondToAuthChallenge",
    "AssociateSoftwareToken",
    "ChangePassword",
    "DeleteUser",
    "DeleteUserAttributes",
    "GetTokensFromRefreshToken",
    "GetUserAttributeVerificationCode",
    "GlobalSignOut",
    "RespondToAuthChallenge",
    "SetUserMFAPreference",
    "SetUserSettings",
    "UpdateUserAttributes",
    "VerifySoftwareToken",
    "VerifyUserAttribute",
];

/// The access tokens that were given, and to whom. A stack that is started again
/// knows of none, and its users sign in again.
#[derive(Default)]
pub(super) struct Tokens {
    given: Mutex<HashMap<String, (Instant, String)>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignIn {
    auth_flow: Option<String>,
    auth_parameters: Option<HashMap<String, String>>,
}

/// Why the engine is not to be asked, if it is not.
pub(super) fn refusal(action: &str, body: &[u8]) -> Option<Refusal> {
    let signs_in = ["InitiateAuth", "AdminInitiateAuth"].contains(&action);
    let refreshes = || {
        let request: Option<SignIn> = serde_json::from_slice(body).ok();
        let flow = request.and_then(|request| request.auth_flow);
        flow.is_some_and(|flow| flow.starts_with("REFRESH_TOKEN"))
    };
    let what = match action {
        _ if signs_in && refreshes() => "a refresh token: sign in by password again",
        _ if UNSUPPORTED.contains(&action) => action,
        _ => return None,
    };
    Some(Refusal {
        kind: "UnsupportedOperationException",
        message: format!("the Cognito of a local stack does not support {what}"),
    })
}

impl Tokens {
    /// Takes note of a sign-in that succeeded.
    pub(super) fn signed_in(&self, request: &[u8], answer: &[u8]) {
        let request: Option<SignIn> = serde_json::from_slice(request).ok();
        let parameters = request.and_then(|request| request.auth_parameters);
        let username = parameters.and_then(|mut parameters| parameters.remove("USERNAME"));
        let answer: Option<Value> = serde_json::from_slice(answer).ok();
        let token = answer.and_then(|answer| {
            let token = answer["AuthenticationResult"]["AccessToken"].as_str();
            token.map(str::to_owned)
        });
        if let (Some(username), Some(token)) = (username, token) {
            let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            given.retain(|_, (at, _)| at.elapsed() < VALID);
            given.insert(token, (Instant::now(), username));
        }
    }

    /// Answers `GetUser`.
    pub(super) fn user(&self, pools: &Pools, request: &[u8]) -> Result<Value, Refusal> {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let token = request["AccessToken"].as_str().unwrap_or_default();
        let username = {
            let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            let known = given.get(token).filter(|(at, _)| at.elapsed() < VALID);
            known.map(|(_, username)| username.clone())
        };
        let mut users = pools.pools.values().flat_map(|(users, _)| users);
        let user = users.find(|user| Some(&user.username) == username.as_ref());
        let user = user.ok_or_else(|| Refusal {
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

//! The pool a stack begins with.

use std::collections::HashMap;

use chrono::{SecondsFormat, Utc};
use uuid::Uuid;
use winterbaume_cognitoidentityprovider::views::{
    CognitoUserView, CognitoidpStateView, UserPoolClientView, UserPoolView,
};
use winterbaume_core::default_account_id;

use crate::REGION;

/// A user the pool is to begin with.
#[derive(Debug, Clone)]
pub struct PoolUser {
    /// The user's `preferred_username`.
    pub handle: String,
    /// The user's address, taken as verified.
    pub email: String,
    /// The name people read.
    pub name: String,
}

/// The pool the application uses, and its client.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) user_pool_id: String,
    pub(crate) client_id: String,
}

/// The pool's name, by which a later start finds it.
const NAME: &str = "cruddur";

/// The pool of this name in a state, if it is there with a client.
pub(crate) fn find(state: &CognitoidpStateView) -> Option<Ids> {
    // The oldest, should someone have made another of the same name.
    let pool = state
        .user_pools
        .values()
        .filter(|pool| pool.name == NAME && !pool.clients.is_empty())
        .min_by_key(|pool| (&pool.created_date, &pool.id))?;
    Some(Ids {
        user_pool_id: pool.id.clone(),
        client_id: pool.clients.keys().min()?.clone(),
    })
}

/// A new pool with these users, each of whom has to be given a password before
/// signing in.
pub(crate) fn create(users: &[PoolUser]) -> UserPoolView {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let id = format!("{REGION}_{}", digits(9));
    let client = UserPoolClientView {
        id: digits(26),
        name: NAME.to_owned(),
        user_pool_id: id.clone(),
        client_secret: None,
        explicit_auth_flows: ["USER_SRP", "USER_PASSWORD", "REFRESH_TOKEN"]
            .map(|flow| format!("ALLOW_{flow}_AUTH"))
            .to_vec(),
        allowed_oauth_flows: Vec::new(),
        allowed_oauth_scopes: Vec::new(),
        callback_urls: Vec::new(),
        logout_urls: Vec::new(),
        allowed_oauth_flows_user_pool_client: false,
        refresh_token_validity: None,
        supported_identity_providers: Vec::new(),
    };
    let account = default_account_id();
    UserPoolView {
        arn: format!("arn:aws:cognito-idp:{REGION}:{account}:userpool/{id}"),
        name: NAME.to_owned(),
        status: "Enabled".to_owned(),
        clients: HashMap::from([(client.id.clone(), client)]),
        users: users
            .iter()
            .map(|user| user_view(user, &now))
            .map(|user| (user.username.clone(), user))
            .collect(),
        groups: HashMap::new(),
        identity_providers: HashMap::new(),
        resource_servers: HashMap::new(),
        domain: None,
        mfa_config: None,
        custom_attributes: Vec::new(),
        tags: HashMap::new(),
        created_date: now,
        id,
    }
}

/// Where people sign in by address, as in Cruddur's pool, Cognito makes up the
/// username, and it is the `sub`.
fn user_view(user: &PoolUser, created: &str) -> CognitoUserView {
    let sub = Uuid::new_v4().to_string();
    let attributes = [
        ("sub", sub.as_str()),
        ("email", &user.email),
        ("email_verified", "true"),
        ("name", &user.name),
        ("preferred_username", &user.handle),
    ];
    CognitoUserView {
        status: "CONFIRMED".to_owned(),
        created_date: created.to_owned(),
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        enabled: true,
        password: None,
        confirmed: true,
        groups: Vec::new(),
        username: sub,
    }
}

fn digits(length: usize) -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.truncate(length);
    text
}

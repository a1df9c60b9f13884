//! What one run talks to, and why.
//!
//! Resolved once, by [`Target::resolve`], from values that the caller has
//! gathered. Left beats right:
//!
//! | | development | production |
//! |---|---|---|
//! | DynamoDB, Streams | `--endpoint-url`, `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL`, the running local stack, `http://localhost:8000` | `--endpoint-url`, the region's AWS endpoint |
//! | PostgreSQL | `CONNECTION_URL`, `DATABASE_URL`, the running local stack, [`DEFAULT_CONNECTION_URL`] | `PROD_CONNECTION_URL`, TLS verified unless it says otherwise |
//! | Cognito | `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`, the running local stack, AWS | AWS |
//! | credentials | the environment's, fixed ones where the endpoint is not AWS | `--profile`, the SDK's default chain |
//! | region | `--region`, `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, `us-east-1` | the same without the last |
//!
//! What a database URL leaves open is taken from libpq's variables (`PGPASSWORD`
//! and so on; `PGSSLMODE` not in production), as it is by psql and psycopg, and a
//! password after that from libpq's password file. The stack's leaves nothing open.
//!
//! What one service lacks is an error only for the command that needs the
//! service, so each is kept as a result of its own.

mod resolve;

use std::collections::{BTreeMap, HashMap};

use crate::aws::OnRetry;
use crate::db::ConnectionUrl;
use crate::{Result, Service};

/// The table's name unless `--table` gives another.
pub const DEFAULT_TABLE: &str = "cruddur-messages";
/// Where DynamoDB Local listens unless told otherwise.
pub const DEFAULT_ENDPOINT_URL: &str = "http://localhost:8000";
/// Where a compose file's PostgreSQL usually listens.
pub const DEFAULT_CONNECTION_URL: &str = "postgresql://postgres:password@localhost:5432/cruddur";
/// The region where none is given, in development only.
pub const DEFAULT_REGION: &str = "us-east-1";

/// The access key, and its secret, for servers that only want to see some: a local
/// stack's. It is none of AWS's, whose keys are longer.
pub const DUMMY_KEY: &str = "cruddur";

/// Why a value was chosen that nobody gave.
pub const BY_DEFAULT: &str = "the default";

/// Everything a target is resolved from.
#[derive(Debug, Default, Clone)]
pub struct Inputs {
    /// `--prod`.
    pub production: bool,
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
    /// `--table`.
    pub table: Option<String>,
    /// `--sslrootcert`.
    pub root_certificates: Option<String>,
    /// The environment's variables.
    pub variables: HashMap<String, String>,
    /// The region that the profile's configuration names.
    pub profile_region: Option<String>,
    /// The file of PostgreSQL passwords: `PGPASSFILE`, or `~/.pgpass`.
    pub password_file: Option<PasswordFile>,
    /// The variables that do not count, as [`Inputs::set_aside`] found them.
    pub aside: BTreeMap<String, String>,
    /// The local stack that runs for this folder.
    pub local: Option<LocalStack>,
    /// Who is told that requests are still being tried.
    pub on_retry: OnRetry,
}

/// libpq's file of passwords.
#[derive(Clone)]
pub struct PasswordFile {
    /// Its path.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl std::fmt::Debug for PasswordFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PasswordFile({:?})", self.name)
    }
}

/// The addresses of a running local stack.
#[derive(Debug, Clone)]
pub struct LocalStack {
    /// Its data folder.
    pub folder: String,
    /// The endpoint of DynamoDB and its Streams.
    pub dynamodb: String,
    /// The URL of its database.
    pub postgres: String,
    /// The endpoint of Cognito.
    pub cognito: String,
    /// The pool that the stack holds.
    pub user_pool_id: String,
    /// What a shell is given to reach it.
    pub variables: HashMap<String, String>,
}

/// A value and the reason it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<T> {
    /// What was chosen.
    pub value: T,
    /// The flag, variable or default it came from.
    pub why: String,
}

impl<T> Choice<T> {
    fn new(value: T, why: impl Into<String>) -> Self {
        let why = why.into();
        Choice { value, why }
    }
}

/// Where an AWS service is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The region's own endpoint.
    Aws,
    /// Any other address.
    Url(String),
}

/// What signs the requests to one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The environment's key, its secret and, if it is temporary, its token.
    Environment,
    /// Fixed ones, for an endpoint that only wants to see some.
    Dummy,
    /// What the AWS configuration files say of a profile.
    Profile(String),
    /// Whatever the SDK's default chain finds.
    Chain,
    /// None in the environment, and none may be looked for elsewhere.
    Missing,
}

/// What this run talks to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whether `--prod` was given.
    pub production: bool,
    /// The messages table's name.
    pub table: Choice<String>,
    /// The AWS region.
    pub region: Result<Choice<String>>,
    /// DynamoDB and its Streams.
    pub dynamodb: Result<Choice<Endpoint>>,
    /// The database.
    pub postgres: Result<Choice<ConnectionUrl>>,
    /// Cognito.
    pub cognito: Result<Choice<Endpoint>>,
    /// The user pool, where one is configured.
    pub user_pool_id: Option<Choice<String>>,
    /// `--profile`, where it was given.
    pub profile: Option<String>,
    /// The variables that are set but not followed because of `--prod`.
    pub ignored: Vec<String>,
    /// Who is told that requests are still being tried.
    pub on_retry: OnRetry,
    variables: HashMap<String, String>,
}

impl Inputs {
    /// The AWS profile that is named, if one is.
    pub fn named_profile(&self) -> Option<&str> {
        self.profile
            .as_deref()
            .or_else(|| profile_of(&self.variables))
    }

    /// Sets aside, in production, the variables that a shell was given for local
    /// servers: the address of an AWS service (those that give out credentials
    /// among them), a laxer TLS, and what is a local stack's.
    pub fn set_aside(&mut self) {
        if !self.production {
            return;
        }
        let key = variable(&self.variables, "AWS_ACCESS_KEY_ID");
        let of_stack = key == Some(DUMMY_KEY);
        let local = self.local.as_ref().map(|local| &local.variables);
        self.aside.extend(self.variables.extract_if(|name, value| {
            // Nobody has the stack's key but by its variables. One of those with
            // another value was set since.
            let is_stacks = match name.as_str() {
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => value == DUMMY_KEY,
                "AWS_REGION" | "AWS_DEFAULT_REGION" => value == DEFAULT_REGION,
                // Nothing reads these in production.
                "AWS_COGNITO_USER_POOL_CLIENT_ID" | "CONNECTION_URL" => false,
                _ => local.is_some_and(|local| local.get(name) == Some(value)),
            };
            let leads_elsewhere = name.starts_with("AWS_ENDPOINT_URL") || name == "PGSSLMODE";
            leads_elsewhere || (of_stack && is_stacks)
        }));
    }
}

/// The profile that `AWS_PROFILE` names. The SDK, where it looks for itself, takes
/// an empty one for a name, so it has to be told the default.
fn profile_of(variables: &HashMap<String, String>) -> Option<&str> {
    let name = variables.get("AWS_PROFILE")?;
    Some(if name.is_empty() { "default" } else { name })
}

impl Target {
    /// The profile that the environment names, for the default chain.
    pub(crate) fn profile_of_environment(&self) -> Option<&str> {
        profile_of(&self.variables)
    }

    /// What signs requests to an endpoint.
    pub fn credentials(&self, endpoint: &Endpoint) -> Credentials {
        let given = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
            .iter()
            .all(|name| self.variable(name).is_some());
        match endpoint {
            // In the chain the environment's keys come first, and a flag beats
            // the environment.
            _ if self.production => match &self.profile {
                Some(profile) => Credentials::Profile(profile.clone()),
                None => Credentials::Chain,
            },
            _ if given => Credentials::Environment,
            Endpoint::Url(_) => Credentials::Dummy,
            Endpoint::Aws => Credentials::Missing,
        }
    }

    /// A variable of the environment this target was resolved in; an empty one
    /// counts as unset, as in the AWS SDKs.
    pub fn variable(&self, name: &str) -> Option<&str> {
        variable(&self.variables, name)
    }
}

fn variable<'a>(variables: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    variables
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

impl Endpoint {
    /// The address as errors name it.
    pub fn display(&self, service: Service, region: &str) -> String {
        match (self, service) {
            (Endpoint::Url(url), _) => url.clone(),
            (Endpoint::Aws, Service::Cognito) => {
                format!("https://cognito-idp.{region}.amazonaws.com")
            }
            (Endpoint::Aws, Service::DynamoDbStreams) => {
                format!("https://streams.dynamodb.{region}.amazonaws.com")
            }
            (Endpoint::Aws, _) => format!("https://dynamodb.{region}.amazonaws.com"),
        }
    }
}

#[cfg(test)]
mod tests;

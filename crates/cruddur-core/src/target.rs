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
//! | credentials | the environment's, fixed ones where the endpoint is not AWS | the SDK's default chain |
//! | region | `--region`, `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, `us-east-1` | the same without the last |
//!
//! What a database URL leaves open is taken from libpq's variables (`PGSSLMODE`
//! and so on), as it is by psql and psycopg, and a password after that from
//! libpq's password file.
//!
//! What one service lacks is an error only for the command that needs the
//! service, so each is kept as a result of its own.

use std::collections::HashMap;

use http::Uri;

use crate::aws::OnRetry;
use crate::db::ConnectionUrl;
use crate::{Error, Result, Service};

/// The table's name unless `--table` gives another.
pub const DEFAULT_TABLE: &str = "cruddur-messages";
/// Where DynamoDB Local listens unless told otherwise.
pub const DEFAULT_ENDPOINT_URL: &str = "http://localhost:8000";
/// Where a compose file's PostgreSQL usually listens.
pub const DEFAULT_CONNECTION_URL: &str = "postgresql://postgres:password@localhost:5432/cruddur";
/// The region where none is given, in development only.
pub const DEFAULT_REGION: &str = "us-east-1";

/// Everything a target is resolved from.
#[derive(Debug, Default, Clone)]
pub struct Inputs {
    /// `--prod`.
    pub production: bool,
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`, or `AWS_PROFILE`.
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
    /// The AWS profile, where one is named.
    pub profile: Option<String>,
    /// The endpoint variables that are set but not followed because of `--prod`.
    pub ignored: Vec<&'static str>,
    /// Who is told that requests are still being tried.
    pub on_retry: OnRetry,
    variables: HashMap<String, String>,
}

impl Target {
    /// Decides what to talk to. Never fails: a service that cannot be decided
    /// is an error in its own field.
    pub fn resolve(inputs: Inputs) -> Target {
        Target {
            production: inputs.production,
            table: match &inputs.table {
                Some(table) => Choice::new(table.clone(), "--table"),
                None => Choice::new(DEFAULT_TABLE.to_owned(), "the default"),
            },
            region: region(&inputs),
            dynamodb: dynamodb(&inputs),
            postgres: postgres(&inputs),
            cognito: cognito(&inputs),
            user_pool_id: user_pool_id(&inputs),
            profile: inputs.profile.clone(),
            ignored: ignored(&inputs),
            on_retry: inputs.on_retry,
            variables: inputs.variables,
        }
    }

    /// What signs requests to an endpoint.
    pub fn credentials(&self, endpoint: &Endpoint) -> Credentials {
        let given = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
            .iter()
            .all(|name| self.variable(name).is_some());
        match endpoint {
            _ if self.production => Credentials::Chain,
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

/// The first of these variables that is set, and its name.
fn first_of<'a>(inputs: &'a Inputs, names: &[&'static str]) -> Option<(&'a str, &'static str)> {
    names
        .iter()
        .find_map(|name| Some((variable(&inputs.variables, name)?, *name)))
}

fn region(inputs: &Inputs) -> Result<Choice<String>> {
    if let Some(region) = &inputs.region {
        return Ok(Choice::new(region.clone(), "--region"));
    }
    if let Some((region, name)) = first_of(inputs, &["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        return Ok(Choice::new(region.to_owned(), name));
    }
    if let Some(region) = &inputs.profile_region {
        let profile = inputs.profile.as_deref().unwrap_or("default");
        return Ok(Choice::new(region.clone(), format!("profile {profile}")));
    }
    if inputs.production {
        return Err(Error::NotConfigured {
            what: "the AWS region".to_owned(),
            set: "--region or AWS_REGION".to_owned(),
        });
    }
    Ok(Choice::new(DEFAULT_REGION.to_owned(), "the default"))
}

fn dynamodb(inputs: &Inputs) -> Result<Choice<Endpoint>> {
    if let Some(url) = &inputs.endpoint_url {
        return endpoint(inputs, url, "--endpoint-url");
    }
    if inputs.production {
        return Ok(Choice::new(Endpoint::Aws, "--prod"));
    }
    let variables = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"];
    if let Some((url, name)) = first_of(inputs, &variables) {
        return endpoint(inputs, url, name);
    }
    if let Some(local) = &inputs.local {
        return endpoint(inputs, &local.dynamodb, &stack(local));
    }
    endpoint(inputs, DEFAULT_ENDPOINT_URL, "the default")
}

fn cognito(inputs: &Inputs) -> Result<Choice<Endpoint>> {
    if inputs.production {
        return Ok(Choice::new(Endpoint::Aws, "--prod"));
    }
    let variables = ["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"];
    if let Some((url, name)) = first_of(inputs, &variables) {
        return endpoint(inputs, url, name);
    }
    match &inputs.local {
        Some(local) => endpoint(inputs, &local.cognito, &stack(local)),
        None => Ok(Choice::new(Endpoint::Aws, "the default")),
    }
}

fn postgres(inputs: &Inputs) -> Result<Choice<ConnectionUrl>> {
    if inputs.production {
        let (url, name) =
            first_of(inputs, &["PROD_CONNECTION_URL"]).ok_or_else(|| Error::NotConfigured {
                what: "the production database".to_owned(),
                set: "PROD_CONNECTION_URL".to_owned(),
            })?;
        let choice = connection_url(inputs, url, name)?;
        return Ok(Choice::new(choice.value.verified_by_default(), choice.why));
    }
    let (url, why) = match first_of(inputs, &["CONNECTION_URL", "DATABASE_URL"]) {
        Some((url, name)) => (url, name.to_owned()),
        None => match &inputs.local {
            Some(local) => (local.postgres.as_str(), stack(local)),
            None => (DEFAULT_CONNECTION_URL, "the default".to_owned()),
        },
    };
    let choice = connection_url(inputs, url, &why)?;
    if let Some(host) = choice
        .value
        .hosts()
        .iter()
        .find(|host| is_under(host, "rds.amazonaws.com"))
    {
        return Err(Error::Refused(format!(
            "{why} names the database host {host} on Amazon RDS, and --prod was not given"
        )));
    }
    Ok(choice)
}

/// Reads a URL; what it lacks comes from libpq's variables, and the password
/// after that from libpq's file.
fn connection_url(inputs: &Inputs, url: &str, source: &str) -> Result<Choice<ConnectionUrl>> {
    let variable = |name: &str| variable(&inputs.variables, name);
    let mut url = ConnectionUrl::parse_with(url, source, variable)?;
    if let Some(file) = &inputs.root_certificates {
        url = url.trusting(file)?;
    }
    if let Some(file) = inputs
        .password_file
        .as_ref()
        .filter(|_| !url.has_password())
        && let Some(line) = url.take_password(&file.text)
    {
        let why = format!("{source}; the password: {}:{line}", file.name);
        return Ok(Choice::new(url, why));
    }
    Ok(Choice::new(url, source))
}

fn user_pool_id(inputs: &Inputs) -> Option<Choice<String>> {
    let name = "AWS_COGNITO_USER_POOL_ID";
    if let Some((id, name)) = first_of(inputs, &[name]) {
        return Some(Choice::new(id.to_owned(), name));
    }
    let local = inputs.local.as_ref().filter(|_| !inputs.production)?;
    Some(Choice::new(local.user_pool_id.clone(), stack(local)))
}

fn ignored(inputs: &Inputs) -> Vec<&'static str> {
    if !inputs.production {
        return Vec::new();
    }
    [
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
    ]
    .into_iter()
    .filter(|name| variable(&inputs.variables, name).is_some())
    .collect()
}

fn stack(local: &LocalStack) -> String {
    format!("the local stack in {}", local.folder)
}

/// Checks an address that someone gave: it must be one, and not production's
/// unless production was asked for.
fn endpoint(inputs: &Inputs, url: &str, why: &str) -> Result<Choice<Endpoint>> {
    let uri = url
        .parse::<Uri>()
        .ok()
        .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")))
        .filter(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        // Nothing that may be a password is repeated, and none is sent to AWS.
        .filter(|_| !url.contains('@'))
        .ok_or_else(|| {
            if url.contains('@') {
                return Error::Usage(format!(
                    "{why} has an @ in it, and is not a URL such as {DEFAULT_ENDPOINT_URL}"
                ));
            }
            Error::Usage(format!(
                "{why} is {url:?}, which is not a URL such as {DEFAULT_ENDPOINT_URL}"
            ))
        })?;
    let host = uri.host().unwrap_or_default();
    let aws = ["amazonaws.com", "amazonaws.com.cn", "api.aws"];
    if !inputs.production && aws.iter().any(|domain| is_under(host, domain)) {
        return Err(Error::Refused(format!(
            "{why} names the AWS endpoint {host}, and --prod was not given"
        )));
    }
    if inputs.production && uri.scheme_str() == Some("http") && !is_loopback(host) {
        return Err(Error::Refused(format!(
            "{why} would send production's requests to {host} without TLS"
        )));
    }
    Ok(Choice::new(Endpoint::Url(url.to_owned()), why))
}

/// Whether a host is a domain or lies below it, in any spelling DNS allows.
fn is_under(host: &str, domain: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
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

//! Deciding what to talk to, by the table at the head of the module above.

use http::Uri;

use super::{
    BY_DEFAULT, Choice, DEFAULT_CONNECTION_URL, DEFAULT_ENDPOINT_URL, DEFAULT_REGION,
    DEFAULT_TABLE, Endpoint, Inputs, LocalStack, Target, variable,
};
use crate::db::ConnectionUrl;
use crate::{Error, Result};

impl Target {
    /// Decides what to talk to. Never fails: a service that cannot be decided
    /// is an error in its own field.
    pub fn resolve(mut inputs: Inputs) -> Target {
        inputs.set_aside();
        Target {
            production: inputs.production,
            table: match &inputs.table {
                Some(table) => Choice::new(table.clone(), "--table"),
                None => Choice::new(DEFAULT_TABLE.to_owned(), BY_DEFAULT),
            },
            region: region(&inputs),
            dynamodb: dynamodb(&inputs),
            postgres: postgres(&inputs),
            cognito: cognito(&inputs),
            user_pool_id: user_pool_id(&inputs),
            profile: inputs.profile.clone(),
            ignored: {
                let set =
                    |(name, value): (&String, &String)| (!value.is_empty()).then(|| name.clone());
                inputs.aside.iter().filter_map(set).collect()
            },
            on_retry: inputs.on_retry,
            variables: inputs.variables,
        }
    }
}

/// The first of these variables that is set, and its name.
fn first_of<'a>(inputs: &'a Inputs, names: &[&'static str]) -> Option<(&'a str, &'static str)> {
    names
        .iter()
        .find_map(|name| Some((variable(&inputs.variables, name)?, *name)))
}

/// The region, which becomes a part of host names.
fn region(inputs: &Inputs) -> Result<Choice<String>> {
    let choice = named_region(inputs)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match &choice.value {
        name if !name.is_empty() && name.chars().all(fits) => Ok(choice),
        name => Err(Error::Usage(format!(
            "{name:?}, which {} names, is no region such as us-east-1",
            choice.why
        ))),
    }
}

fn named_region(inputs: &Inputs) -> Result<Choice<String>> {
    if let Some(region) = &inputs.region {
        return Ok(Choice::new(region.clone(), "--region"));
    }
    if let Some((region, name)) = first_of(inputs, &["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        return Ok(Choice::new(region.to_owned(), name));
    }
    if let Some(region) = &inputs.profile_region {
        let profile = inputs.named_profile().unwrap_or("default");
        return Ok(Choice::new(region.clone(), format!("profile {profile}")));
    }
    if inputs.production {
        return Err(Error::NotConfigured {
            what: "the AWS region".to_owned(),
            set: "--region or AWS_REGION".to_owned(),
        });
    }
    Ok(Choice::new(DEFAULT_REGION.to_owned(), BY_DEFAULT))
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
    endpoint(inputs, DEFAULT_ENDPOINT_URL, BY_DEFAULT)
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
        None => Ok(Choice::new(Endpoint::Aws, BY_DEFAULT)),
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
    let variables = ["CONNECTION_URL", "DATABASE_URL"];
    let choice = match (first_of(inputs, &variables), &inputs.local) {
        (Some((url, name)), _) => connection_url(inputs, url, name)?,
        // Nothing is missing in the stack's, and libpq's variables may be for any
        // other server.
        (None, Some(local)) => {
            let why = stack(local);
            Choice::new(ConnectionUrl::parse(&local.postgres, &why)?, why)
        }
        (None, None) => connection_url(inputs, DEFAULT_CONNECTION_URL, BY_DEFAULT)?,
    };
    if let Some(host) = choice.value.hosts().iter().find(|host| is_on_rds(host)) {
        return Err(Error::Refused(format!(
            "{} names the database host {host} on Amazon RDS, and --prod was not given",
            choice.why
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
        // A port that is none would be passed over for port 80.
        .filter(|uri| uri.port().is_some() || !names_port(uri))
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

fn names_port(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    authority
        .strip_prefix(host)
        .is_some_and(|rest| !rest.is_empty())
}

/// Whether a host is a domain or lies below it, in any spelling DNS allows.
fn is_under(host: &str, domain: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_on_rds(host: &str) -> bool {
    // In China the region comes in between: rds.cn-north-1.amazonaws.com.cn.
    let china = is_under(host, "amazonaws.com.cn");
    is_under(host, "rds.amazonaws.com") || china && host.to_ascii_lowercase().contains(".rds.")
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

//! How requests get to where they are sent.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::checksum::Checked;
use crate::target::{Endpoint, Target};
use crate::{Error, Result};

/// A client for what listens at an endpoint, which knows TLS and the proxy only
/// where they are needed.
pub(super) fn http_client(target: &Target, endpoint: &Endpoint) -> Result<SharedHttpClient> {
    let client = match endpoint {
        Endpoint::Url(url) if url.starts_with("http://") => Builder::new().build_http(),
        _ => with_tls(proxy(target)?),
    };
    Ok(SharedHttpClient::new(Checked(client)))
}

/// Only requests over TLS go through the proxy: those to the addresses of a
/// machine's metadata never do.
fn with_tls(proxy: Option<ProxyConfig>) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        builder.set_proxy_config(proxy.clone());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        let mode = tls::rustls_provider::CryptoMode::AwsLc;
        builder.tls_provider(tls::Provider::Rustls(mode)).build()
    })
}

/// The proxy that `HTTPS_PROXY` names, but for the hosts in `NO_PROXY`. As for
/// the AWS CLI, small letters win, and `http://` may be left out.
fn proxy(target: &Target) -> Result<Option<ProxyConfig>> {
    let first_of = |names: [&'static str; 2]| {
        let mut names = names.into_iter();
        names.find_map(|name| Some((target.variable(name)?, name)))
    };
    let Some((url, name)) = first_of(["https_proxy", "HTTPS_PROXY"]) else {
        return Ok(None);
    };
    let url = match url.contains("://") {
        true => url.to_owned(),
        false => format!("http://{url}"),
    };
    // The URL is not repeated, since it may hold a password.
    let proxy = ProxyConfig::https(url).map_err(|_| {
        Error::Usage(format!(
            "{name} is not a URL such as http://proxy.example.com:3128"
        ))
    })?;
    let direct = first_of(["no_proxy", "NO_PROXY"]).map_or("", |(hosts, _)| hosts);
    Ok(Some(proxy.no_proxy(direct)))
}

//! How a connection to the database is protected, in libpq's words and sense:
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::url::ConnectionUrl;
use crate::{Error, Result};

/// In the place of a file of certificate authorities: those of Amazon RDS.
pub const RDS: &str = "rds";

/// The root certificates of Amazon RDS, in PEM. From its global bundle,
/// <https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem>; a
/// region younger than this copy needs the file itself.
pub const RDS_CERTIFICATES: &str = include_str!("rds.pem");

/// What is asked of the connection's protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where the server offers it and it comes about, else none. libpq's
    /// `allow` is read as this, too.
    Prefer,
    /// TLS with whatever certificate; the authority is verified where
    /// `sslrootcert` names one.
    Require,
    /// TLS with a certificate of a trusted authority.
    VerifyCa,
    /// TLS with a certificate of a trusted authority for the host's name.
    VerifyFull,
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        })
    }
}

impl FromStr for SslMode {
    type Err = String;

    fn from_str(text: &str) -> Result<SslMode, String> {
        Ok(match text {
            "disable" => SslMode::Disable,
            "allow" | "prefer" => SslMode::Prefer,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            _ => {
                return Err(format!(
                    "its sslmode {text:?} is none of disable, allow, prefer, require, verify-ca and verify-full"
                ));
            }
        })
    }
}

/// What is verified of the server's certificate.
#[derive(Clone, Copy)]
enum Verified {
    Nothing,
    Authority,
    AuthorityAndName,
}

/// Makes what the client wraps its socket in; `None` where TLS is off.
///
/// The system's certificates are read only where they decide something, since
/// that takes longer than a query.
pub(super) fn connector(url: &ConnectionUrl) -> Result<Option<MakeRustlsConnect>> {
    let file = url.root_certificates();
    let verified = match (url.ssl_mode(), file) {
        (SslMode::Disable, _) => return Ok(None),
        (SslMode::Prefer, _) | (SslMode::Require, None) => Verified::Nothing,
        // libpq: "If a root CA file exists, the behavior of sslmode=require
        // will be the same as that of verify-ca".
        (SslMode::Require, Some(_)) | (SslMode::VerifyCa, _) => Verified::Authority,
        (SslMode::VerifyFull, _) => Verified::AuthorityAndName,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = match verified {
        Verified::Nothing => None,
        _ => Some(
            WebPkiServerVerifier::builder_with_provider(roots(file)?.into(), provider.clone())
                .build()
                .map_err(|error| {
                    Error::Failed(format!("no certificate can be verified: {error}"))
                })?,
        ),
    };
    let verifier = Verifier {
        chain,
        name: matches!(verified, Verified::AuthorityAndName),
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Failed(format!("TLS cannot be set up: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// The authorities to trust: those of the file, or else the system's.
fn roots(file: Option<&str>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Error::NotConfigured {
                what: "a certificate authority, which this system has none of,".to_owned(),
                set: "--sslrootcert, or PGSSLROOTCERT".to_owned(),
            });
        }
        return Ok(roots);
    };
    let wrong = |cause: String| Error::Usage(format!("the certificates in {file}: {cause}"));
    let pem = match file {
        RDS => RDS_CERTIFICATES.as_bytes().to_vec(),
        _ => std::fs::read(file).map_err(|e| wrong(e.to_string()))?,
    };
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is none".to_owned()));
    }
    Ok(roots)
}

/// Verifies as much as the mode asks for.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last, when all else was found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    // The signatures are verified even where the certificate is not: channel
    // binding rests on the server's having the key to its certificate.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorities_of_amazon_rds_are_read() {
        let named = RDS_CERTIFICATES.lines();
        let named = named.filter(|line| line.starts_with("Amazon RDS ")).count();
        assert_eq!(roots(Some(RDS)).unwrap().len(), named);
        assert!(named > 80, "{named}");
    }
}

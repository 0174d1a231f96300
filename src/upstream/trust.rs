//! Which certificates of the seller are trusted when the settings name a `ca_file`: certificates signed by a public
//! authority or by an authority in the file, and certificates that are in the file themselves.
//!
//! A self-signed certificate is often marked as an authority's (`openssl req -x509` does that), and a server may not
//! present such a certificate as its own. The operator who names it in `ca_file` vouches for it, so it is accepted. Its
//! names and its dates are still checked.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{ErrorKind, ModuleError};
use crate::model::rules::UpstreamRules;
use crate::text;

/// TLS by the settings. `None`: they name no `ca_file`.
///
/// # Errors
/// `config`, object `ca_file`: it is not a PEM file with certificates.
pub(super) fn configured(rules: &UpstreamRules) -> Result<Option<ClientConfig>, ModuleError> {
    let Some(path) = &rules.ca_file else { return Ok(None) };
    let refuse = |cause: String| {
        let path = path.display();
        let message = text!(
            "The file {path} with the license server's CA (setting ca_file) cannot be used",
            "Файл {path} с центром сертификации сервера лицензий (параметр ca_file) не подходит"
        );
        ModuleError::new(ErrorKind::Config, "ca_file", path, message)
            .changed(text!("Nothing was sent", "Ничего не отправлено"))
            .next(text!("put certificates in PEM there", "положите туда сертификаты в формате PEM"))
            .because(cause)
    };
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let named: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let named = named.map_err(|error| refuse(error.to_string()))?;
    if named.is_empty() {
        return Err(refuse("no certificate in it".to_owned()));
    }
    trusting(named).map(Some).map_err(|error| refuse(error.to_string()))
}

fn trusting(named: Vec<CertificateDer<'static>>) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in &named {
        roots.add(certificate.clone())?;
    }
    let provider = Arc::new(ring::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Vouched { usual, named }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The usual checks, with one exception: a certificate in the file may be that of an authority.
#[derive(Debug)]
struct Vouched {
    usual: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

/// Whether the only fault is that an authority's certificate is presented as a server's. The library checks the dates
/// before this fault and the names after it.
fn is_authority_as_server(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Vouched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(error) if is_authority_as_server(&error) && self.named.iter().any(|named| named == end_entity) => {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

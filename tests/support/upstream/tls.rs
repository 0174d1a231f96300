//! A private certificate authority for `https://localhost:PORT`, and the ways in which a certificate can be wrong.
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP.
    Off,
    /// Signed by the authority that `ca_pem()` hands out.
    Good,
    /// Signed by it, but for another host.
    WrongName,
    /// Signed by an authority that nobody knows.
    UnknownAuthority,
    Expired,
    /// Signed by itself and marked as an authority's, as `openssl req -x509` makes it; `ca_pem()` hands it out.
    SelfSigned,
    /// Likewise, but for another host.
    SelfSignedWrongName,
    /// Likewise, but its days are over.
    SelfSignedExpired,
}

impl Tls {
    fn is_self_signed(self) -> bool {
        matches!(self, Self::SelfSigned | Self::SelfSignedWrongName | Self::SelfSignedExpired)
    }
}

pub struct Identity {
    pub ca_pem: String,
    pub config: Arc<ServerConfig>,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub fn identity(kind: Tls) -> Identity {
    let (known, stranger) = (authority("Sandbox authority"), authority("Stranger"));
    let is_elsewhere = matches!(kind, Tls::WrongName | Tls::SelfSignedWrongName);
    let host = if is_elsewhere { "other.example.com" } else { "localhost" };
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    if matches!(kind, Tls::Expired | Tls::SelfSignedExpired) {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let signer = if kind == Tls::UnknownAuthority { &stranger } else { &known };
    let leaf = if kind.is_self_signed() {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap()
    } else {
        params.signed_by(&key, signer).unwrap()
    };
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .unwrap();
    let ca_pem = if kind.is_self_signed() { leaf.pem() } else { known.pem() };
    Identity { ca_pem, config: Arc::new(config) }
}

/// Authority, certificate for these names and addresses, and its key, as PEM.
pub fn files(names: &[&str]) -> [String; 3] {
    let known = authority("Sandbox authority");
    let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    let key = KeyPair::generate().unwrap();
    [known.pem(), params.signed_by(&key, &known).unwrap().pem(), key.serialize_pem()]
}

/// The same of a certificate that signed itself. `is_authority`: marked as an authority's, as `openssl req -x509` does.
pub fn self_signed_files(names: &[&str], is_authority: bool) -> [String; 3] {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    [pem.clone(), pem, key.serialize_pem()]
}

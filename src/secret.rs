//! Decrypts settings of a module that the panel stores encrypted (table processingcryptedparam): base64 of RSA PKCS#1
//! v1.5, with the panel's key. No error holds the plain text or the key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey};

/// Why a stored secret cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The key file is neither PKCS#1 nor PKCS#8 in PEM, or protected by a password.
    #[error("the panel's key is not an RSA key in PEM without a password")]
    Key,
    /// The stored value is not base64.
    #[error("the stored value is not base64")]
    Base64,
    /// It was encrypted with another key, or is damaged.
    #[error("the stored value cannot be decrypted with the panel's key")]
    Decrypt,
    /// It decrypts to something that is not UTF-8.
    #[error("the decrypted value is not text")]
    Text,
}

/// The plain text of a stored secret. An empty value stays empty.
///
/// # Errors
/// [`SecretError`]
pub fn decrypt(pem: &str, stored: &str) -> Result<String, SecretError> {
    let packed: String = stored.chars().filter(|c| !c.is_whitespace()).collect();
    if packed.is_empty() {
        return Ok(String::new());
    }
    let key = RsaPrivateKey::from_pkcs8_pem(pem)
        .or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem))
        .map_err(|_| SecretError::Key)?;
    let encrypted = STANDARD.decode(packed).map_err(|_| SecretError::Base64)?;
    let plain = key.decrypt(Pkcs1v15Encrypt, &encrypted).map_err(|_| SecretError::Decrypt)?;
    String::from_utf8(plain).map_err(|_| SecretError::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::RsaPublicKey;
    use rsa::pkcs1::EncodeRsaPrivateKey;
    use rsa::pkcs8::{EncodePrivateKey, LineEnding};
    use rsa::rand_core::OsRng;

    /// Both forms of the key decrypt what its public half encrypted. Another key, rubbish and broken base64 have
    /// different errors.
    #[test]
    fn both_forms_of_the_key_decrypt_and_each_failure_has_its_own_error() {
        let key = RsaPrivateKey::new(&mut OsRng, 1024).expect("a key");
        let other = RsaPrivateKey::new(&mut OsRng, 1024).expect("a key");
        let seal = |text: &[u8]| {
            let sealed = RsaPublicKey::from(&key).encrypt(&mut OsRng, Pkcs1v15Encrypt, text).expect("encrypted");
            STANDARD.encode(sealed)
        };
        let pkcs1 = key.to_pkcs1_pem(LineEnding::LF).expect("PEM");
        let pkcs8 = key.to_pkcs8_pem(LineEnding::LF).expect("PEM");
        let mut stored = seal("пароль:1".as_bytes());
        stored.insert(20, '\n');
        for pem in [&pkcs1, &pkcs8] {
            assert_eq!(decrypt(pem, &stored).as_deref(), Ok("пароль:1"));
            assert_eq!(decrypt(pem, " \n").as_deref(), Ok(""));
        }
        let wrong = other.to_pkcs8_pem(LineEnding::LF).expect("PEM");
        assert_eq!(decrypt(&wrong, &stored), Err(SecretError::Decrypt));
        assert_eq!(decrypt("no key", &stored), Err(SecretError::Key));
        assert_eq!(decrypt(&pkcs1, "*"), Err(SecretError::Base64));
        assert_eq!(decrypt(&pkcs1, "AAAA"), Err(SecretError::Decrypt));
        assert_eq!(decrypt(&pkcs1, &seal(b"\xff")), Err(SecretError::Text));
    }
}

//! A key pair as the panel keeps one to encrypt passwords with.
use std::sync::OnceLock;

/// Two primes for a key that protects nothing; finding them anew takes an unoptimised build a minute.
const PRIMES: [&str; 2] = [
    "DF5023884BEEC73AD2618C0DAC998EB6CE95BC833A4F8EDBFDCD1A5DE7329F0A\
     2A18BDE536361E526B250189BA8B9BD957150E783F8B698261D3E47DC497EBBD",
    "CC8228678A252B1BFF7C21706B51D2ADF5841C46C8372865C76B2E31CFC4F419\
     A6C5580877407D31836E29FCFEF96772926CA4E8C9DE987BDC667BC9C0BE9B75",
];

pub fn key() -> &'static rsa::RsaPrivateKey {
    static KEY: OnceLock<rsa::RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let prime = |hex: &str| rsa::BigUint::parse_bytes(hex.as_bytes(), 16).unwrap();
        let [p, q] = PRIMES.map(prime);
        rsa::RsaPrivateKey::from_p_q(p, q, rsa::BigUint::from(65537_u32)).expect("a key pair")
    })
}

pub fn encrypt(text: &str) -> Vec<u8> {
    key().to_public_key().encrypt(&mut Dice, rsa::Pkcs1v15Encrypt, text.as_bytes()).expect("a short text")
}

/// Random numbers of the system, for the crate rsa.
struct Dice;

impl rsa::rand_core::RngCore for Dice {
    fn next_u32(&mut self) -> u32 {
        getrandom::u32().unwrap()
    }

    fn next_u64(&mut self) -> u64 {
        getrandom::u64().unwrap()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        getrandom::fill(dest).unwrap();
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl rsa::rand_core::CryptoRng for Dice {}

//! A request to a BILLmanager, before it is encoded for HTTP or for a command line.

/// A function of a BILLmanager, ours or the seller's, with its parameters in order and without a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The function.
    pub func: String,
    /// Names and values.
    pub params: Vec<(String, String)>,
}

impl Form {
    /// Without parameters.
    pub fn new(func: impl Into<String>) -> Self {
        Self { func: func.into(), params: Vec::new() }
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.params.push((name.into(), value.to_string()));
        self
    }

    /// Whether the value of a parameter is secret: by the parameter's name, or by the name in `name=… value=…`.
    pub fn is_secret(&self, name: &str) -> bool {
        let named = || self.params.iter().any(|(key, value)| key == "name" && is_secret_name(value));
        is_secret_name(name) || (name == "value" && named())
    }
}

/// Names of fields whose values are secrets, in requests and answers alike: license keys, passwords, logins.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["lickey", "licensekey", "license_key", "api-key", "password", "passwd", "secret", "authinfo"]
        .iter()
        .any(|word| name.contains(word))
}

//! How the panel calls the program: the command line of a command, as the usual panel or another one words it.

#[derive(Debug, Clone, Copy, Default)]
pub struct Calls {
    /// The value after `--item` while there is no service yet; without it the option is left out.
    pub no_item: Option<&'static str>,
    /// The value after `--runningoperation` instead of its number.
    pub no_operation: Option<&'static str>,
    /// Options that nobody asked for.
    pub extra: &'static [&'static str],
}

impl Calls {
    /// The command line about a service, or about none yet.
    pub fn args(&self, command: &str, item: Option<u32>, operation: Option<u64>) -> Vec<String> {
        let mut args = vec!["--command".to_owned(), command.to_owned()];
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                args.extend([name.to_owned(), value]);
            }
        };
        let number = item.map(|item| item.to_string());
        put("--item", number.or(self.no_item.map(str::to_owned)));
        let number = operation.map(|operation| operation.to_string());
        put("--runningoperation", self.no_operation.map(str::to_owned).or(number));
        args.extend(self.extra.iter().map(|word| (*word).to_owned()));
        args
    }
}

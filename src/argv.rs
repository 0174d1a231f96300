//! Reads the panel's command line. It is pure, ignores options that a newer panel may add, and is strict about the
//! options that it knows (docs/interface.md 2). An unknown option, with or without a value, never hides a known one
//! after it.

use std::collections::BTreeMap;

use crate::cli::{Command, Common, EngineCommand, OPTIONS, Opt, Tuning};
use crate::error::{ErrorKind, Lang, ModuleError};
use crate::model::command::{self, Does};
use crate::model::ids::{ItemId, ModuleId};
use crate::text;

/// The options as given. `None` for an option without a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    values: BTreeMap<Opt, Option<String>>,
    /// For the log: unknown options and repeated ones, by name only, because a value may be a secret.
    pub remarks: Vec<String>,
}

/// The kind of one argument.
enum Arg<'a> {
    Known { opt: Opt, attached: Option<&'a str> },
    UnknownOption(&'a str),
    Word,
}

fn classify(arg: &str) -> Arg<'_> {
    if let Some(long) = arg.strip_prefix("--") {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        return match OPTIONS.iter().find(|(known, ..)| *known == name) {
            Some((.., opt)) => Arg::Known { opt: *opt, attached },
            None => Arg::UnknownOption(name),
        };
    }
    let Some(short) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) else { return Arg::Word };
    let mut letters = short.chars();
    let letter = letters.next();
    let rest = letters.as_str();
    let known = OPTIONS.iter().find(|(_, short, _)| short.is_some() && *short == letter).map(|(.., opt)| *opt);
    match known {
        Some(opt) if rest.is_empty() => Arg::Known { opt, attached: None },
        Some(opt) if rest.starts_with('=') => Arg::Known { opt, attached: rest.get(1..) },
        Some(opt) if rest.bytes().all(|b| b.is_ascii_digit()) => Arg::Known { opt, attached: Some(rest) },
        Some(_) | None if short.bytes().all(|b| b.is_ascii_digit() || b == b'.') => Arg::Word,
        // Only the letter is reported. The rest may be the value of an unknown option before it, even a secret.
        Some(_) | None => Arg::UnknownOption(short.get(..letter.map_or(0, char::len_utf8)).unwrap_or_default()),
    }
}

/// Reads the arguments after the program's name. Of a repeated option the last one counts.
pub fn read(args: &[String]) -> Given {
    let mut given = Given::default();
    let mut rest = args.iter().map(String::as_str).peekable();
    while let Some(arg) = rest.next() {
        match classify(arg) {
            Arg::Known { opt, attached } => {
                let value = match attached {
                    Some(value) => Some(value.to_owned()),
                    None if opt.is_flag() => None,
                    // The next argument is the value, unless it is an option that we know.
                    None => rest.next_if(|next| !matches!(classify(next), Arg::Known { .. })).map(str::to_owned),
                };
                if given.values.insert(opt, value).is_some() {
                    given.remarks.push(format!("option --{} given twice: the last one counts", opt.name()));
                }
            }
            Arg::UnknownOption(name) => given.remarks.push(format!("unknown option {name:.40} passed over")),
            Arg::Word => {}
        }
    }
    given
}

impl Given {
    /// Whether the panel calls, and not an administrator.
    pub fn is_protocol(&self) -> bool {
        self.values.contains_key(&Opt::Command)
    }

    /// Whether a flag was given.
    pub fn has(&self, flag: Opt) -> bool {
        self.values.contains_key(&flag)
    }

    /// The command's name as given; empty when it is missing.
    pub fn command(&self) -> &str {
        self.text(Opt::Command).unwrap_or_default()
    }

    /// The language asked for.
    pub fn lang(&self) -> Lang {
        self.text(Opt::Lang).map(Lang::parse).unwrap_or_default()
    }

    fn text(&self, opt: Opt) -> Option<&str> {
        self.values.get(&opt)?.as_deref()
    }

    fn filled(&self, opt: Opt) -> Option<&str> {
        self.text(opt).filter(|text| !text.is_empty())
    }

    fn required(&self, opt: Opt) -> Result<&str, ModuleError> {
        self.filled(opt).ok_or_else(|| self.missed(opt))
    }

    fn missed(&self, opt: Opt) -> ModuleError {
        let (command, name) = (self.command(), opt.name());
        ModuleError::new(
            ErrorKind::Missed,
            name,
            "",
            text!("Command {command:?} was called without --{name}", "Команда {command:?} вызвана без --{name}"),
        )
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("repeat it with --{name} VALUE", "повторите её с --{name} ЗНАЧЕНИЕ"))
    }

    /// A number greater than zero. `None` if the option was not given at all.
    fn number<T: From32>(&self, opt: Opt) -> Result<Option<T>, ModuleError> {
        let Some(value) = self.values.get(&opt) else { return Ok(None) };
        let Some(value) = value.as_deref().filter(|text| !text.is_empty()) else { return Err(self.missed(opt)) };
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse::<u32>().ok().filter(|number| digits && *number > 0);
        number.map(|number| Some(T::from32(number))).ok_or_else(|| {
            let name = opt.name();
            let limit = u32::MAX;
            ModuleError::new(
                ErrorKind::BadValue,
                name,
                value,
                text!(
                    "--{name} {value:?} is not a number from 1 to {limit}",
                    "--{name} {value:?} не является числом от 1 до {limit}"
                ),
            )
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!("repeat the command with a number", "повторите команду с числом"))
        })
    }

    /// Reads a number like [`Given::number`], for options in which 0 or an empty value means "none": there is no
    /// service while a client fills in an order form, and no operation when an administrator starts the command.
    fn number_if_any<T: From32>(&self, opt: Opt) -> Result<Option<T>, ModuleError> {
        let value = self.text(opt).unwrap_or_default();
        if value.bytes().all(|digit| digit == b'0') { Ok(None) } else { self.number(opt) }
    }

    fn required_number<T: From32>(&self, opt: Opt) -> Result<T, ModuleError> {
        self.number(opt)?.ok_or_else(|| self.missed(opt))
    }

    /// The options of every command, checked.
    ///
    /// # Errors
    /// `bad_value` or `missed` with the option's name.
    pub fn common(&self) -> Result<Common, ModuleError> {
        // A malformed item is an error with every command, because the rest of the line cannot be trusted then.
        // Commands about a service also refuse "none", in `check`.
        self.number_if_any::<ItemId>(Opt::Item)?;
        Ok(Common {
            lang: self.lang(),
            module: self.number(Opt::Module)?,
            running_operation: self.number_if_any(Opt::RunningOperation)?,
            config: self.config(),
        })
    }

    /// `--config`.
    pub fn config(&self) -> Option<std::path::PathBuf> {
        self.filled(Opt::Config).map(Into::into)
    }

    /// The checked command.
    ///
    /// # Errors
    /// `missed`, `bad_value` with the option's name; `unknown_command`.
    pub fn check(&self) -> Result<Command, ModuleError> {
        let name = self.required(Opt::Command)?;
        let known = command::find(name).ok_or_else(|| unknown_command(name))?;
        Ok(match known.does {
            Does::Item(command) => {
                Command::Engine(EngineCommand::Item { command, item: self.required_number(Opt::Item)? })
            }
            Does::Features => Command::Features,
            Does::CheckConnection => Command::CheckConnection,
            Does::TuneConnection => Command::TuneConnection,
            Does::TuningParam => Command::TuningParam(self.tuning()),
            Does::CheckParam => Command::CheckParam {
                param: self.required(Opt::Param)?.to_owned(),
                value: self.text(Opt::Value).ok_or_else(|| self.missed(Opt::Value))?.to_owned(),
            },
            Does::CheckAddon => Command::CheckAddon {
                addon: [Opt::Param, Opt::Intname, Opt::Addon]
                    .into_iter()
                    .find_map(|opt| self.filled(opt))
                    .ok_or_else(|| self.missed(Opt::Param))?
                    .trim()
                    .to_owned(),
                value: self.text(Opt::Value).ok_or_else(|| self.missed(Opt::Value))?.to_owned(),
            },
            Does::SyncServer => {
                Command::Engine(EngineCommand::SyncServer { module: self.required_number(Opt::Module)? })
            }
            Does::Sync => Command::Engine(EngineCommand::Sync { module: self.number(Opt::Module)? }),
            Does::Import => Command::Engine(EngineCommand::Import {
                module: self.required_number(Opt::Module)?,
                itemtype: self.required(Opt::Itemtype)?.trim().to_owned(),
                search: self.filled(Opt::Param).map(str::to_owned),
            }),
            Does::ImportPricelist => Command::ImportPricelist { module: self.required_number(Opt::Module)? },
            Does::Nothing => Command::Empty,
            Does::NotSupported => Command::NotSupported(known.name),
        })
    }

    fn tuning(&self) -> Tuning {
        match self.text(Opt::Subcommand) {
            Some("List") => Tuning::List,
            Some("TableFormTune") => Tuning::TableFormTune,
            Some("TableGet") => Tuning::TableGet,
            Some("TableSet") => Tuning::TableSet,
            Some(_) | None => Tuning::Other,
        }
    }
}

fn unknown_command(name: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::UnknownCommand,
        "command",
        name,
        text!("There is no command {name:?}", "Команды {name:?} нет"),
    )
    .changed(text!("Nothing was done", "Ничего не сделано"))
    .next(text!(
        "commands that exist are listed by --command features",
        "имеющиеся команды перечисляет --command features"
    ))
}

/// Ids of all kinds, made from a number.
trait From32 {
    fn from32(number: u32) -> Self;
}

impl From32 for ItemId {
    fn from32(number: u32) -> Self {
        Self(number)
    }
}

impl From32 for ModuleId {
    fn from32(number: u32) -> Self {
        Self(number)
    }
}

impl From32 for crate::model::ids::RunningOperationId {
    fn from32(number: u32) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::command::COMMANDS;

    fn parse(line: &str) -> Given {
        read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn item_of(line: &str) -> Option<u32> {
        match parse(line).check() {
            Ok(Command::Engine(command)) => command.item().map(|item| item.0),
            Ok(_) | Err(_) => None,
        }
    }

    /// Both spellings, short options, unknown options with and without values: the item is found in every position.
    #[test]
    fn the_item_is_found_whatever_options_stand_around_it() {
        for line in [
            "--command open --item 42",
            "--command=open --item=42",
            "-c open -i 42",
            "-c open -i42",
            "-c=open -i=42",
            "--foo bar --command open --item 42",
            "--foo --command open --item 42",
            "--foo=bar --command open --item 42",
            "--command open --foo --item 42 --bar",
            "--command open -x --item 42 -y 7",
            "--command open bare words --item 42 more",
            "--command open --item 41 --item 42",
            "--command open --item 42 --tld com --searchstring a b",
            "--command open --userid 3 --password -secret --item 42",
            "--command open -- --item 42",
            "--command open --period -50 --item 42",
            "--command open --item 42 --level",
        ] {
            assert_eq!(item_of(line), Some(42), "{line}");
        }
    }

    /// Ignored options are reported by name. Their values, which may be secrets, are not.
    #[test]
    fn remarks_hold_no_values() {
        let given = parse("--command open --secret=hunter2 --token hunter2 --item 1 --item 2");
        assert_eq!(
            given.remarks,
            [
                "unknown option secret passed over",
                "unknown option token passed over",
                "option --item given twice: the last one counts"
            ]
        );
    }

    /// Each command names the option that it lacks. The error of a malformed number shows its text.
    #[test]
    fn a_command_names_the_option_that_it_lacks_or_cannot_read() {
        use ErrorKind::{BadValue, Missed, UnknownCommand};
        for (line, kind, object, value) in [
            ("--command", Missed, "command", ""),
            ("--command --item 3", Missed, "command", ""),
            ("--command open", Missed, "item", ""),
            ("--command open --item", Missed, "item", ""),
            ("--command open --item=", Missed, "item", ""),
            ("--command open --item --module 7", Missed, "item", ""),
            ("--command sync_item --module 7", Missed, "item", ""),
            ("--command gen_key", Missed, "item", ""),
            ("--command open --item abc", BadValue, "item", "abc"),
            ("--command open --item 0", BadValue, "item", "0"),
            ("--command open --item -5", BadValue, "item", "-5"),
            ("--command open --item +5", BadValue, "item", "+5"),
            ("--command open --item 4294967296", BadValue, "item", "4294967296"),
            ("--command sync_server", Missed, "module", ""),
            ("--command sync_server --module x", BadValue, "module", "x"),
            ("--command sync --module x", BadValue, "module", "x"),
            ("--command import", Missed, "module", ""),
            ("--command import --module 7", Missed, "itemtype", ""),
            ("--command import_pricelist", Missed, "module", ""),
            ("--command check_param --value 1", Missed, "param", ""),
            ("--command check_param --param ip", Missed, "value", ""),
            ("--command check_addon", Missed, "param", ""),
            ("--command check_addon --intname panel", Missed, "value", ""),
            ("--command nosuch --item 42", UnknownCommand, "command", "nosuch"),
        ] {
            let error = parse(line).check().expect_err(line);
            assert_eq!((error.kind, error.object.as_str(), error.value.as_str()), (kind, object, value), "{line}");
        }
        for line in ["--command open --item 1 --runningoperation x", "--command open --item 1 --module x"] {
            assert_eq!(parse(line).common().expect_err(line).kind, BadValue, "{line}");
        }
        assert_eq!(parse("--command features --item x").common().expect_err("item").object, "item");
    }

    /// 0 and an empty value mean "no service" and "no operation". Commands about a service refuse both.
    #[test]
    fn zero_and_an_empty_value_mean_no_service_and_no_operation() {
        for none in ["0", "", "00"] {
            let args = |command: &str| {
                let more = ["--item", none, "--runningoperation", none, "--param", "ip", "--value", "x"];
                let words = ["--command", command].into_iter().chain(more);
                read(&words.map(str::to_owned).collect::<Vec<_>>())
            };
            for command in ["check_param", "check_addon", "get_suitable_module", "tune_connection", "tuning_param"] {
                let given = args(command);
                assert_eq!(given.common(), Ok(Common::default()), "{command} {none:?}");
                assert!(given.check().is_ok(), "{command} {none:?}");
            }
            for command in COMMANDS.into_iter().filter(|command| matches!(command.does, Does::Item(_))) {
                let error = args(command.name).check().expect_err(command.name);
                assert_eq!(error.object, "item", "{} {none:?}", command.name);
            }
        }
        let common = parse("--command open --item 1 --runningoperation").common();
        assert_eq!(common.map(|common| common.running_operation), Ok(None));
    }

    /// An empty value counts as a value where that makes sense.
    #[test]
    fn an_empty_value_counts_where_it_makes_sense() {
        let given = read(&["--command=check_param", "--param=licname", "--value="].map(str::to_owned));
        assert_eq!(given.check(), Ok(Command::CheckParam { param: "licname".into(), value: String::new() }));
    }

    /// Commands that the protocol knows and we do not carry out never look like unknown ones.
    #[test]
    fn commands_that_we_do_not_carry_out_are_not_unknown_ones() {
        let names = COMMANDS.into_iter().filter(|known| known.does == Does::NotSupported).map(|known| known.name);
        for name in names {
            assert_eq!(parse(&format!("--command {name}")).check(), Ok(Command::NotSupported(name)));
        }
        for name in ["stat", "usercreate", "get_suitable_module", "get_server_config", "sync_pricelist", "sync_iplist"]
        {
            assert_eq!(parse(&format!("--command {name}")).check(), Ok(Command::Empty), "{name}");
        }
        assert!(!parse("sync --module 7").is_protocol());
    }
}

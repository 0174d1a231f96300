//! The commands of the panel's protocol (docs/interface.md 3), in one table: which exist, what each does, which are
//! announced to the panel, and which do nothing while `etc/billmgr.DoNothing` exists.

/// A command about one service that may change its license.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemCommand {
    /// A license for a new service.
    Open,
    /// Stop it.
    Suspend,
    /// Start it again.
    Resume,
    /// The service ends: free, stop or delete the license.
    Close,
    /// A period was paid.
    Prolong,
    /// No automatic renewal.
    CancelProlong,
    /// What `open` would still have to do.
    Reopen,
    /// The client changed address, name, nodes or tariff.
    Setparam,
    /// Look at one license.
    SyncItem,
    /// A new key.
    GenKey,
}

impl ItemCommand {
    /// The protocol's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Close => "close",
            Self::Prolong => "prolong",
            Self::CancelProlong => "cancel_prolong",
            Self::Reopen => "reopen",
            Self::Setparam => "setparam",
            Self::SyncItem => "sync_item",
            Self::GenKey => "gen_key",
        }
    }
}

/// What a command of the protocol does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Describes this module to the panel.
    Features,
    /// Logs in at the seller.
    CheckConnection,
    /// Completes the form of a processing module.
    TuneConnection,
    /// The table of the period alignment.
    TuningParam,
    /// Judges a parameter that a client typed.
    CheckParam,
    /// Judges an addon that a client chose.
    CheckAddon,
    /// Works on one service.
    Item(ItemCommand),
    /// One pass over the licenses of a module.
    SyncServer,
    /// One pass over the licenses of all modules.
    Sync,
    /// Licenses at the seller that become services.
    Import,
    /// The products that this module can sell.
    ImportPricelist,
    /// Does nothing and succeeds: no module is preferred, no user is made, nothing is measured.
    Nothing,
    /// Has no meaning for licenses: answered with `not_supported`.
    NotSupported,
}

/// One command of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolCommand {
    /// The word after `--command`.
    pub name: &'static str,
    /// What it does.
    pub does: Does,
    /// Whether `features` announces it to the panel.
    pub is_announced: bool,
    /// Whether it does nothing while `etc/billmgr.DoNothing` exists (docs/interface.md 1).
    pub is_stopped: bool,
}

impl ProtocolCommand {
    /// A command that this module carries out and announces.
    const fn new(name: &'static str, does: Does) -> Self {
        Self { name, does, is_announced: true, is_stopped: false }
    }

    /// A command that works on a service, and so may change something.
    const fn item(command: ItemCommand) -> Self {
        Self::new(command.word(), Does::Item(command)).stopped()
    }

    /// A command that is answered, and not announced.
    const fn hidden(name: &'static str, does: Does) -> Self {
        Self { name, does, is_announced: false, is_stopped: false }
    }

    const fn stopped(self) -> Self {
        Self { is_stopped: true, ..self }
    }
}

/// Every command of the protocol that is known, in the order in which `features` announces them.
pub const COMMANDS: [ProtocolCommand; 41] = [
    ProtocolCommand::new("check_connection", Does::CheckConnection),
    ProtocolCommand::new("tune_connection", Does::TuneConnection),
    ProtocolCommand::new("tuning_param", Does::TuningParam),
    ProtocolCommand::item(ItemCommand::Open),
    ProtocolCommand::item(ItemCommand::Suspend),
    ProtocolCommand::item(ItemCommand::Resume),
    ProtocolCommand::item(ItemCommand::Close),
    ProtocolCommand::item(ItemCommand::Setparam),
    ProtocolCommand::item(ItemCommand::Reopen),
    ProtocolCommand::item(ItemCommand::Prolong),
    ProtocolCommand::item(ItemCommand::CancelProlong),
    ProtocolCommand::item(ItemCommand::SyncItem),
    ProtocolCommand::new("sync_server", Does::SyncServer).stopped(),
    ProtocolCommand::item(ItemCommand::GenKey),
    ProtocolCommand::new("check_param", Does::CheckParam),
    ProtocolCommand::new("check_addon", Does::CheckAddon),
    ProtocolCommand::new("import", Does::Import).stopped(),
    ProtocolCommand::new("import_pricelist", Does::ImportPricelist),
    ProtocolCommand::hidden("features", Does::Features),
    ProtocolCommand::hidden("sync", Does::Sync).stopped(),
    ProtocolCommand::hidden("stat", Does::Nothing).stopped(),
    ProtocolCommand::hidden("get_suitable_module", Does::Nothing),
    ProtocolCommand::hidden("usercreate", Does::Nothing),
    ProtocolCommand::hidden("get_server_config", Does::Nothing),
    ProtocolCommand::hidden("sync_pricelist", Does::Nothing),
    ProtocolCommand::hidden("sync_iplist", Does::Nothing),
    ProtocolCommand::hidden("transition_control_panel", Does::NotSupported),
    ProtocolCommand::hidden("prolong_addon", Does::NotSupported).stopped(),
    ProtocolCommand::hidden("start", Does::NotSupported),
    ProtocolCommand::hidden("stop", Does::NotSupported),
    ProtocolCommand::hidden("reboot", Does::NotSupported),
    ProtocolCommand::hidden("hardreboot", Does::NotSupported),
    ProtocolCommand::hidden("changepassword", Does::NotSupported),
    ProtocolCommand::hidden("transfer", Does::NotSupported),
    ProtocolCommand::hidden("update_ns", Does::NotSupported),
    ProtocolCommand::hidden("whois", Does::NotSupported),
    ProtocolCommand::hidden("approver", Does::NotSupported),
    ProtocolCommand::hidden("getbalance", Does::NotSupported),
    ProtocolCommand::hidden("get_contact_type", Does::NotSupported),
    ProtocolCommand::hidden("tune_service_profile", Does::NotSupported),
    ProtocolCommand::hidden("validate_service_profile", Does::NotSupported),
];

/// The command of that name.
pub fn find(name: &str) -> Option<ProtocolCommand> {
    COMMANDS.into_iter().find(|command| command.name == name)
}

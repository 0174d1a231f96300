//! The settings file: every key, errors with key and line, the sample.

use super::*;
use crate::model::ids::{PricelistId, UpstreamAddonId, UpstreamPricelistId};
use crate::model::license::Family;
use crate::model::period::{MonthCount, Period};
use crate::model::rules::OnClose;
use crate::ports::RefusalKind;

const SAMPLE: &str = include_str!("../../etc/pmisplicense.toml");

fn parse(text: &str) -> Result<Settings, ModuleError> {
    Settings::parse(&Environment::default(), None, text)
}

fn rules(text: &str) -> Rules {
    parse(text).expect("valid settings").rules(None)
}

/// The sample holds every key with its default, so a reader sees what a run without a file does.
#[test]
fn the_sample_holds_every_key_with_its_default() {
    let sample = parse(SAMPLE).expect("the sample is valid");
    let nothing = Settings::without_file(&Environment::default(), None);
    assert_eq!(sample.rules(None), nothing.rules(None));
    assert_eq!(sample.rules(None), Rules::default());
    assert_eq!((&sample.root, &sample.state, &sample.log), (&nothing.root, &nothing.state, &nothing.log));
    assert_eq!(sample.zone(None), Zone::default());
    assert_eq!(sample.refusals, nothing.refusals);
}

/// The examples in the sample's comments are valid too, and the sample holds every key that can be read.
#[test]
fn sample_examples_are_valid() {
    let is_example = |line: &str| {
        let rest = line.strip_prefix("# ").unwrap_or_default();
        rest.starts_with('[')
            || rest
                .split_once(" = ")
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit()))
    };
    let uncommented: String = SAMPLE
        .lines()
        .map(|line| if is_example(line) { line.trim_start_matches("# ") } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    // The trial that the example names must be a product as well.
    let with_trial =
        uncommented.replacen("\n[[product]]", "\n[[product]]\ninternal_name = \"60009\"\ntrial = true\n[[product]]", 1);
    let settings = parse(&with_trial).unwrap_or_else(|error| panic!("{error}"));
    let rules = settings.rules(None);
    let product = rules.catalogue.get("60001").expect("the example's product");
    assert_eq!(product.trial.as_deref(), Some("60009"));
    assert!(rules.catalogue.get("60009").expect("its trial").is_only_trial());
    assert_eq!(product.nodes_addon, Some(UpstreamAddonId(60005)));
    assert_eq!(rules.alignment.len(), 1);
    assert_eq!(settings.refusals[0].means, RefusalKind::IpTooYoung);
    assert_eq!(settings.rules(Some(ModuleId(7))).on_close, OnClose::Stop);
    assert_eq!(settings.rules(Some(ModuleId(7))).upstream.timeout_s, 120);
    assert_eq!(settings.rules(Some(ModuleId(8))), rules);
}

/// Every error names key and line (docs/interface.md 1).
#[test]
fn errors_name_key_and_line() {
    for (text, key, line) in [
        ("\non_clsoe = \"pool\"", "on_clsoe", "2"),
        ("on_close = \"burn\"", "on_close", "1"),
        ("on_close = 5", "on_close", "1"),
        ("\n\n[upstream]\ntimeout_s = 0", "upstream.timeout_s", "4"),
        ("[upstream]\nsettle_s = 604801", "upstream.settle_s", "2"),
        ("[upstream]\ntimeout_ms = 5", "upstream.timeout_ms", "2"),
        ("[upstream]\nsource_ip = \"here\"", "upstream.source_ip", "2"),
        ("[upstream]\nca_file = \"ca.pem\"", "upstream.ca_file", "2"),
        ("panel_id = \"ABC\"", "panel_id", "1"),
        ("minimum_balance = \"lots\"", "minimum_balance", "1"),
        ("renew_before_days = -1", "renew_before_days", "1"),
        ("upstream_timezone = \"Mars\"", "upstream_timezone", "1"),
        ("bundled = [7, \"x\"]", "bundled", "1"),
        ("nodes_addons = \"nodes\"", "nodes_addons", "1"),
        ("mgr_root = \"relative\"", "mgr_root", "1"),
        ("[[product]]\nname = \"x\"", "product.internal_name", "1"),
        ("[[product]]\ninternal_name = \"lite\"", "product.pricelist", "1"),
        ("[[product]]\ninternal_name = \"1\"\nperiods = [0]", "product.periods", "3"),
        ("[[product]]\ninternal_name = \"1\"\nno_order_from = \"2026-02-30\"", "product.no_order_from", "3"),
        ("[[product]]\ninternal_name = \"1\"\nlimited_from = \"2026-02-03\"", "product.limited_from", "3"),
        ("[[product]]\ninternal_name = \"1\"\nprice_1 = \"5\"", "product.currency", "1"),
        ("[[product]]\ninternal_name = \"1\"\nprice_1 = \"-5\"\ncurrency = \"EUR\"", "product.price_1", "3"),
        ("[[product]]\ninternal_name = \"1\"\ntrial = \"nosuch\"", "product.trial", "3"),
        ("[[product]]\ninternal_name = \"1\"\n[[product]]\ninternal_name = \"1\"", "product", "1"),
        ("[[period_alignment]]\nfrom = 1", "period_alignment.to", "1"),
        ("[[period_alignment]]\nfrom = -7\nto = 1", "period_alignment.from", "2"),
        ("[[refusal]]\nmeans = \"auth\"", "refusal.type", "1"),
        ("[[refusal]]\ntype = \"a\"\nmeans = \"b\"", "refusal.means", "3"),
        ("[module.x]\non_close = \"pool\"", "module.x", "1"),
        ("[module.7]\nmgr_root = \"/x\"", "module.7.mgr_root", "2"),
        ("[module.7]\non_close = \"burn\"", "module.7.on_close", "2"),
        ("on_close = \"pool\"\non_close = \"stop\"", "toml", "2"),
        ("x =", "toml", "1"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!((error.kind, error.object.as_str(), error.value.as_str()), (ErrorKind::Config, key, line), "{text}");
        assert!(error.message.en.contains(&format!("line {line}, {key}")), "{}", error.message.en);
        assert!(!error.message.en.contains('\n') && !error.message.ru.is_empty());
    }
}

/// Each thing that can be wrong with `[cluster]` has its own error.
#[test]
fn each_wrong_setting_of_a_cluster_has_its_own_error() {
    let cluster = |lines: &str| parse(&format!("[cluster]\n{lines}"));
    let good = cluster("log = \"mysql://pml@127.0.0.1,localhost:3307,[::1]:3308/licenses\"").expect("good settings");
    let read = good.cluster.clone().expect("a cluster");
    let hosts: Vec<_> = read.hosts.iter().map(|host| (host.host.as_str(), host.port)).collect();
    assert_eq!(hosts, [("127.0.0.1", 3306), ("localhost", 3307), ("::1", 3308)]);
    assert_eq!((read.user.as_str(), read.schema.as_str(), read.lease_s), ("pml", "licenses", 180));
    // An intent stays in doubt until it can no longer take effect. Without a cluster no wait is longer than before.
    assert_eq!(good.rules(None).upstream.settle_s, 900 + 60 + 60);
    assert_eq!(parse("").expect("good settings").rules(None).upstream.settle_s, 900);
    for (lines, words) in [
        ("", "required"),
        ("log = \"postgres://a@127.0.0.1/b\"", "expected mysql://"),
        ("log = \"mysql://a:secret@127.0.0.1/b\"", "password must not be here"),
        ("log = \"mysql://127.0.0.1/b\"", "expected mysql://"),
        ("log = \"mysql://a@127.0.0.1\"", "expected mysql://"),
        ("log = \"mysql://a@127.0.0.1,/b\"", "expected mysql://"),
        ("log = \"mysql://a@127.0.0.1:0/b\"", "expected mysql://"),
        ("log = \"mysql://a@127.0.0.1,127.0.0.1:3306/b\"", "listed twice"),
        ("log = \"mysql://a@192.0.2.1/b\"", "another machine"),
        ("log = \"mysql://a@127.0.0.1/b\"\nlease_s = 5", "from 90 to 3600"),
        ("log = \"mysql://a@127.0.0.1/b\"\npasword_file = \"/x\"", "unknown key"),
        ("log = \"mysql://a@127.0.0.1/b\"\n[upstream]\nsettle_s = 100", "must be at least"),
    ] {
        let error = cluster(lines).expect_err(lines);
        assert!(error.message.en.contains(words), "{lines}: {}", error.message.en);
        assert!(!error.message.en.contains("secret"), "{}", error.message.en);
    }
    assert!(cluster("log = \"mysql://a@192.0.2.1/b\"\nplaintext = true").is_ok());
    assert!(cluster("log = \"mysql://a@192.0.2.1/b\"\nca_file = \"/etc/ca.pem\"").is_ok());
}

/// Products: added, changed, hidden, replaced. Without a tariff, the internal name is the tariff.
#[test]
fn products_can_be_added_changed_hidden_and_replaced() {
    let extended = rules(
        "[[product]]\ninternal_name = \"60001\"\nperiods = [12, 1]\nprice_1 = 5\nprice_12 = \"55.50\"\ncurrency = \"eur\"\n\
         no_order_from = 2030-01-01\n[[product]]\ninternal_name = \"55227\"\nhidden = true\n\
         [[product]]\ninternal_name = \"lite\"\nfamily = \"softexternal\"\npricelist = 9",
    )
    .catalogue;
    let added = extended.get("60001").expect("added");
    assert_eq!(added.pricelist, UpstreamPricelistId(60001));
    assert_eq!(added.periods, [MonthCount(1), MonthCount(12)]);
    assert_eq!(added.prices[&MonthCount(12)].to_string(), "55.50 EUR");
    assert_eq!(added.no_order_from, chrono::NaiveDate::from_ymd_opt(2030, 1, 1));
    let changed = extended.get("55227").expect("changed");
    assert!(changed.hidden && changed.trial.as_deref() == Some("55239"), "the rest stays");
    let other = extended.get("lite").expect("other software");
    assert_eq!((other.family, other.pooled, other.pricelist), (Family::SoftExternal, false, UpstreamPricelistId(9)));

    let replaced = rules("catalogue = \"replace\"\n[[product]]\ninternal_name = \"55228\"").catalogue;
    assert_eq!(replaced.iter().map(|p| p.internal_name.as_str()).collect::<Vec<_>>(), ["55228"]);
}

/// A module's own settings override the top level; its alignment rules come first.
#[test]
fn a_modules_own_settings_override_the_top_level() {
    let settings = parse(
        "minimum_balance = 10\nupstream_timezone = \"+03:00\"\n[[period_alignment]]\nfrom = 1\nto = 12\ntariff = 17\n\
         [upstream]\nsettle_s = 60\n[module.7]\nminimum_balance = \"\"\n[[module.7.period_alignment]]\nfrom = 1\nto = 3\n\
         [[module.7.product]]\ninternal_name = \"60001\"\n[module.8]\nminimum_balance = 0.5\nupstream_timezone = \"Europe/Moscow\"",
    )
    .expect("valid");
    let (top, seven, eight) =
        (settings.rules(None), settings.rules(Some(ModuleId(7))), settings.rules(Some(ModuleId(8))));
    assert_eq!([top.minimum_balance, seven.minimum_balance, eight.minimum_balance], [Some(1000), None, Some(50)]);
    assert_eq!(seven.alignment.iter().map(|rule| rule.into.0).collect::<Vec<_>>(), [3, 12]);
    assert_eq!(top.alignment[0].tariff, Some(PricelistId(17)));
    assert_eq!(top.alignment[0].from, Period::Months(MonthCount(1)));
    assert!(seven.catalogue.get("60001").is_some() && eight.catalogue.get("60001").is_none());
    assert_eq!(seven.upstream.settle_s, 60);
    assert_eq!(settings.zone(Some(ModuleId(8))), Zone::Named("Europe/Moscow"));
    assert_eq!(settings.zone(Some(ModuleId(7))), settings.zone(None));
}

/// The most explicit wins: default, settings file, environment, command line.
#[test]
fn the_most_explicit_path_wins() {
    let environment = Environment { root: Some("/srv/mgr".into()), ..Environment::default() };
    let plain = Settings::without_file(&environment, None);
    assert_eq!(plain.config, Path::new("/srv/mgr/etc/pmisplicense.toml"));
    assert_eq!(plain.state, Path::new("/srv/mgr/var/pmisplicense/state.db"));
    assert_eq!(plain.log, Path::new("/srv/mgr/var/pmisplicense.log"));
    let file = "mgr_root = \"/a\"\nstate = \"/b/s.db\"\nlog = \"l\"";
    let from_file = parse(file).expect("valid");
    assert_eq!((from_file.root.as_path(), from_file.state.as_path()), (Path::new("/a"), Path::new("/b/s.db")));
    assert_eq!((from_file.log.as_path(), from_file.state_folder()), (Path::new("/a/l"), PathBuf::from("/b")));
    let environment = Environment {
        root: Some("/r".into()),
        config: Some("/c".into()),
        state: Some("/s/x".into()),
        ..Environment::default()
    };
    let explicit = Settings::parse(&environment, Some(Path::new("/d")), file).expect("valid");
    assert_eq!((explicit.root.as_path(), explicit.state.as_path()), (Path::new("/r"), Path::new("/s/x")));
    assert_eq!(explicit.config, Path::new("/d"));
    assert_eq!(environment.config(None), Path::new("/c"));
}

/// The authority of the panel's database: none if the setting is empty, and never a relative path.
#[test]
fn the_authority_of_the_panels_database_is_no_relative_path() {
    let ca = |text: &str| parse(text).map(|settings| settings.panel_db_ca);
    assert_eq!(ca("[panel_db]\nca_file = \"/etc/db.pem\""), Ok(Some("/etc/db.pem".into())));
    assert_eq!((ca(""), ca("[panel_db]\nca_file = \"\"")), (Ok(None), Ok(None)));
    for (text, key) in [("[panel_db]\nca_file = \"db.pem\"", "panel_db.ca_file"), ("[panel_db]\nca = 1", "panel_db.ca")]
    {
        assert_eq!(ca(text).expect_err(key).object, key);
    }
}

/// Without a file the defaults count. A file that the command line names must exist. A folder is not a file.
#[test]
fn only_a_settings_file_that_was_named_must_exist() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = Environment { root: Some(folder.path().into()), ..Environment::default() };
    assert_eq!(Settings::load(&environment, None).expect("defaults").rules(None), Rules::default());
    let named = Settings::load(&environment, Some(&folder.path().join("nosuch.toml"))).expect_err("named");
    assert_eq!((named.kind, named.object.as_str()), (ErrorKind::Config, "config"));
    assert!(Settings::load(&environment, Some(folder.path())).is_err());
}

//! Checks of doctor: whether the program is installed completely. That includes the panel's folder, the XML
//! descriptions, the links that the panel starts, and the lines of cron.

use std::path::Path;

use super::{Checks, cron};
use crate::admin::Desk;
use crate::error::Text;
use crate::text;

/// The descriptions that belong to this program.
const XML: [(&str, &str); 3] = [
    ("billmgr_mod_pmisplicense.xml", include_str!("../../../xml/billmgr_mod_pmisplicense.xml")),
    ("billmgr_mod_pmisplicense_event.xml", include_str!("../../../xml/billmgr_mod_pmisplicense_event.xml")),
    (PAGES_XML, include_str!("../../../xml/billmgr_mod_pmisplicense_pages.xml")),
];

/// The description of the pages: only where the settings want them.
const PAGES_XML: &str = "billmgr_mod_pmisplicense_pages.xml";

/// The link that the panel starts for a page.
const PAGES_HANDLER: &str = "addon/pmisplicense-pages";

pub(super) fn installation(desk: &Desk<'_>, checks: &mut Checks) {
    let root = &desk.ctx.settings.root;
    let shown = root.display();
    let tool = root.join("sbin/mgrctl");
    if tool.exists() {
        checks.ok("root", text!("panel in {shown}", "панель в {shown}"));
    } else {
        checks.problem(
            "root",
            text!("{} is not there", "{} не найден", tool.display()),
            text!(
                "set mgr_root in the settings, or PMISPLICENSE_MGR_ROOT",
                "задайте mgr_root в настройках или PMISPLICENSE_MGR_ROOT"
            ),
        );
    }
    if root.join("etc/billmgr.DoNothing").exists() {
        checks.warning(
            "do_nothing",
            text!("the panel is switched to doing nothing", "панель в режиме бездействия"),
            text!("remove {shown}/etc/billmgr.DoNothing", "удалите {shown}/etc/billmgr.DoNothing"),
        );
    }
    let has_pages = desk.ctx.settings.pages;
    descriptions(root, has_pages, checks);
    let handler = root.join("addon").join(crate::event_hook::HANDLER);
    if handler.exists() {
        checks.ok("events", text!("the event handler is in place", "обработчик событий на месте"));
    } else {
        checks.warning(
            "events",
            text!(
                "no event handler is installed: licenses of servers wait for the next sync",
                "нет обработчика событий: лицензии серверов ждут следующего sync"
            ),
            reinstall(),
        );
    }
    match (has_pages, root.join(PAGES_HANDLER).exists()) {
        (true, true) => checks.ok("pages", text!("the pages of the panel are in place", "страницы панели на месте")),
        (true, false) => checks.warning(
            "pages",
            text!("the panel has no pages of ours", "страниц программы в панели нет"),
            reinstall(),
        ),
        (false, true) => checks.hint(
            "pages",
            text!("pages = false, and the pages are still installed", "pages = false, но страницы ещё установлены"),
            reinstall(),
        ),
        (false, false) => {}
    }
    cron::check(&cron::lines(Path::new("/")), checks);
}

/// The XML descriptions: a line for those that are in order, for those of another version, and for missing ones.
fn descriptions(root: &Path, has_pages: bool, checks: &mut Checks) {
    let (mut right, mut other, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (name, wanted) in XML.into_iter().filter(|(name, _)| has_pages || *name != PAGES_XML) {
        match std::fs::read_to_string(root.join("etc/xml").join(name)) {
            Ok(found) if found == wanted => right.push(name),
            Ok(_) => other.push(name),
            Err(_) => missing.push(name),
        }
    }
    let list = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(", "));
    if let Some(names) = list(missing) {
        let what = text!("not installed in etc/xml: {names}", "не установлены в etc/xml: {names}");
        checks.problem("xml", what, reinstall());
    }
    if let Some(names) = list(other) {
        let what = text!("of another version in etc/xml: {names}", "другой версии в etc/xml: {names}");
        checks.warning("xml", what, reinstall());
    }
    if let Some(names) = list(right) {
        checks.ok("xml", text!("installed in etc/xml: {names}", "установлены в etc/xml: {names}"));
    }
}

fn reinstall() -> Text {
    text!("install the package again, or run: make install", "установите пакет заново или выполните: make install")
}

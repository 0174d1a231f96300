//! Is the program installed: the panel's folder, the descriptions, the links that the panel starts, the lines of cron.

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
    for (name, wanted) in XML.into_iter().filter(|(name, _)| has_pages || *name != PAGES_XML) {
        let path = root.join("etc/xml").join(name);
        let install = reinstall();
        match std::fs::read_to_string(&path) {
            Ok(found) if found == wanted => {
                checks.ok("xml", text!("description {name} is installed", "описание {name} установлено"))
            }
            Ok(_) => checks.warning(
                "xml",
                text!("description {name} is of another version", "описание {name} другой версии"),
                install,
            ),
            Err(_) => checks.problem(
                "xml",
                text!("description {name} is not installed", "описание {name} не установлено"),
                install,
            ),
        }
    }
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
    cron::check(&std::fs::read_to_string(cron::FILE).unwrap_or_default(), checks);
}

fn reinstall() -> Text {
    text!("install the package again, or run: make install", "установите пакет заново или выполните: make install")
}

//! The pages in the panel (docs/pages.md): for each list and form of xml/billmgr_mod_pmisplicense_pages.xml the panel
//! starts the program under a second name and shows the document that it prints. Lists and forms read what this machine
//! has: the state, the panel's database, the last runs. A form that is submitted runs the code of the command.

mod changes;
mod forms;
mod lists;
mod request;

use std::io::Read;

use self::request::{Request, nothing_done};
use crate::admin::Desk;
use crate::context::Context;
use crate::error::{ErrorKind, Lang, ModuleError, XML_HEAD};
use crate::text;
use crate::xml::{self, Element};

/// The name by which the program is started for a page: a link to it.
pub const HANDLER: &str = "pmisplicense-pages";

/// Administrators of the panel have this level; those above them a higher one.
const ADMINISTRATOR: u32 = 29;

/// Columns of a line: the panel wraps by itself.
const UNLIMITED: usize = 100_000;

/// The longest document that the panel may give, in bytes.
const STDIN_BYTES: u64 = 1024 * 1024;

/// A function of the panel, and what answers it.
struct Function {
    name: &'static str,
    /// Submitting it changes something.
    changes: bool,
    answer: fn(&mut Desk<'_>, Request<'_>) -> Result<Element, ModuleError>,
}

const FUNCTIONS: [Function; 14] = [
    Function { name: "pmisplicense.licenses", changes: false, answer: lists::licenses },
    Function { name: "pmisplicense.filter", changes: false, answer: forms::filter },
    Function { name: "pmisplicense.indoubt", changes: false, answer: lists::waiting },
    Function { name: "pmisplicense.findings", changes: false, answer: lists::findings },
    Function { name: "pmisplicense.pool", changes: false, answer: lists::pool },
    Function { name: "pmisplicense.license", changes: false, answer: forms::license },
    Function { name: "pmisplicense.month", changes: false, answer: forms::month },
    Function { name: "pmisplicense.sync", changes: true, answer: changes::sync },
    Function { name: "pmisplicense.newkey", changes: true, answer: changes::new_key },
    Function { name: "pmisplicense.unbind", changes: true, answer: changes::unbind },
    Function { name: "pmisplicense.resolve", changes: true, answer: changes::resolve },
    Function { name: "pmisplicense.decide", changes: true, answer: changes::decide },
    Function { name: "pmisplicense.apply", changes: true, answer: changes::apply },
    Function { name: "pmisplicense.applyall", changes: true, answer: changes::apply_all },
];

/// The functions of the panel that this program answers.
pub fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

/// Whether the program was started for a page.
pub fn is_handler(program: &str) -> bool {
    std::path::Path::new(program).file_name().is_some_and(|name| name == HANDLER)
}

/// The language that the panel speaks with this administrator. `variable` reads the environment.
pub fn language(variable: &dyn Fn(&str) -> Option<String>) -> Lang {
    let cookies = variable("HTTP_COOKIE").unwrap_or_default();
    let chosen = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("billmgrlang5="));
    let chosen = request::decoded(chosen.unwrap_or_default());
    chosen.rsplit(':').next().map(Lang::parse).unwrap_or_default()
}

/// Refuses everybody but administrators. The description says the same, but a program that spends money does not rely
/// on it.
///
/// # Errors
/// `auth`
pub fn check_level(variable: &dyn Fn(&str) -> Option<String>) -> Result<(), ModuleError> {
    let given = variable("AUTH_LEVEL").unwrap_or_default();
    if given.trim().parse::<u32>().is_ok_and(|level| level >= ADMINISTRATOR) {
        return Ok(());
    }
    let words = text!("Only administrators of the panel see this page.", "Эту страницу видят только администраторы.");
    Err(nothing_done(ErrorKind::Auth, "AUTH_LEVEL", &given, words))
}

/// The document that answers a request. `is_switched_off`: the panel does nothing, so forms change nothing.
///
/// # Errors
/// Any obstacle; then nothing of the page is shown.
pub fn page(
    ctx: &mut Context,
    variable: &dyn Fn(&str) -> Option<String>,
    is_switched_off: bool,
) -> Result<Element, ModuleError> {
    if !ctx.settings.pages {
        let words = text!("The setting pages = false switches the pages off.", "Страницы отключены: pages = false.");
        return Err(nothing_done(ErrorKind::Config, "pages", "false", words).next(text!(
            "install the package again, which removes them, or set pages = true",
            "установите пакет заново, чтобы их удалить, или задайте pages = true"
        )));
    }
    let request = Request::new(document(&mut ctx.stdin)?, variable);
    let function = FUNCTIONS.iter().find(|function| function.name == request.func).ok_or_else(|| {
        let func = &request.func;
        nothing_done(
            ErrorKind::UnknownCommand,
            "func",
            func,
            text!("There is no page {func:?}.", "Страницы {func:?} нет."),
        )
    })?;
    let changes = function.changes && request.is_submitted();
    if changes {
        let [user, ip] = ["AUTH_USER", "AUTH_IP"].map(|name| variable(name).unwrap_or_default());
        let rows = request.elements()?.join(",");
        ctx.log.info(&format!("{} {rows}: submitted in the panel by {user:?} from {ip:?}", function.name));
    }
    if changes && is_switched_off {
        let words = text!("The panel is switched to doing nothing.", "Панель переведена в режим бездействия.");
        return Err(nothing_done(ErrorKind::Config, "DoNothing", "", words).next(text!(
            "remove etc/billmgr.DoNothing from the panel's folder, then submit again",
            "удалите etc/billmgr.DoNothing из каталога панели и отправьте форму снова"
        )));
    }
    ctx.looks = !changes;
    let mut desk = Desk {
        ctx,
        width: UNLIMITED,
        ask: None,
        tell: &mut |_| {},
        live: None,
        json: false,
        is_without_state: false,
        print: &mut |_| true,
    };
    let page = (function.answer)(&mut desk, request)?;
    Ok(match desk.ctx.behind.take().filter(|_| !changes) {
        Some(behind) => titled(page, behind.title().in_lang(desk.ctx.lang)),
        None => page,
    })
}

/// Adds words to those beside a page's title.
fn titled(mut page: Element, words: &str) -> Element {
    let before = page.value_of("plname").map(|before| format!("{before}; ")).unwrap_or_default();
    page.children.retain(|child| child.name != "plname");
    page.with_child(Element::new("plname").with_text(&format!("{before}{words}")))
}

/// The document that the panel gives; an empty one where it gives none.
fn document(stdin: &mut dyn Read) -> Result<Element, ModuleError> {
    let unreadable = |why: String| {
        let words = text!("The document of the panel cannot be read.", "Документ панели не читается.");
        nothing_done(ErrorKind::BadValue, "stdin", "", words).because(why)
    };
    let mut bytes = Vec::new();
    stdin.take(STDIN_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Element::new("doc"));
    }
    xml::parse(&bytes, STDIN_BYTES).map_err(|error| unreadable(error.to_string()))
}

/// The document that the panel shows in place of a page that failed.
pub fn failed(error: &ModuleError, lang: Lang) -> String {
    let words = crate::error::shortened_words(error.message.in_lang(lang), crate::error::MESSAGE_CHARS);
    let error = Element::new("error")
        .with_attribute("type", "xml")
        .with_attribute("object", error.kind.word())
        .with_attribute("report", "no")
        .with_attribute("lang", lang.code())
        .with_child(Element::new("msg").with_text(&words));
    format!("{XML_HEAD}\n{}\n", Element::new("doc").with_child(error).to_fragment())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_level_29_and_above_passes() {
        for (level, passes) in [
            (None, false),
            (Some(""), false),
            (Some("28"), false),
            (Some("x"), false),
            (Some("-30"), false),
            (Some("29"), true),
            (Some("30"), true),
        ] {
            let variable = |name: &str| level.filter(|_| name == "AUTH_LEVEL").map(str::to_owned);
            assert_eq!(check_level(&variable).is_ok(), passes, "{level:?}");
        }
    }

    #[test]
    fn the_handler_is_known_by_its_name() {
        assert!(is_handler("/usr/local/mgr5/addon/pmisplicense-pages"));
        assert!(!is_handler("pmisplicense") && !is_handler("/x/pmisplicense-pages/pmisplicense"));
    }

    #[test]
    fn the_language_is_that_of_the_panels_cookie() {
        for (cookies, lang) in [
            ("a=b; billmgrlang5=orion:ru", Lang::Ru),
            ("billmgrlang5=dragon%3Aru", Lang::Ru),
            ("billmgrlang5=orion:en; billmgrses5=ru", Lang::En),
            ("", Lang::En),
        ] {
            let variable = |name: &str| (name == "HTTP_COOKIE").then(|| cookies.to_owned());
            assert_eq!(language(&variable), lang, "{cookies}");
        }
    }
}

//! A stand-in for the panel's web interface, for people and for tests: it shows the pages that
//! xml/billmgr_mod_pmisplicense_pages.xml describes as HTML over 127.0.0.1, starts their handler as the panel does, and
//! submits their forms to it. It knows no other pages and asks nobody for a password. How the real panel looks, and
//! what it does beyond that, it does not show.
use super::html::{self, Node, escaped};
use super::{Test, program_exe};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

const XML: &str = include_str!("../../xml/billmgr_mod_pmisplicense_pages.xml");

/// Parameters of a request in their order; a name may come more than once.
pub(super) type Params = Vec<(String, String)>;

/// The handler of the pages as the panel starts it, and the description that it goes by.
pub struct Panel {
    root: PathBuf,
    machine_id: PathBuf,
    lang: String,
    description: Node,
}

/// The viewer while it runs: until the process ends.
pub struct Viewer {
    pub url: String,
}

impl Viewer {
    /// Starts it for a sandbox. `lang`: the language that the panel speaks.
    pub fn start(t: &Test, lang: &str) -> Self {
        let panel = Panel::new(t, lang);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of the loopback");
        let url = format!("http://{}/", listener.local_addr().expect("its address"));
        let panel = Arc::new(panel);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let panel = Arc::clone(&panel);
                std::thread::spawn(move || panel.serve(&stream));
            }
        });
        Self { url }
    }

    /// The address of a page.
    pub fn page(&self, query: &str) -> String {
        format!("{}?func={query}", self.url)
    }
}

impl Panel {
    pub(super) fn new(t: &Test, lang: &str) -> Self {
        Self {
            root: t.root().to_owned(),
            machine_id: t.machine_id(),
            lang: lang.to_owned(),
            description: html::parsed(XML),
        }
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = String::new();
        reader.take(length).read_to_string(&mut body).ok()?;
        let (method, rest) = first.split_once(' ')?;
        let query = rest.split(' ').next()?.split_once('?').map_or("", |(_, query)| query);
        let answer = match method {
            "POST" => self.submitted(&params(&body)),
            _ if query.is_empty() => Answer::GoTo("func=pmisplicense.licenses".to_owned()),
            _ => Answer::Page(self.page(&params(query))),
        };
        let answer = match answer {
            Answer::Page(page) => format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            ),
            Answer::GoTo(query) => format!(
                "HTTP/1.1 303 See Other\r\nLocation: /?{query}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ),
        };
        let mut stream = stream;
        stream.write_all(answer.as_bytes()).ok()
    }

    pub(super) fn metadata(&self, func: &str) -> Option<&Node> {
        self.description.named("metadata").find(|one| one.attribute("name") == func)
    }

    /// A text of the description in the panel's language; the name where there is none.
    pub(super) fn text<'a>(&'a self, block: &str, name: &'a str) -> &'a str {
        let langs = self.description.named("lang").filter(|lang| lang.attribute("name") == self.lang);
        let blocks = langs.flat_map(|lang| lang.named("messages")).filter(|one| one.attribute("name") == block);
        let mut texts = blocks.flat_map(|one| one.named("msg")).filter(|one| one.attribute("name") == name);
        texts.next().map_or(name, |msg| msg.text.as_str())
    }

    /// Starts the handler as the panel does: the document with its description on stdin, the rest in the environment.
    /// Of several selected rows `PARAM_elid` has the first, the query string has all.
    pub(super) fn asked(&self, given: &Params) -> Node {
        let func = value(given, "func");
        let metadata = self.metadata(func).map_or_else(String::new, Node::written);
        let lang = &self.lang;
        let document =
            format!("<?xml version=\"1.0\"?><doc lang=\"{lang}\" func=\"{}\">{metadata}</doc>", escaped(func));
        let mut handler = Command::new(program_exe());
        handler.arg0("addon/pmisplicense-pages").current_dir(&self.root).env_clear();
        handler.env("PMISPLICENSE_MGR_ROOT", &self.root).env("PMISPLICENSE_MACHINE_ID", &self.machine_id);
        handler.env("AUTH_USER", "admin").env("AUTH_LEVEL", "29").env("AUTH_IP", "127.0.0.1");
        handler.env("EVENT_TYPE", "action").env("ACTION_NAME", func);
        handler.env("HTTP_COOKIE", format!("billmgrlang5=stand-in:{lang}"));
        let elids: Vec<&str> =
            given.iter().filter(|(name, _)| name == "elid").map(|(_, value)| value.as_str()).collect();
        let mut query = Vec::new();
        for (name, value) in given.iter().filter(|(name, _)| name != "elid") {
            handler.env(format!("PARAM_{name}"), value);
            query.push(format!("{name}={}", encoded(value)));
        }
        if let Some(first) = elids.first() {
            handler.env("PARAM_elid", first);
            query.push(format!("elid={}", encoded(&elids.join(","))));
        }
        handler.env("QUERY_STRING", query.join("&"));
        let mut run = handler.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the handler starts");
        let _ = run.stdin.take().expect("a pipe").write_all(document.as_bytes());
        let output = run.wait_with_output().expect("the handler ends");
        html::parsed(&String::from_utf8_lossy(&output.stdout))
    }

    fn submitted(&self, given: &Params) -> Answer {
        let doc = self.asked(given);
        match doc.child("ok") {
            Some(ok) => Answer::GoTo(ok.text.clone()),
            None => Answer::Page(self.rendered(given, &doc)),
        }
    }

    fn page(&self, given: &Params) -> String {
        self.rendered(given, &self.asked(given))
    }

    fn rendered(&self, given: &Params, doc: &Node) -> String {
        let func = value(given, "func");
        let content = match (doc.child("error"), self.metadata(func)) {
            (Some(error), _) => {
                let words = error.child("msg").map_or("", |msg| &msg.text);
                format!("<p class=error>{}</p><p><a href=\"javascript:history.back()\">←</a></p>", escaped(words))
            }
            (None, Some(metadata)) if metadata.attribute("type") == "list" => self.list(given, metadata, doc),
            (None, Some(metadata)) => self.form(given, metadata, doc),
            (None, None) => "<p class=error>?</p>".to_owned(),
        };
        let nodes = self.description.named("mainmenu").flat_map(|menu| menu.named("node"));
        let mut menu = String::new();
        for node in nodes {
            let text = |node: &Node| escaped(self.text("desktop", &format!("menu_{}", node.attribute("name"))));
            menu += &format!("<b>{}</b>", text(node));
            for page in node.named("node") {
                let action = page.attribute("action");
                let class = if action == func { " class=here" } else { "" };
                menu += &format!("<a{class} href=\"/?func={action}\">{}</a>", text(page));
            }
        }
        html::page(&self.lang, &menu, &content)
    }

    fn list(&self, given: &Params, metadata: &Node, doc: &Node) -> String {
        let func = metadata.attribute("name");
        let title = escaped(self.text(func, "title"));
        let beside =
            doc.child("plname").map_or_else(String::new, |name| format!(" <small>{}</small>", escaped(&name.text)));
        let mut out = format!("<h1>{title}{beside}</h1><form method=get action=\"/\"><p class=bar>");
        for button in
            metadata.child("toolbar").into_iter().flat_map(|bar| bar.named("toolgrp")).flat_map(|g| g.named("toolbtn"))
        {
            let (name, leads_to) = (button.attribute("name"), button.attribute("func"));
            let text = |kind: &str| escaped(self.text(func, &format!("{kind}_{name}"))).to_owned();
            out += &format!(
                "<button name=func value=\"{leads_to}\" title=\"{}\">{}</button>",
                text("hint"),
                text("short")
            );
        }
        out += "</p><table><tr><th></th>";
        let columns: Vec<&Node> = metadata
            .child("coldata")
            .into_iter()
            .flat_map(|data| data.named("col"))
            .filter(|col| col.attribute("hidden") != "yes")
            .collect();
        for column in &columns {
            let name = column.attribute("name");
            let text = escaped(self.text(func, name));
            out += &match column.attribute("sort") {
                "" => format!("<th>{text}</th>"),
                _ => {
                    let order = match (value(given, "p_sort") == name, value(given, "p_order")) {
                        (true, "asc") => "desc",
                        _ => "asc",
                    };
                    let query = with(given, &[("p_sort", name), ("p_order", order), ("p_num", "1")]);
                    format!("<th><a href=\"/?{}\">{text}</a></th>", escaped(&query))
                }
            };
        }
        out += "</tr>";
        for row in doc.named("elem") {
            let cell = |name: &str| row.child(name).map_or("", |cell| cell.text.as_str());
            out += &format!("<tr><td><input type=checkbox name=elid value=\"{}\"></td>", escaped(cell("id")));
            for column in &columns {
                let shown = cell(column.attribute("name"));
                let shown = if column.attribute("type") == "msg" { self.text(func, shown) } else { shown };
                out += &format!("<td>{}</td>", escaped(shown));
            }
            out += "</tr>";
        }
        out += "</table></form>";
        let number = |name: &str| doc.child(name).and_then(|one| one.text.parse::<u32>().ok()).unwrap_or(0);
        let (rows, page, of_page) = (number("p_elems"), number("p_num"), number("p_cnt").max(1));
        let link = |to: u32, sign: &str| {
            let query = with(given, &[("p_num", &to.to_string())]);
            format!("<a id=\"page-{to}\" href=\"/?{}\">{sign}</a> ", escaped(&query))
        };
        out += "<p class=pages>";
        if page > 1 {
            out += &link(page - 1, "←");
        }
        out += &format!("<span id=page>{page}</span> / {} ({rows}) ", rows.div_ceil(of_page).max(1));
        if page < rows.div_ceil(of_page) {
            out += &link(page + 1, "→");
        }
        out + "</p>"
    }

    fn form(&self, given: &Params, metadata: &Node, doc: &Node) -> String {
        let func = metadata.attribute("name");
        let of = |name: &str| doc.child(name).map_or("", |one| one.text.as_str());
        let form = metadata.child("form").expect("a form");
        let called = of(form.attribute("title"));
        let beside = if called.is_empty() { String::new() } else { format!(" <small>{}</small>", escaped(called)) };
        let mut out = format!("<h1>{}{beside}</h1><form method=post action=\"/\">", escaped(self.text(func, "title")));
        let elid = if of("elid").is_empty() { value(given, "elid") } else { of("elid") };
        for (name, value) in [("func", func), ("elid", elid), ("sok", "ok")] {
            out += &format!("<input type=hidden name={name} value=\"{}\">", escaped(value));
        }
        for field in form.named("field") {
            let name = field.attribute("name");
            out += &format!("<div class=field><label>{}</label>", escaped(self.text(func, name)));
            for control in &field.children {
                out += &self.control(func, control, doc, of(control.attribute("name")));
            }
            out += "</div>";
        }
        out + "<p class=bar><button id=ok>OK</button> <button type=button id=cancel onclick=\"history.back()\">×</button></p></form>"
    }

    fn control(&self, func: &str, control: &Node, doc: &Node, value: &str) -> String {
        let name = control.attribute("name");
        match (control.name.as_str(), control.attribute("type")) {
            ("list", _) => {
                let columns: Vec<&str> = control.named("col").map(|col| col.attribute("name")).collect();
                let head = columns
                    .iter()
                    .map(|col| format!("<th>{}</th>", escaped(self.text(func, &format!("{name}_{col}")))));
                let mut out = format!("<table id=\"{name}\"><tr>{}</tr>", head.collect::<String>());
                let rows = doc.named("list").filter(|list| list.attribute("name") == name);
                for row in rows.flat_map(|list| list.named("elem")) {
                    let cells = columns.iter().map(|col| row.child(col).map_or("", |cell| cell.text.as_str()));
                    let cells: String = cells.map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
                    out += &format!("<tr>{cells}</tr>");
                }
                out + "</table>"
            }
            ("select", _) => {
                let lists = doc.named("slist").filter(|list| list.attribute("name") == name);
                let choice = |msg: &Node| {
                    let key = msg.attribute("key");
                    let chosen = if key == value { " selected" } else { "" };
                    format!(
                        "<option value=\"{}\"{chosen}>{}</option>",
                        escaped(key),
                        escaped(self.text(func, &msg.text))
                    )
                };
                let choices: String = lists.flat_map(|list| list.named("msg")).map(choice).collect();
                format!("<select name=\"{name}\">{choices}</select>")
            }
            ("input", "checkbox") => format!("<input type=checkbox name=\"{name}\" value=on>"),
            ("input", _) => format!("<input type=text name=\"{name}\" value=\"{}\">", escaped(value)),
            (_, _) => format!("<span id=\"{name}\">{}</span>", escaped(value)),
        }
    }
}

enum Answer {
    Page(String),
    GoTo(String),
}

fn value<'p>(given: &'p Params, name: &str) -> &'p str {
    given.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// The parameters with some of them changed, as a query string.
fn with(given: &Params, changes: &[(&str, &str)]) -> String {
    let mut all: BTreeMap<&str, &str> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend(changes.iter().copied());
    all.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

pub(super) fn params(query: &str) -> Params {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let split = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    pairs.map(split).collect()
}

fn decoded(text: &str) -> String {
    let plain = text.replace('+', " ");
    let mut bytes = Vec::new();
    let mut rest = plain.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        bytes.push(u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or(b'?'));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

//! The formats that the viewer reads and writes: a small tree of XML, and the frame of an HTML page.
use quick_xml::events::Event;

/// An element with its text and children.
#[derive(Debug, Clone, Default)]
pub struct Node {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub fn named<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// As XML again.
    pub fn written(&self) -> String {
        let attributes = self.attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value)));
        let inside: String = self.children.iter().map(Node::written).collect();
        let name = &self.name;
        format!("<{name}{}>{}{inside}</{name}>", attributes.collect::<String>(), escaped(&self.text))
    }
}

/// The root of a document that must be well-formed.
pub fn parsed(text: &str) -> Node {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open = vec![Node::default()];
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("{error}: {text}"));
        let started = |tag: &quick_xml::events::BytesStart<'_>| Node {
            name: tag.name().as_ref().to_owned(),
            attributes: tag
                .attributes()
                .flatten()
                .map(|attribute| (attribute.key.as_ref().to_owned(), unescaped(&attribute.value)))
                .collect(),
            ..Node::default()
        };
        match event {
            Event::Start(tag) => open.push(started(&tag)),
            Event::Empty(tag) => open.last_mut().unwrap().children.push(started(&tag)),
            Event::End(_) => {
                let mut done = open.pop().unwrap();
                done.text = done.text.trim().to_owned();
                open.last_mut().unwrap().children.push(done);
            }
            Event::Text(text) => open.last_mut().unwrap().text += &text.xml10_content(),
            Event::GeneralRef(reference) => open.last_mut().unwrap().text += &unescaped(&format!("&{};", &*reference)),
            Event::Eof => break,
            _ => {}
        }
    }
    open.remove(0).children.into_iter().next().unwrap_or_default()
}

/// The references that our documents use.
fn unescaped(text: &str) -> String {
    let names = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#10;", "\n"),
        ("&#13;", "\r"),
        ("&amp;", "&"),
    ];
    names.iter().fold(text.to_owned(), |text, (name, c)| text.replace(name, c))
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "body{font:14px/1.5 sans-serif;margin:0;color:#222}nav{background:#2b3a4a;padding:10px 16px}\
nav b,nav a{color:#fff;margin-right:18px;text-decoration:none}nav a.here{text-decoration:underline}\
main{padding:8px 16px}h1{font-size:20px}small{color:#666;font-weight:normal}table{border-collapse:collapse}\
th,td{border:1px solid #d5d9de;padding:4px 8px;text-align:left;vertical-align:top}th{background:#eef1f4}\
.bar button{margin-right:8px}.error{background:#fde8e8;border:1px solid #e0a0a0;padding:8px 12px}\
.field{margin:10px 0}.field label{display:block;color:#555}.stand-in{background:#fff6d6;padding:4px 16px;font-size:12px}";

/// A whole page.
pub fn page(lang: &str, menu: &str, content: &str) -> String {
    let title = "pmisplicense: a stand-in for the panel";
    let note = "This is a stand-in for the panel's web interface, which shows the pages of pmisplicense only.";
    format!(
        "<!doctype html><html lang={lang}><head><meta charset=utf-8><title>{title}</title><link rel=icon href=\"data:,\">\
         <style>{STYLE}</style></head><body><div class=stand-in>{note}</div><nav>{menu}</nav><main>{content}</main></body></html>"
    )
}

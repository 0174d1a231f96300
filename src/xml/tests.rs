//! Documents as the panel sends them, and as an attacker would send them.

use super::*;

const LIMIT: u64 = 1 << 20;

fn tree(text: &str) -> Result<Element, XmlError> {
    parse(text.as_bytes(), LIMIT)
}

/// Everything that the panel sends is read: attributes, text, entities, CDATA, comments, processing instructions, a
/// BOM.
#[test]
fn everything_that_the_panel_sends_is_read() {
    let doc = tree(
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<?x y?><doc a='1 &amp; &#x41;'><!-- no --><id v=\"7\"/>\
         <t> &lt;b&gt;<![CDATA[<&]]> &#8364; </t><t>2</t></doc>\n<!-- end -->",
    )
    .expect("a document");
    assert_eq!(doc.attribute("a"), Some("1 & A"));
    assert_eq!(doc.value_of("id"), Some("7"));
    assert_eq!(doc.value_of("t"), Some("<b><& €"));
    assert_eq!(doc.child("t").map(|t| t.text.as_str()), Some(" <b><& € "));
    assert_eq!(doc.children_named("t").count(), 2);
    assert_eq!(doc.value_of("none"), None);
}

/// A written document reads back the same, whatever it holds. Characters that XML cannot hold are left out.
#[test]
fn a_written_document_reads_back_the_same() {
    let nasty = "a<b>&\"'\r\n\t\u{1}\u{fffe}]]> ü 😀";
    let element = Element::new("doc")
        .with_attribute("a", nasty)
        .with_text(nasty)
        .with_child(Element::new("empty"))
        .with_child(Element::new("c").with_text("x"));
    let cleaned = "a<b>&\"'\r\n\t]]> ü 😀";
    let back = tree(&element.to_document()).expect("own document");
    assert_eq!(back.attribute("a"), Some(cleaned));
    assert_eq!(back.text, cleaned);
    assert_eq!(back.children, element.children);
    assert_eq!(Element::new("ok").to_fragment(), "<ok/>");
}

/// Characters that XML forbids are dropped, raw or as a reference, in text and attributes. The rest is read.
#[test]
fn forbidden_characters_are_passed_over() {
    for odd in ["\u{b}", "&#11;", "&#x0B;", "&#0;", "&#1;", "&#xD800;", "&#xFFFE;", "&#1114112;", "&#99999999999;"] {
        let doc = tree(&format!("<d a='x{odd}y'>1{odd}2<e/>3&amp;</d>")).expect(odd);
        assert_eq!((doc.attribute("a"), doc.text.as_str()), (Some("xy"), "123&"), "{odd}");
    }
    let doc = tree("<d a='1\r\n2\t3\n&#10;&#9;&lt;'/>").expect("white space");
    assert_eq!(doc.attribute("a"), Some("1 2 3 \n\t<"));
}

/// White space and byte order marks before the declaration are ignored, and `utf8` is UTF-8.
#[test]
fn white_space_and_byte_order_marks_before_a_document_are_ignored() {
    for before in ["", "\n", " \r\n\t", "\u{feff}", "\u{feff}\n", "\n\u{feff}", "\u{feff}\u{feff}"] {
        for encoding in ["UTF-8", "utf8", "Utf-8", "us-ascii"] {
            let text = format!("{before}<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n<d>ü</d>\n");
            assert_eq!(tree(&text).map(|doc| doc.text).expect(&text), "ü", "{before:?} {encoding}");
        }
    }
    assert!(tree("\n<d/>").is_ok() && tree("<d/>\u{feff}").is_ok());
}

/// Hostile and broken documents are refused, each for its own reason, without quoting them.
#[test]
fn hostile_and_broken_documents_are_refused_without_quoting_them() {
    let deep = "<a>".repeat(MAX_DEPTH + 1);
    let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
    let bomb = "<!DOCTYPE d [<!ENTITY a \"SECRET\"><!ENTITY b \"&a;&a;\">]><d>&b;</d>";
    for (text, want) in [
        (deep.as_str(), "nested"),
        (many.as_str(), "more than"),
        (bomb, "DOCTYPE"),
        ("<!DOCTYPE html><html></html>", "DOCTYPE"),
        ("<!DOCTYPE d [<!ENTITY a", "DOCTYPE"),
        ("<d><!DOM[<!-- -->]>", "DOCTYPE"),
        ("<d>&unknown;</d>", "entity"),
        ("<d a='&unknown;'/>", "entity"),
        ("<d>&#;</d>", "entity"),
        ("<d>&#x;</d>", "entity"),
        ("<d>&#1f;</d>", "entity"),
        ("<d>&#-1;</d>", "entity"),
        ("<d>&#xfg;</d>", "entity"),
        ("<d a='&#x;'/>", "entity"),
        ("<d a='1 & 2'/>", "entity"),
        ("", "cut off"),
        ("  \n", "cut off"),
        ("<d>", "cut off"),
        ("<d><e></e>", "cut off"),
        ("<d><e", "cut off"),
        ("<d><!-- ", "cut off"),
        ("<d><![CDATA[x", "cut off"),
        ("<d></e>", "well-formed"),
        ("<d a='1' a='2'/>", "well-formed"),
        ("<d & ></d>", "well-formed"),
        ("<d/>SECRET", "besides"),
        ("<d/><d/>", "besides"),
        ("<d/>&amp;", "besides"),
        ("<d/><![CDATA[]]>", "besides"),
        ("SECRET", "besides"),
        ("{\"SECRET\":1}", "besides"),
        ("</d>", "well-formed"),
        ("<?xml version=\"1.0\" encoding=\"windows-1251\"?><d/>", "encoding windows-1251, and only UTF-8"),
        ("\n<?xml version=\"1.0\" encoding=\"KOI8-R\"?><d/>", "encoding KOI8-R"),
        ("<?xml version=\"1.0\" encoding=\"<b>&amp;\"?><d/>", "encoding bamp, "),
        ("<!-- --><?xml version=\"1.0\"?><d/>", "well-formed"),
        ("<d/><?xml version=\"1.0\"?>", "well-formed"),
    ] {
        let error = tree(text).expect_err(text).to_string();
        let start: String = text.chars().take(60).collect();
        assert!(error.contains(want), "{start}: {error}, expected {want}");
        assert!(!error.contains("SECRET"), "{error}");
    }
    assert!(matches!(parse(b"<d>\xff\xfe</d>", LIMIT), Err(XmlError::Malformed(_))));
    assert!(matches!(parse(b"<d a='\xc3'/>", LIMIT), Err(XmlError::Malformed(_))));
}

/// The limit on bytes holds to the byte.
#[test]
fn the_limit_on_bytes_holds_to_the_byte() {
    assert!(parse(b"<d>1234</d>", 11).is_ok());
    assert!(matches!(parse(b"<d>1234</d>", 10), Err(XmlError::TooLong(10))));
    let endless = std::io::repeat(b' ');
    assert!(matches!(parse_stream(endless, 1000), Err(XmlError::TooLong(1000))));
}

/// A list is read row by row, with far more rows in all than a tree may have elements; only what was asked for stays.
#[test]
fn a_list_is_read_row_by_row_whatever_its_length() {
    let mut list = String::from("<doc lang='en'><metadata><elem>no</elem></metadata>");
    for id in 0..MAX_ELEMENTS {
        list.push_str(&format!("<elem><id>{id}</id></elem>"));
    }
    list.push_str("<p_elems>100000</p_elems></doc>");
    let mut seen = 0;
    let frame = read_rows(list.as_bytes(), 16 << 20, "elem", &["p_elems", "error"], &mut |row| {
        assert_eq!(row.value_of("id"), Some(seen.to_string().as_str()));
        seen += 1;
    })
    .expect("a list");
    assert_eq!((seen, frame.rows), (MAX_ELEMENTS, MAX_ELEMENTS));
    assert_eq!(frame.root.value_of("p_elems"), Some("100000"));
    assert_eq!(frame.root.children.len(), 1);
    assert_eq!(frame.root.attribute("lang"), Some("en"));
    let cut = &list.as_bytes()[..list.len() - 20];
    assert!(matches!(read_rows(cut, 16 << 20, "elem", &[], &mut |_| ()), Err(XmlError::CutOff)));
}

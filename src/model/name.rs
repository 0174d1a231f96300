//! Names of licenses as sellers store them. A name that we send may come back in another form: with `&amp;` for `&`,
//! with single blanks, or cut to some length.

/// A name that a seller keeps in its own way, as a change of name has shown: asking again would change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptName {
    /// What was asked for.
    pub asked: String,
    /// What the seller shows since.
    pub shown: String,
}

/// Whether a name that is shown is the wanted one but for escapes and white space.
pub fn is_same(wanted: &str, shown: &str) -> bool {
    plain(wanted) == plain(shown)
}

/// Whether a name that is shown may be what became of the wanted one: the same in whatever case, or its beginning. A
/// name that was always the shorter one looks alike, so this alone decides nothing about money.
pub fn may_be_of(wanted: &str, shown: &str) -> bool {
    let (wanted, shown) = (plain(wanted).to_lowercase(), plain(shown).to_lowercase());
    !shown.is_empty() && wanted.starts_with(&shown)
}

/// White space as single blanks, escapes as what they stand for.
fn plain(name: &str) -> String {
    let mut text = name.to_owned();
    // A seller that escapes what it stored before has escaped it twice.
    loop {
        let next = ESCAPES.iter().fold(numbered(&text), |text, (escape, letter)| text.replace(escape, letter));
        if next == text {
            return text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        text = next;
    }
}

/// Escapes by number, as `&#39;`, as what they stand for.
fn numbered(name: &str) -> String {
    let mut parts = name.split("&#");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letter =
            part.split_once(';').and_then(|(number, rest)| Some((char::from_u32(number.parse().ok()?)?, rest)));
        match letter {
            Some((letter, rest)) => {
                text.push(letter);
                text.push_str(rest);
            }
            None => {
                text.push_str("&#");
                text.push_str(part);
            }
        }
    }
    text
}

/// `&amp;` is the last one: what it uncovers is another round's.
const ESCAPES: &[(&str, &str)] = &[("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];

#[cfg(test)]
mod tests {
    use super::*;

    /// Escapes and white space are no difference; a beginning may be; anything else is another name.
    #[test]
    fn names_as_sellers_keep_them() {
        let cases = [
            ("Smith & Sons", "Smith & Sons", true, true),
            ("Smith & Sons", "Smith &amp; Sons", true, true),
            ("Smith & Sons", "Smith &amp;amp; Sons", true, true),
            ("O'Neill's  \"shop\"", "O&#39;Neill&apos;s &quot;shop&quot;", true, true),
            ("Smith & Sons, web hosting", "Smith &amp; Sons, web", false, true),
            ("Item #42 shop", "Item &#35;42 shop", true, true),
            ("Item #42 shop", "item #42 shop", false, true),
            ("a &# b; &#x; c", "a &amp;# b; &#x; c", true, true),
            ("shop", "shop2", false, false),
            ("shop", "", false, false),
            ("shop", "free.lic", false, false),
        ];
        for (wanted, shown, same, may_be) in cases {
            assert_eq!((is_same(wanted, shown), may_be_of(wanted, shown)), (same, may_be), "{wanted} {shown}");
        }
    }
}

//! Names of licenses as sellers store them. A name that we send may come back in another form: with `&amp;` for `&`,
//! with single blanks, or cut to some length.

/// A name that a seller stores in a form of its own, as a change of name has shown. Sending it again would change
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptName {
    /// The name that was sent.
    pub asked: String,
    /// The name that the seller has shown since.
    pub shown: String,
}

/// Whether a shown name is the wanted one, apart from escapes and white space.
pub fn is_same(wanted: &str, shown: &str) -> bool {
    plain(wanted) == plain(shown)
}

/// Whether a shown name may be the stored form of the wanted one: the same without regard to case, or its beginning. A
/// name that was always the shorter one looks the same, so no decision about money depends on this alone.
pub fn may_be_of(wanted: &str, shown: &str) -> bool {
    let (wanted, shown) = (plain(wanted).to_lowercase(), plain(shown).to_lowercase());
    !shown.is_empty() && wanted.starts_with(&shown)
}

/// The name with single blanks for white space, and with escapes replaced by their characters.
fn plain(name: &str) -> String {
    let mut text = name.to_owned();
    // A seller that escapes a stored name again has escaped it twice.
    loop {
        let next = ESCAPES.iter().fold(numbered(&text), |text, (escape, letter)| text.replace(escape, letter));
        if next == text {
            return text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        text = next;
    }
}

/// Replaces numeric escapes such as `&#39;` by their characters.
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

/// `&amp;` comes last: an escape that it uncovers belongs to the next round.
const ESCAPES: &[(&str, &str)] = &[("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];

#[cfg(test)]
mod tests {
    use super::*;

    /// Escapes and white space make no difference. A beginning may be the same name. Anything else is another name.
    #[test]
    fn a_name_is_the_same_in_each_form_that_sellers_keep() {
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

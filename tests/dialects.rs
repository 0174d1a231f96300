//! Sellers that word their answers in their own way: what is read all the same, and what is an error.
use crate::service::{forget, opened};
use crate::support::Test;

/// A seller that passes over the page's number, and says no total, shows the whole list again and again: that is an
/// error after two pages, for whichever command reads the list.
#[test]
fn a_list_that_repeats_itself_is_an_error_after_two_pages() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.upstream.options(|o| (o.list_ignores_paging, o.list_total) = (true, false));
    for command in ["sync", "reconcile", "import --module 7 --itemtype soft", "take-over panel"] {
        forget(&test);
        let words: Vec<&str> = command.split(' ').collect();
        let output = match words[0] {
            "sync" | "import" => test.run([&["--command"], &words[..]].concat()),
            _ => test.run(&words),
        };
        assert_eq!(output.code, Some(1), "{command}: {}", output.stdout);
        let told = format!("{}{}", output.stdout, output.stderr);
        assert!(told.contains("repeats itself: page 2 shows the licenses of page 1"), "{command}: {told}");
        assert_eq!(test.upstream.funcs().iter().filter(|func| *func == "soft").count(), 2, "{command}");
    }
}

//! Tables for people: as wide as their contents, and never wider than the terminal. Columns of names and reasons are
//! cut first. Then whole columns are left out. Numbers, days and addresses are cut only as the last resort.

/// Spaces between columns.
const GAP: usize = 2;

/// A column is never narrower than this.
const NARROWEST: usize = 6;

/// A column of names or reasons may shrink to this before another column is left out for it.
const SHORTEST: usize = 12;

/// Which columns of a table are cut or left out when there is too little room.
#[derive(Debug, Clone, Copy, Default)]
pub struct Giving<'g> {
    /// Columns whose cells may be cut: names, reasons.
    pub soft: &'g [usize],
    /// Columns that are left out, in this order. `--json` has their values.
    pub spare: &'g [usize],
}

/// Measures the columns of a table. Every row is added before the first line is printed.
#[derive(Debug)]
pub struct Measure(Vec<usize>);

/// The widths that fit, and the columns that are left.
#[derive(Debug)]
pub struct Layout(Vec<(usize, usize)>);

impl Measure {
    /// A table with that head.
    pub fn new(head: &[&str]) -> Self {
        Self(head.iter().map(|title| title.chars().count()).collect())
    }

    /// One more row.
    pub fn add(&mut self, row: &[String]) {
        for (width, cell) in self.0.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }

    /// Leaves a column out, whatever the terminal's width.
    pub fn leave_out(&mut self, column: usize) {
        if let Some(width) = self.0.get_mut(column) {
            *width = 0;
        }
    }

    /// The layout for a terminal with this many columns.
    pub fn layout(&self, columns: usize, giving: Giving<'_>) -> Layout {
        let all = self.0.iter().copied().enumerate();
        let mut kept: Vec<(usize, usize)> = all.filter(|(_, width)| *width > 0).collect();
        let needed = |kept: &[(usize, usize)]| {
            let least = |&(place, width): &(usize, usize)| match giving.soft.contains(&place) {
                true => width.min(SHORTEST),
                false => width,
            };
            kept.iter().map(least).sum::<usize>() + GAP * kept.len().saturating_sub(1)
        };
        for column in giving.spare {
            if needed(&kept) > columns {
                kept.retain(|(place, _)| place != column);
            }
        }
        fit(&mut kept, columns, giving.soft);
        Layout(kept)
    }
}

impl Layout {
    /// The line of a row, ended.
    pub fn line<S: AsRef<str>>(&self, cells: &[S]) -> String {
        let mut line = String::new();
        for (place, width) in &self.0 {
            let Some(cell) = cells.get(*place) else { continue };
            let shown = shortened(cell.as_ref(), *width);
            let room = width.saturating_sub(shown.chars().count()) + GAP;
            line.push_str(&shown);
            line.push_str(&" ".repeat(room));
        }
        format!("{}\n", line.trim_end())
    }
}

/// The lines of a table with its head. The widest column is cut first.
pub fn table(head: &[&str], rows: &[Vec<String>], columns: usize) -> String {
    let all: Vec<usize> = (0..head.len()).collect();
    fitting(head, rows, columns, Giving { soft: &all, spare: &[] })
}

/// The lines of a table with its head.
pub fn fitting(head: &[&str], rows: &[Vec<String>], columns: usize, giving: Giving<'_>) -> String {
    let mut measure = Measure::new(head);
    rows.iter().for_each(|row| measure.add(row));
    let layout = measure.layout(columns, giving);
    let lines = rows.iter().map(|row| layout.line(row));
    std::iter::once(layout.line(head)).chain(lines).collect()
}

/// Cuts soft columns first, beginning with the widest. The others are cut only when nothing else helps.
fn fit(kept: &mut [(usize, usize)], columns: usize, soft: &[usize]) {
    let gaps = GAP * kept.len().saturating_sub(1);
    while kept.iter().map(|(_, width)| width).sum::<usize>() + gaps > columns {
        let narrowest = |place: &usize| if soft.contains(place) { NARROWEST } else { NARROWEST + 1 };
        let can = |one: &&mut (usize, usize)| one.1 > narrowest(&one.0);
        let widest = kept.iter_mut().filter(can).max_by_key(|(place, width)| (soft.contains(place), *width));
        let Some((_, width)) = widest else { return };
        *width -= 1;
    }
}

fn shortened(cell: &str, width: usize) -> String {
    let flat: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= width {
        return flat;
    }
    let kept: String = flat.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Breaks a text into lines of at most `columns`, each after `indent` spaces; the caller prints those of the first
/// line. A command of ours is not broken if it fits a line, so that it can be copied.
pub fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    let room = columns.saturating_sub(indent).max(20);
    for word in unbreakable(text, room) {
        let length = word.chars().count();
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + length > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// A text for a terminal with this many columns: lines that are too long for it are broken, the others stay as they
/// are. The rest of a wrapped line is indented a little more than its beginning.
pub fn folded(text: &str, columns: usize) -> String {
    let fold = |line: &str| {
        if line.chars().count() <= columns {
            return line.to_owned();
        }
        let words = line.trim_start_matches(' ');
        let indent = line.chars().count() - words.chars().count();
        // A question ends with a space, behind which the answer is typed.
        let end = if line.ends_with(' ') { " " } else { "" };
        format!("{}{}{end}", " ".repeat(indent), wrapped(words, columns, indent + 2))
    };
    text.split('\n').map(fold).collect::<Vec<_>>().join("\n")
}

/// The words of a text. A command with its arguments counts as one word if it fits a line.
fn unbreakable(text: &str, room: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut in_command = false;
    for word in text.split_whitespace() {
        match parts.last_mut() {
            Some(command) if in_command && command.chars().count() + 1 + word.chars().count() <= room => {
                command.push(' ');
                command.push_str(word);
            }
            Some(_) | None => {
                parts.push(word.to_owned());
                in_command = word == "pmisplicense";
            }
        }
        in_command &= !word.ends_with([';', ',', '.', ')']);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The widest column is cut, letters are counted and not bytes, and line breaks in names do no harm.
    #[test]
    fn the_widest_column_is_cut_and_letters_are_counted_not_bytes() {
        let rows = vec![
            vec!["5001".to_owned(), "магазин с очень длинным именем".to_owned()],
            vec!["7".to_owned(), "a\nb".to_owned()],
        ];
        let text = table(&["ID", "NAME"], &rows, 20);
        assert_eq!(text, "ID    NAME\n5001  магазин с оче…\n7     a b\n");
        assert!(text.lines().all(|line| line.chars().count() <= 20));
    }

    /// Columns that can be left out go before cells are cut, and no more of them than necessary.
    #[test]
    fn spare_columns_are_left_out_before_any_cell_is_cut() {
        let rows = vec![vec!["5001".to_owned(), "active".to_owned(), "192.0.2.10".to_owned(), "shop".to_owned()]];
        let head = ["ID", "STATUS", "IP", "NAME"];
        let giving = Giving { soft: &[3], spare: &[1, 3] };
        assert_eq!(
            fitting(&head, &rows, 30, giving),
            "ID    STATUS  IP          NAME\n5001  active  192.0.2.10  shop\n"
        );
        assert_eq!(fitting(&head, &rows, 25, giving), "ID    IP          NAME\n5001  192.0.2.10  shop\n");
        assert_eq!(fitting(&head, &rows, 16, giving), "ID    IP\n5001  192.0.2.10\n");
    }

    /// A long name is cut before any column goes, and a column goes before a number is cut.
    #[test]
    fn names_give_way_before_columns_and_columns_before_numbers() {
        let name = "a shop with a very long name".to_owned();
        let rows = vec![vec!["5001".to_owned(), "active".to_owned(), "192.0.2.10".to_owned(), name]];
        let giving = Giving { soft: &[3], spare: &[1, 3] };
        let head = ["ID", "STATUS", "IP", "NAME"];
        assert_eq!(
            fitting(&head, &rows, 40, giving),
            "ID    STATUS  IP          NAME\n5001  active  192.0.2.10  a shop with a…\n"
        );
        assert_eq!(fitting(&head, &rows, 34, giving), "ID    IP          NAME\n5001  192.0.2.10  a shop with a v…\n");
        assert_eq!(fitting(&head, &rows, 17, giving), "ID    IP\n5001  192.0.2.10\n");
    }

    /// Only lines that are too long are broken; indents, short lines and the place for an answer stay.
    #[test]
    fn a_folded_text_fits_the_terminal_and_keeps_its_lines() {
        assert_eq!(folded("one\n  two   three\n", 40), "one\n  two   three\n");
        let long = "  one two three four five six seven\nGo on? [y/N] ";
        assert_eq!(folded(long, 24), "  one two three four\n    five six seven\nGo on? [y/N] ");
        assert_eq!(folded("one two three four five six? [y/N] ", 24), "one two three four\n  five six? [y/N] ");
        assert_eq!(folded("", 24), "");
    }

    /// Words stay whole, later lines are indented.
    #[test]
    fn wrapped_words_stay_whole_and_later_lines_are_indented() {
        assert_eq!(wrapped("one two three four five six", 22, 2), "one two three four\n  five six");
        assert_eq!(
            wrapped("now run: pmisplicense sync; then wait", 24, 2),
            "now run:\n  pmisplicense sync;\n  then wait"
        );
    }
}

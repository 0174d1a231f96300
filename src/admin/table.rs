//! Tables for people: as wide as their contents, and never wider than the terminal. The widest column gives way
//! first.

/// Spaces between columns.
const GAP: usize = 2;

/// A column is never narrower than this.
const NARROWEST: usize = 6;

/// Lines of a table with its head, each ended.
pub fn table(head: &[&str], rows: &[Vec<String>], width: usize) -> String {
    let mut widths: Vec<usize> = head.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    fit(&mut widths, width);
    let head: Vec<String> = head.iter().map(|title| (*title).to_owned()).collect();
    std::iter::once(&head).chain(rows).map(|row| line(row, &widths)).collect()
}

/// A table that leaves columns out, in this order, before any cell is cut: what is left out stands in `--json`.
pub fn fitting(head: &[&str], rows: &[Vec<String>], width: usize, spare: &[usize]) -> String {
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        head.get(column).copied().into_iter().chain(cells).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut kept: Vec<usize> = (0..head.len()).collect();
    for column in spare {
        let needed = kept.iter().map(|column| longest(*column) + GAP).sum::<usize>();
        if needed > width + GAP {
            kept.retain(|one| one != column);
        }
    }
    let head: Vec<&str> = kept.iter().filter_map(|column| head.get(*column).copied()).collect();
    let chosen = |row: &Vec<String>| kept.iter().filter_map(|column| row.get(*column).cloned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(chosen).collect();
    table(&head, &rows, width)
}

fn fit(widths: &mut [usize], width: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let Some(widest) = widths.iter_mut().max() else { return };
        if *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let shown = shortened(cell, *width);
        let room = width.saturating_sub(shown.chars().count()) + GAP;
        line.push_str(&shown);
        line.push_str(&" ".repeat(room));
    }
    format!("{}\n", line.trim_end())
}

fn shortened(cell: &str, width: usize) -> String {
    let flat: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= width {
        return flat;
    }
    let kept: String = flat.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A text in lines of at most `width`, each after `indent` spaces but the first. A command of ours stays whole where
/// it can, to be copied.
pub fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    let mut room = width.max(20);
    for word in unbreakable(text, width.saturating_sub(indent)) {
        let length = word.chars().count();
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + length > room {
            lines.push(String::new());
            room = width.saturating_sub(indent).max(20);
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

/// Words, a command with its arguments counted as one as long as it fits a line.
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

    /// The widest column gives way, letters are counted and not bytes, line breaks of clients do no harm.
    #[test]
    fn fits() {
        let rows = vec![
            vec!["5001".to_owned(), "магазин с очень длинным именем".to_owned()],
            vec!["7".to_owned(), "a\nb".to_owned()],
        ];
        let text = table(&["ID", "NAME"], &rows, 20);
        assert_eq!(text, "ID    NAME\n5001  магазин с оче…\n7     a b\n");
        assert!(text.lines().all(|line| line.chars().count() <= 20));
    }

    /// Columns that can be spared go before cells are cut, and only as many as it takes.
    #[test]
    fn spares() {
        let rows = vec![vec!["5001".to_owned(), "active".to_owned(), "192.0.2.10".to_owned(), "shop".to_owned()]];
        let head = ["ID", "STATUS", "IP", "NAME"];
        assert_eq!(
            fitting(&head, &rows, 30, &[1, 3]),
            "ID    STATUS  IP          NAME\n5001  active  192.0.2.10  shop\n"
        );
        assert_eq!(fitting(&head, &rows, 25, &[1, 3]), "ID    IP          NAME\n5001  192.0.2.10  shop\n");
        assert_eq!(fitting(&head, &rows, 16, &[1, 3]), "ID    IP\n5001  192.0.2.10\n");
    }

    /// Words stay whole, later lines are indented.
    #[test]
    fn wraps() {
        assert_eq!(wrapped("one two three four five six", 20, 2), "one two three four\n  five six");
        assert_eq!(
            wrapped("now run: pmisplicense sync; then wait", 24, 2),
            "now run:\n  pmisplicense sync;\n  then wait"
        );
    }
}

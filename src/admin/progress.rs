//! A progress bar that redraws itself on a terminal, and is silent anywhere else.

/// The longest bar in columns.
const LONGEST: usize = 30;

/// A bar on a terminal with this many columns. `None`: not a terminal, so it draws nothing.
#[derive(Debug, Clone, Copy)]
pub struct Bar(pub Option<usize>);

impl Bar {
    /// Draws the progress: what is counted, how many are done, and of how many.
    pub fn draw(self, tell: &mut dyn FnMut(&str), words: &str, done: u32, total: Option<u32>) {
        if let Some(columns) = self.0 {
            tell(&format!("\r{}", padded(&line(words, done, total, columns), columns)));
        }
    }

    /// Erases the bar.
    pub fn clear(self, tell: &mut dyn FnMut(&str)) {
        if let Some(columns) = self.0 {
            tell(&format!("\r{}\r", padded("", columns)));
        }
    }
}

fn line(words: &str, done: u32, total: Option<u32>, columns: usize) -> String {
    let Some(total) = total.filter(|total| *total > 0) else { return format!("{words} {done}") };
    let counts = format!("{done}/{total}");
    let room = columns.saturating_sub(words.chars().count() + counts.len() + 6).min(LONGEST);
    if room < 4 {
        return format!("{words} {counts}");
    }
    let full = usize::try_from(u64::from(done.min(total)) * room as u64 / u64::from(total)).unwrap_or(room);
    format!("{words} [{}{}] {counts}", "#".repeat(full), "-".repeat(room - full))
}

/// Pads or cuts the line to less than the terminal's width, because a full line would wrap.
fn padded(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let shown: String = line.chars().take(room).collect();
    let rest = room.saturating_sub(shown.chars().count());
    format!("{shown}{}", " ".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(columns: Option<usize>, done: u32, total: Option<u32>) -> String {
        let mut drawn = String::new();
        Bar(columns).draw(&mut |words| drawn.push_str(words), "module 7: licenses", done, total);
        drawn
    }

    /// The bar fits the line, fills up, and is silent without a terminal.
    #[test]
    fn the_bar_fits_its_line_and_is_silent_without_a_terminal() {
        let half = drawn(Some(60), 500, Some(1000));
        assert_eq!(half.trim_end(), "\rmodule 7: licenses [##############--------------] 500/1000");
        assert_eq!(half.chars().count(), 60);
        assert!(!drawn(Some(60), 1000, Some(1000)).contains('-'));
        assert!(drawn(Some(60), 2000, Some(1000)).contains("] 2000/1000"));
        assert_eq!(drawn(Some(60), 7, None).trim(), "module 7: licenses 7");
        assert_eq!(drawn(Some(60), 0, Some(0)).trim(), "module 7: licenses 0");
        assert!(drawn(Some(30), 1, Some(1000)).contains("licenses 1/1000"));
        assert_eq!(drawn(None, 1, None), "");
        let mut drawn = String::new();
        Bar(Some(10)).clear(&mut |words| drawn.push_str(words));
        assert_eq!(drawn, format!("\r{}\r", " ".repeat(9)));
    }
}

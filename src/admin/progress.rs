//! A bar that is drawn over itself on a terminal, and says nothing anywhere else.

use crate::engine::{Phase, Progress};
use crate::error::{Lang, Text};
use crate::model::ids::ModuleId;
use crate::text;

/// The longest bar in columns.
const LONGEST: usize = 30;

/// The bar of one module's comparison.
pub struct Bar {
    module: ModuleId,
    lang: Lang,
    columns: Option<usize>,
}

impl Bar {
    /// `columns` of the terminal that somebody looks at.
    pub fn new(module: ModuleId, lang: Lang, columns: Option<usize>) -> Self {
        Self { module, lang, columns }
    }

    /// What is to be shown now; nothing where nobody looks.
    pub fn drawn(&self, progress: Progress) -> Option<String> {
        let columns = self.columns?;
        let module = self.module;
        let words: Text = match progress.phase {
            Phase::Licenses => text!("module {module}: licenses", "модуль {module}: лицензии"),
            Phase::State => text!("module {module}: state", "модуль {module}: состояние"),
            Phase::Services => text!("module {module}: services", "модуль {module}: услуги"),
        };
        let words = words.in_lang(self.lang);
        let done = progress.done;
        let line = match progress.total.filter(|total| *total > 0) {
            Some(total) => {
                let counts = format!("{done}/{total}");
                let room = columns.saturating_sub(words.chars().count() + counts.len() + 6).min(LONGEST);
                let full = usize::try_from(u64::from(done.min(total)) * room as u64 / u64::from(total)).unwrap_or(room);
                let bar = format!("{}{}", "#".repeat(full), "-".repeat(room - full));
                if room < 4 { format!("{words} {counts}") } else { format!("{words} [{bar}] {counts}") }
            }
            None => format!("{words} {done}"),
        };
        Some(format!("\r{}", padded(&line, columns)))
    }

    /// What takes the bar away again.
    pub fn cleared(&self) -> Option<String> {
        self.columns.map(|columns| format!("\r{}\r", padded("", columns)))
    }
}

/// Never as wide as the terminal: a full line would move on to the next.
fn padded(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let shown: String = line.chars().take(room).collect();
    let rest = room.saturating_sub(shown.chars().count());
    format!("{shown}{}", " ".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It fits, fills up, and is silent where nobody looks.
    #[test]
    fn bar() {
        let bar = Bar::new(ModuleId(7), Lang::En, Some(60));
        let at = |done, total| Progress { phase: Phase::Licenses, done, total };
        let half = bar.drawn(at(500, Some(1000))).expect("a bar");
        assert_eq!(half.trim_end(), "\rmodule 7: licenses [##############--------------] 500/1000");
        assert_eq!(half.chars().count(), 60);
        assert!(bar.drawn(at(1000, Some(1000))).is_some_and(|bar| !bar.contains('-')));
        assert!(bar.drawn(at(2000, Some(1000))).is_some_and(|bar| bar.contains("] 2000/1000")));
        assert_eq!(bar.drawn(at(7, None)).as_deref().map(str::trim), Some("module 7: licenses 7"));
        assert_eq!(bar.drawn(at(0, Some(0))).as_deref().map(str::trim), Some("module 7: licenses 0"));
        let narrow = Bar::new(ModuleId(7), Lang::En, Some(30));
        assert!(narrow.drawn(at(1, Some(1000))).is_some_and(|bar| bar.contains("licenses 1/1000")));
        assert_eq!(Bar::new(ModuleId(7), Lang::En, None).drawn(at(1, None)), None);
    }
}

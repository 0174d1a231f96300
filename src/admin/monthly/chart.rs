//! Bars as inline SVG: whole numbers only, colours from the page's own style, a title for readers who cannot see it.

use std::fmt::Write as _;

use crate::model::license::Money;
use crate::xml::escape;

/// Width and height of a chart in its own units; the page scales it.
const WIDTH: i64 = 640;
const HEIGHT: i64 = 190;

/// Room above the bars for their values, below for their names.
const ABOVE: i64 = 28;
const BELOW: i64 = 26;

/// Between a bar and its value, and the room that a value takes above its bar.
const VALUE_GAP: i64 = 6;
const VALUE_ROOM: i64 = 20;

/// A bar: its name and its amount in minor units.
pub struct Bar {
    /// Shown below the bar.
    pub name: String,
    /// The amount in minor units, which gives the bar its height.
    pub minor: i64,
}

/// Upright bars of one currency, with a line at `limit` where there is one.
pub fn columns(title: &str, bars: &[Bar], currency: &str, limit: Option<i64>) -> String {
    let floor = HEIGHT - BELOW;
    let top = bars.iter().map(|bar| bar.minor).chain(limit).max().unwrap_or(0).max(1);
    let height = |minor: i64| minor.max(0).saturating_mul(floor - ABOVE) / top;
    let step = WIDTH / i64::try_from(bars.len().max(1)).unwrap_or(1);
    let mut out = opened(title, HEIGHT);
    let line = limit.map(|minor| floor - height(minor));
    if let Some(y) = line {
        let _ = write!(out, "<line class=\"limit\" x1=\"0\" y1=\"{y}\" x2=\"{WIDTH}\" y2=\"{y}\"/>");
    }
    for (bar, left) in bars.iter().zip((0..).step_by(usize::try_from(step).unwrap_or(1))) {
        let (tall, middle) = (height(bar.minor), left + step / 2);
        let (x, y) = (left + step / 5, floor - tall);
        // A value that would stand on the line goes above it.
        let value = match line.filter(|line| (y - VALUE_ROOM..y - 2).contains(line)) {
            Some(line) => line - VALUE_GAP,
            None => y - VALUE_GAP,
        };
        let amount = Money { minor: bar.minor, currency: currency.to_owned() };
        let class = if limit.is_some_and(|limit| bar.minor < limit) { "low" } else { "bar" };
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"3\"><title>{}: {amount}</title></rect>\
             <text class=\"value\" x=\"{middle}\" y=\"{}\">{}</text><text class=\"name\" x=\"{middle}\" y=\"{}\">{}</text>",
            step * 3 / 5,
            // There is no bar if nothing was bought. Even a small amount has a bar that can be seen.
            if bar.minor > 0 { tall.max(1) } else { 0 },
            escape(&bar.name),
            value,
            whole(bar.minor),
            HEIGHT - 8,
            escape(&bar.name),
        );
    }
    let _ = write!(out, "<line class=\"axis\" x1=\"0\" y1=\"{floor}\" x2=\"{WIDTH}\" y2=\"{floor}\"/>");
    out + "</svg>"
}

/// A row of a horizontal chart: its name and the lengths of its parts.
pub struct Row {
    /// Shown above the row.
    pub name: String,
    /// Lengths of the parts, in order.
    pub counts: Vec<u32>,
}

/// Horizontal bars, each made of parts. `classes` name the styles of the parts in order.
pub fn rows(title: &str, rows: &[Row], classes: &[&str]) -> String {
    const LINE: i64 = 40;
    let longest = rows.iter().map(|row| row.counts.iter().map(|count| i64::from(*count)).sum::<i64>()).max();
    let longest = longest.unwrap_or(0).max(1);
    let room = WIDTH - 70;
    let mut out = opened(title, LINE * i64::try_from(rows.len()).unwrap_or(1));
    for (row, top) in rows.iter().zip((0..).step_by(usize::try_from(LINE).unwrap_or(1))) {
        let top: i64 = top;
        let _ = write!(out, "<text class=\"row\" x=\"0\" y=\"{}\">{}</text>", top + 13, escape(&row.name));
        let mut x = 0;
        for (count, class) in row.counts.iter().zip(classes) {
            let width = i64::from(*count).saturating_mul(room) / longest;
            if width > 0 {
                let y = top + 18;
                let _ = write!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"14\"/>");
            }
            x += width;
        }
        let sum: u32 = row.counts.iter().sum();
        let _ = write!(out, "<text class=\"count\" x=\"{}\" y=\"{}\">{sum}</text>", x + 6, top + 30);
    }
    out + "</svg>"
}

fn opened(title: &str, height: i64) -> String {
    let title = escape(title);
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>")
}

/// An amount above a bar, without its fraction. The table and the title of the bar have the exact amount.
fn whole(minor: i64) -> String {
    let rounded = (minor + 50) / 100;
    if rounded == 0 && minor != 0 { "&lt;1".to_owned() } else { rounded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tallest bar uses the whole height, the limit is at the right height, nothing divides by zero, text is
    /// escaped.
    #[test]
    fn the_tallest_bar_has_the_whole_room_and_text_is_escaped() {
        let bar = |minor| Bar { name: "a<b".into(), minor };
        let svg = columns("t&t", &[bar(20_000), bar(0)], "EUR", Some(10_000));
        assert!(svg.contains("y=\"28\" width=\"192\" height=\"136\""), "{svg}");
        assert!(svg.contains("class=\"limit\" x1=\"0\" y1=\"96\""), "{svg}");
        assert!(svg.contains("a&lt;b: 200.00 EUR") && svg.contains("aria-label=\"t&amp;t\"") && !svg.contains("a<b"));
        assert!(columns("t", &[], "EUR", None).ends_with("</svg>"));
        assert!(svg.contains("y=\"164\" width=\"192\" height=\"0\""), "nothing bought, no bar: {svg}");
        let tiny = columns("t", &[bar(1), bar(20_000)], "EUR", None);
        assert!(tiny.contains("y=\"164\" width=\"192\" height=\"1\""), "{tiny}");
        // 90 of 100: its value would stand on the line at 28, and goes above it.
        let near = columns("t", &[bar(9_000)], "EUR", Some(10_000));
        assert!(near.contains("y1=\"28\"") && near.contains("class=\"value\" x=\"320\" y=\"22\""), "{near}");
        let svg = rows("t", &[Row { name: "x".into(), counts: vec![3, 0, 1] }], &["a", "b", "c"]);
        assert!(svg.contains("class=\"a\" x=\"0\" y=\"18\" width=\"427\"") && !svg.contains("class=\"b\""), "{svg}");
        assert!(svg.contains("class=\"c\" x=\"427\"") && svg.contains(">4</text>"));
    }
}

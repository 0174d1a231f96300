//! The report as one self-contained page of HTML: it includes style and charts, runs no script and fetches nothing. It
//! is light or dark like the reader's system, and white on paper.

use std::fmt::Write as _;

use chrono::NaiveDate;

use super::chart::{Bar, Row, columns, rows};
use super::figures::{Domains, Figures, PROGRAMME, ProductMonth};
use super::loss::Losses;
use super::output::{about_domains, about_losses, line_of, line_of_full, remarks};
use super::shown;
use crate::error::{Lang, Text};
use crate::text;
use crate::xml::escape;

/// The page's style.
const STYLE: &str = include_str!("style.css");

/// Most lines of the page's tables of services. The worst services are shown.
const SHOWN: usize = 100;

struct Page {
    lang: Lang,
    html: String,
}

/// The whole page; `today` is the day on which it was made.
pub fn page(figures: &Figures, lang: Lang, today: NaiveDate) -> String {
    let month = figures.month.format("%Y-%m");
    let mut page = Page { lang, html: String::new() };
    let title = page.say(&text!("Licenses in {month}", "Лицензии за {month}"));
    let code = match lang {
        Lang::En => "en",
        Lang::Ru => "ru",
    };
    let made = page.say(&text!("as of {today}, made by pmisplicense", "на {today}, составлено pmisplicense"));
    page.put(&format!(
        "<!DOCTYPE html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"sub\">{made}</p>\n"
    ));
    page.tiles(figures);
    page.turnover(figures);
    page.products(figures);
    page.below_cost(&figures.losses);
    page.domains(&figures.domains);
    for words in remarks(figures) {
        let words = page.say(&words);
        page.put(&format!("<p class=\"note\">{words}</p>\n"));
    }
    let foot = page.say(&text!(
        "This page is an overview. The final charges are those in the seller's panel.",
        "Эта страница — обзор. Сколько списано на самом деле, видно в панели продавца."
    ));
    page.put(&format!("<footer>{foot}</footer>\n</main>\n</body>\n</html>\n"));
    page.html
}

impl Page {
    fn put(&mut self, html: &str) {
        self.html.push_str(html);
    }

    fn say(&self, text: &Text) -> String {
        escape(text.in_lang(self.lang))
    }

    fn tiles(&mut self, figures: &Figures) {
        let below = figures.below();
        let amount = |sums| shown(sums).unwrap_or_else(|| "–".to_owned());
        let count = |of: fn(&ProductMonth) -> u32| figures.sum(of).to_string();
        let cost = figures.turnover.first().map(|month| &month.all);
        let tiles = [
            (text!("Serving clients", "У клиентов"), count(|p| p.bound), false),
            (text!("In the pool", "В пуле"), count(|p| p.pool), false),
            (text!("Bought", "Куплено"), count(|p| p.bought), false),
            (text!("Renewed", "Продлено"), count(|p| p.renewed), false),
            (text!("Taken from the pool", "Взято из пула"), count(|p| p.reused), false),
            (text!("Turnover", "Оборот"), cost.map_or_else(|| "–".to_owned(), amount), false),
            (text!("Saved by the pool", "Сэкономил пул"), amount(&figures.saved), false),
            (text!("Pool worth", "Стоимость пула"), amount(&figures.pool_worth), false),
            (text!("Months in a row below 100 EUR", "Месяцев подряд ниже 100 EUR"), below.to_string(), below > 0),
        ];
        self.put("<dl class=\"tiles\">\n");
        for (name, value, is_bad) in tiles {
            let (name, value) = (self.say(&name), escape(&value));
            let class = if is_bad { " class=\"bad\"" } else { "" };
            self.put(&format!("<div{class}><dt>{name}</dt><dd>{value}</dd></div>\n"));
        }
        self.put("</dl>\n");
    }

    /// A chart for each currency, the oldest month first, with the programme's limit in its own currency.
    fn turnover(&mut self, figures: &Figures) {
        let programme: Vec<Bar> = figures.turnover.iter().rev().map(|m| bar(m.month, m.programme)).collect();
        let line = self.say(&text!("100 EUR a month", "100 EUR в месяц"));
        let title =
            text!("ISPmanager 6 against the reseller programme, EUR", "ISPmanager 6 и программа реселлеров, EUR");
        self.section(&title, |page| {
            let svg = columns(page.lang_text(&title).as_str(), &programme, "EUR", Some(PROGRAMME));
            page.put(&svg);
            page.put(&format!("<ul class=\"key\"><li><i class=\"limit\"></i>{line}</li></ul>\n"));
        });
        let mut currencies: Vec<&String> = figures.turnover.iter().flat_map(|month| month.all.keys()).collect();
        currencies.sort();
        currencies.dedup();
        for currency in currencies {
            let all: Vec<i64> = figures.turnover.iter().map(|m| m.all.get(currency).copied().unwrap_or(0)).collect();
            let same = currency == "EUR" && all.iter().eq(figures.turnover.iter().map(|m| &m.programme));
            if same {
                continue;
            }
            let bars: Vec<Bar> = figures.turnover.iter().zip(all).rev().map(|(m, minor)| bar(m.month, minor)).collect();
            let title = text!("All purchases, {currency}", "Все покупки, {currency}");
            self.section(&title, |page| {
                let svg = columns(page.lang_text(&title).as_str(), &bars, currency, None);
                page.put(&svg);
            });
        }
    }

    fn products(&mut self, figures: &Figures) {
        let (licenses, done): (Vec<Row>, Vec<Row>) = figures
            .products
            .iter()
            .map(|(pricelist, p)| {
                let name = if p.name.is_empty() { pricelist.to_string() } else { p.name.clone() };
                let row = |counts| Row { name: name.clone(), counts };
                (row(vec![p.bound, p.pool]), row(vec![p.bought, p.renewed, p.reused]))
            })
            .unzip();
        let done: Vec<Row> = done.into_iter().filter(|row| row.counts.iter().any(|count| *count > 0)).collect();
        let (serving, pool) = (text!("serving clients", "у клиентов"), text!("in the pool", "в пуле"));
        self.bars(
            &text!("Licenses by product", "Лицензии по продуктам"),
            &licenses,
            &[("bound", serving), ("pool", pool)],
        );
        let names = [
            ("bought", text!("bought", "куплено")),
            ("renewed", text!("renewed", "продлено")),
            ("reused", text!("taken from the pool", "взято из пула")),
        ];
        self.bars(&text!("Done in the month", "Сделано за месяц"), &done, &names);
        self.section(&text!("The month by product", "Месяц по продуктам"), |page| {
            page.product_table(figures)
        });
    }

    fn bars(&mut self, title: &Text, data: &[Row], classes: &[(&str, Text)]) {
        if data.is_empty() {
            return;
        }
        self.section(title, |page| {
            let names: Vec<&str> = classes.iter().map(|(class, _)| *class).collect();
            let svg = rows(page.lang_text(title).as_str(), data, &names);
            page.put(&svg);
            page.put("<ul class=\"key\">");
            for (class, name) in classes {
                let name = page.say(name);
                page.put(&format!("<li><i class=\"{class}\"></i>{name}</li>"));
            }
            page.put("</ul>\n");
        });
    }

    fn product_table(&mut self, figures: &Figures) {
        let head = text!(
            "Product|Serving|Pool|Bought|Renewed|From the pool|Cost",
            "Продукт|У клиентов|Пул|Куплено|Продлено|Из пула|Стоимость"
        );
        let lines: Vec<Vec<String>> = figures
            .products
            .iter()
            .map(|(pricelist, p)| {
                let mut cells = vec![format!("{} · {pricelist}", p.name)];
                cells.extend([p.bound, p.pool, p.bought, p.renewed, p.reused].map(|count| count.to_string()));
                cells.push(shown(&p.cost).unwrap_or_else(|| "–".to_owned()));
                cells
            })
            .collect();
        self.table(&head, &lines);
    }

    fn below_cost(&mut self, losses: &Losses) {
        self.section(&text!("Sold below cost", "Продаётся ниже себестоимости"), |page| {
            for words in about_losses(losses) {
                let words = page.say(&words);
                page.put(&format!("<p class=\"note\">{words}</p>\n"));
            }
            if losses.list.is_empty() {
                return;
            }
            let head = text!(
                "Service|License|Product|Price / months|Cost / months|Lost a month",
                "Услуга|Лицензия|Продукт|Цена / месяцев|Себестоимость / месяцев|Убыток в месяц"
            );
            let lines: Vec<Vec<String>> =
                losses.list.iter().take(SHOWN).map(|loss| line_of(loss, loss.a_month.to_string())).collect();
            page.table(&head, &lines);
        });
    }

    fn domains(&mut self, domains: &Domains) {
        let Some(words) = about_domains(domains) else { return };
        self.section(&text!("Domains in use", "Занятые домены"), |page| {
            let words = page.say(&words);
            page.put(&format!("<p class=\"note\">{words}</p>\n"));
            if !domains.nearly_full.is_empty() {
                let head = text!("Service|License|Product|Domains / limit", "Услуга|Лицензия|Продукт|Домены / предел");
                let lines: Vec<Vec<String>> = domains.nearly_full.iter().take(SHOWN).map(line_of_full).collect();
                page.table(&head, &lines);
            }
        });
    }

    fn table(&mut self, head: &Text, lines: &[Vec<String>]) {
        self.put("<table>\n<thead><tr>");
        let head = self.say(head);
        for title in head.split('|') {
            self.put(&format!("<th scope=\"col\">{title}</th>"));
        }
        self.put("</tr></thead>\n<tbody>\n");
        for line in lines {
            let cells = line.iter().fold(String::new(), |mut cells, cell| {
                let _ = write!(cells, "<td>{}</td>", escape(cell));
                cells
            });
            self.put(&format!("<tr>{cells}</tr>\n"));
        }
        self.put("</tbody>\n</table>\n");
    }

    fn section(&mut self, title: &Text, inside: impl FnOnce(&mut Self)) {
        let title = self.say(title);
        self.put(&format!("<section>\n<h2>{title}</h2>\n"));
        inside(self);
        self.put("</section>\n");
    }

    /// The text, not escaped: charts escape it themselves.
    fn lang_text(&self, text: &Text) -> String {
        text.in_lang(self.lang).to_owned()
    }
}

fn bar(month: NaiveDate, minor: i64) -> Bar {
    Bar { name: month.format("%Y-%m").to_string(), minor }
}

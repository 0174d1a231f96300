//! One file with all its mutants behind switches. Each place becomes "if this mutant is on, the changed text, else
//! the text as it was, its inner places switched": only one mutant is on at a time, so a changed text needs no
//! switches within. Lines stay where they were.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Failure;
use crate::list::{Mutant, Place};

/// The question that the copy asks at each place.
const ON: &str = "crate::mutant::on";

/// Text to be put in, with the mutants whose changed text lies in which part of it.
struct Insert {
    at: usize,
    /// Ends of inner places come before those of outer ones, and all ends before beginnings.
    order: (bool, isize),
    text: String,
    parts: Vec<(usize, Range<usize>)>,
}

/// A file as it is compiled.
pub struct Switched {
    pub text: String,
    /// For messages of the compiler: which mutants are at which bytes of `text`.
    ranges: Vec<(Range<usize>, Vec<usize>)>,
    /// Mutants for which a place was found.
    pub placed: BTreeSet<usize>,
}

impl Switched {
    /// The mutants that a message about these bytes is about: those of the smallest part around them.
    pub fn blamed(&self, bytes: &Range<usize>) -> Option<&[usize]> {
        let around = |range: &Range<usize>| range.start <= bytes.start && bytes.end <= range.end;
        let parts = self.ranges.iter().filter(|(range, _)| around(range));
        parts.min_by_key(|(range, _)| range.len()).map(|(_, ids)| ids.as_slice())
    }
}

struct Switcher<'a> {
    source: &'a str,
    /// Those still to be placed, by genre and place.
    wanted: BTreeMap<(&'a str, Place), Vec<&'a Mutant>>,
    inserts: Vec<Insert>,
    /// Places in the source with their mutants.
    nodes: Vec<(Range<usize>, Vec<usize>)>,
    placed: BTreeSet<usize>,
    count: isize,
}

/// The file with these mutants switched.
pub fn switched(source: &str, mutants: &[&Mutant]) -> Result<Switched, Failure> {
    let file = syn::parse_file(source)?;
    let mut wanted: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for mutant in mutants {
        let place = if mutant.genre == "FnValue" { mutant.function } else { mutant.start };
        wanted.entry((mutant.genre.as_str(), place)).or_default().push(*mutant);
    }
    let mut switcher =
        Switcher { source, wanted, inserts: Vec::new(), nodes: Vec::new(), placed: BTreeSet::new(), count: 0 };
    switcher.visit_file(&file);
    Ok(switcher.finish())
}

fn place(spanned: &impl Spanned) -> Place {
    let start = spanned.span().start();
    (start.line, start.column + 1)
}

fn bytes(spanned: &impl Spanned) -> Range<usize> {
    spanned.span().byte_range()
}

/// True if a condition binds names: such a chain cannot be taken apart.
fn has_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl<'a> Switcher<'a> {
    fn take(&mut self, genre: &'static str, place: Place) -> Vec<&'a Mutant> {
        let taken = self.wanted.remove(&(genre, place)).unwrap_or_default();
        self.placed.extend(taken.iter().map(|mutant| mutant.id));
        taken
    }

    fn text(&self, range: Range<usize>) -> &'a str {
        &self.source[range]
    }

    fn insert(&mut self, at: usize, ends: bool, text: String, parts: Vec<(usize, Range<usize>)>) {
        self.count += 1;
        let order = if ends { (false, -self.count) } else { (true, self.count) };
        self.inserts.push(Insert { at, order, text, parts });
    }

    /// Around an expression: for each mutant its text, else the expression.
    fn choose(&mut self, range: &Range<usize>, choices: &[(&Mutant, String)]) {
        if choices.is_empty() {
            return;
        }
        let (mut text, mut parts) = ("(".to_owned(), Vec::new());
        for (mutant, changed) in choices {
            text.push_str(&format!("if {ON}({}) {{ ", mutant.id));
            parts.push((mutant.id, text.len()..text.len() + changed.len()));
            text.push_str(changed);
            text.push_str(" } else ");
        }
        text.push('{');
        self.nodes.push((range.clone(), choices.iter().map(|(mutant, _)| mutant.id).collect()));
        self.insert(range.start, false, text, parts);
        self.insert(range.end, true, "})".to_owned(), Vec::new());
    }

    fn body(&mut self, span: &impl Spanned, block: &syn::Block) {
        let mutants = self.take("FnValue", place(span));
        if mutants.is_empty() {
            return;
        }
        let (mut text, mut parts) = (String::new(), Vec::new());
        for mutant in &mutants {
            text.push_str(&format!(" if {ON}({}) {{ return ", mutant.id));
            parts.push((mutant.id, text.len()..text.len() + mutant.replacement.len()));
            text.push_str(&mutant.replacement);
            text.push_str("; }");
        }
        let range = bytes(block);
        self.insert(range.start + 1, false, text, parts);
    }

    /// Puts it all together, and finds where each part is then.
    fn finish(mut self) -> Switched {
        self.inserts.sort_by_key(|insert| (insert.at, insert.order));
        let (mut text, mut ranges, mut from) = (String::new(), Vec::new(), 0);
        for insert in &self.inserts {
            text.push_str(&self.source[from..insert.at]);
            from = insert.at;
            for (id, part) in &insert.parts {
                ranges.push((text.len() + part.start..text.len() + part.end, vec![*id]));
            }
            text.push_str(&insert.text);
        }
        text.push_str(&self.source[from..]);
        for (range, ids) in &self.nodes {
            let before = |at: usize, with: bool| -> usize {
                let here = self.inserts.iter().filter(|insert| insert.at < at || (with && insert.at == at));
                here.map(|insert| insert.text.len()).sum::<usize>() + at
            };
            ranges.push((before(range.start, false)..before(range.end, true), ids.clone()));
        }
        Switched { text, ranges, placed: self.placed }
    }
}

impl<'ast> Visit<'ast> for Switcher<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.body(item, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.body(item, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.body(item, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'ast syn::ExprBinary) {
        if !has_let(&expr.left) && !has_let(&expr.right) {
            let (left, right) = (self.text(bytes(&expr.left)), self.text(bytes(&expr.right)));
            // The target of an assignment stays a place, without brackets.
            let assigns = self.text(bytes(&expr.op)).ends_with('=')
                && !matches!(self.text(bytes(&expr.op)), "==" | "!=" | "<=" | ">=");
            let mutants = self.take("BinaryOperator", place(&expr.op));
            let choices: Vec<_> = mutants
                .into_iter()
                .map(|mutant| {
                    let operator = &mutant.replacement;
                    let text = if assigns {
                        format!("{left} {operator} {right}")
                    } else {
                        format!("({left}) {operator} ({right})")
                    };
                    (mutant, text)
                })
                .collect();
            self.choose(&bytes(expr), &choices);
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast syn::ExprUnary) {
        let inner = self.text(bytes(&expr.expr)).to_owned();
        let mutants = self.take("UnaryOperator", place(&expr.op));
        let choices: Vec<_> = mutants.into_iter().map(|mutant| (mutant, inner.clone())).collect();
        self.choose(&bytes(expr), &choices);
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        let mut gone = Vec::new();
        for arm in &expr.arms {
            let mutants = self.take("MatchArm", place(arm));
            let mut asked = String::new();
            for mutant in &mutants {
                asked.push_str(&format!("!{ON}({}) && ", mutant.id));
                gone.push(mutant.id);
            }
            match &arm.guard {
                Some((_, guard)) => {
                    let guards = self.take("MatchArmGuard", place(guard));
                    let number = |word: &str| guards.iter().find(|mutant| mutant.replacement == word).map(|m| m.id);
                    let no = number("false").map_or_else(String::new, |id| format!("!{ON}({id}) && "));
                    let yes = number("true").map_or_else(String::new, |id| format!("{ON}({id}) || "));
                    if !asked.is_empty() || !guards.is_empty() {
                        let range = bytes(guard);
                        self.nodes.push((range.clone(), guards.iter().map(|mutant| mutant.id).collect()));
                        self.insert(range.start, false, format!("{asked}{no}({yes}("), Vec::new());
                        self.insert(range.end, true, "))".to_owned(), Vec::new());
                    }
                }
                None if !asked.is_empty() => {
                    let asked = asked.trim_end_matches(" && ");
                    self.insert(bytes(&arm.pat).end, true, format!(" if {asked}"), Vec::new());
                }
                None => {}
            }
        }
        if !gone.is_empty() {
            self.nodes.push((bytes(expr), gone));
        }
        visit::visit_expr_match(self, expr);
    }

    fn visit_expr_struct(&mut self, expr: &'ast syn::ExprStruct) {
        if let Some(rest) = &expr.rest {
            let rest = self.text(bytes(rest));
            for field in &expr.fields {
                let syn::Member::Named(name) = &field.member else { continue };
                let mutants = self.take("StructField", place(field));
                if field.colon_token.is_none() {
                    // `name` alone is short for the name and the value.
                    for mutant in mutants {
                        let text = format!(": if {ON}({}) {{ ({rest}).{name} }} else {{ {name} }}", mutant.id);
                        self.insert(bytes(field).end, true, text, Vec::new());
                    }
                    continue;
                }
                let choices: Vec<_> = mutants.into_iter().map(|mutant| (mutant, format!("({rest}).{name}"))).collect();
                self.choose(&bytes(&field.expr), &choices);
            }
        }
        visit::visit_expr_struct(self, expr);
    }
}

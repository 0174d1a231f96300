//! A license as the seller sent it: every field of its form and of its row in the list, whether the program knows it or
//! not. Secrets are masked here, where the login is known, so that no code above this module can print a secret.

use super::client::{HttpUpstream, Repeat};
use super::decode;
use super::fields::{self, Shape, date};
use super::wire;
use crate::model::ids::LicenseId;
use crate::model::license::Family;
use crate::ports::{CallError, PAGE_ROWS, RawField, RawRecord, is_secret_name};
use crate::xml::Element;

/// Elements that a form has for people, besides its fields.
const FURNITURE: &[&str] = &["metadata", "messages", "slist", "tparams", "saved_filters"];

/// Most pages of a list that are searched for one row.
const MAX_PAGES: u32 = 1_000;

/// Shorter texts are not masked as secrets, because they would be found everywhere.
const SECRET_LENGTH: usize = 4;

/// The replacement for a secret.
const MASK: &str = "***";

/// A field with its place.
type Placed = (String, String);

impl HttpUpstream {
    /// The form of a license, then its row, if the list of its family has one.
    pub(super) fn raw_records(&mut self, family: Family, license: LicenseId) -> Result<Vec<RawRecord>, CallError> {
        let func = wire::edit(family);
        let form = self.document(Repeat::Read, &func, &[("elid", license.to_string())])?;
        let mut found = vec![(func, Shape::Document, placed(&form, Shape::Document))];
        if family != Family::Addition
            && let Some(row) = self.row_of(family, license)?
        {
            found.push((family.func().to_owned(), Shape::Row, placed(&row, Shape::Row)));
        }
        let all = found.iter().flat_map(|(_, _, fields)| fields);
        let mut secrets: Vec<String> =
            all.filter(|(name, value)| is_secret(name, value)).map(|(_, value)| value.clone()).collect();
        secrets.push(self.password().to_owned());
        secrets.retain(|secret| secret.len() >= SECRET_LENGTH);
        let records = found.into_iter().map(|(func, shape, fields)| {
            let field = |(name, value): Placed| RawField {
                is_known: fields::is_known(&name, shape),
                value: masked(&name, value, &secrets),
                name,
            };
            RawRecord { func, fields: fields.into_iter().map(field).collect() }
        });
        Ok(records.collect())
    }

    /// The row of a license in the list of its family.
    fn row_of(&mut self, family: Family, license: LicenseId) -> Result<Option<Element>, CallError> {
        let mut before = None;
        for number in 1..=MAX_PAGES {
            let params = [("p_num", number.to_string()), ("p_cnt", PAGE_ROWS.to_string())];
            let (rows, _) = self.list(family.func(), &params, &[], |row| row)?;
            let is_it = |row: &&Element| decode::license(row, Shape::Row).is_some_and(|found| found.id == license);
            if let Some(row) = rows.iter().find(is_it) {
                return Ok(Some(row.clone()));
            }
            // A seller that ignores the number of the page shows the same page again.
            if rows.is_empty() || before == Some(rows[0].clone()) {
                break;
            }
            before = rows.into_iter().next();
        }
        Ok(None)
    }
}

fn placed(record: &Element, shape: Shape) -> Vec<Placed> {
    let mut found = Vec::new();
    for child in &record.children {
        if shape == Shape::Document && child.name == "doc" {
            found.extend(placed(child, shape));
        } else if !FURNITURE.contains(&child.name.as_str()) {
            place(child, &child.name, &mut found);
        }
    }
    found
}

fn place(element: &Element, name: &str, found: &mut Vec<Placed>) {
    let value = element.value();
    if element.children.is_empty() || !value.is_empty() {
        found.push((name.to_owned(), value.to_owned()));
    }
    for (attribute, value) in element.attributes.iter().filter(|(attribute, _)| attribute != "v") {
        found.push((format!("{name}@{attribute}"), value.clone()));
    }
    for child in &element.children {
        place(child, &format!("{name}/{}", child.name), found);
    }
}

/// Whether a field is secret. The day of a change of key is not, although its name looks like one.
fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) && !value.is_empty() && date(value).is_none()
}

fn masked(name: &str, value: String, secrets: &[String]) -> String {
    if is_secret(name, &value) {
        return MASK.to_owned();
    }
    secrets.iter().fold(value, |value, secret| value.replace(secret.as_str(), MASK))
}

#[cfg(test)]
mod tests {
    use super::super::client_tests::{Act, Seller};
    use super::*;

    /// Every field of form and row, also nested ones and attributes. Known fields are marked, and no secret is shown.
    #[test]
    fn every_field_is_shown_the_unknown_marked_and_secrets_masked() {
        let seller = Seller::new(vec![
            Act::Answer(
                "<doc><metadata><form/></metadata><slist name='x'><val>1</val></slist><licname>a</licname><doc><id v='7'/>\
                 <lickey>ABCD-1</lickey><lickey_change_date>2026-11-01</lickey_change_date><odd x='1'><in>ABCD-1!</in>\
                 </odd><addon_5>2</addon_5></doc></doc>",
            ),
            Act::Answer("<doc><elem><id>6</id></elem></doc>"),
            Act::Answer("<doc><elem><id>7</id><hint>it is SE&amp;CRET</hint><elid>7</elid></elem></doc>"),
        ]);
        let found = seller.upstream().raw_records(Family::Soft, LicenseId(7)).expect("two records");
        let shown: Vec<String> = found
            .iter()
            .flat_map(|record| record.fields.iter().map(move |field| (record, field)))
            .map(|(record, f)| format!("{} {}={}{}", record.func, f.name, f.value, if f.is_known { "" } else { "?" }))
            .collect();
        let wanted = [
            "soft.edit licname=a",
            "soft.edit id=7",
            "soft.edit lickey=***",
            "soft.edit lickey_change_date=2026-11-01",
            "soft.edit odd@x=1?",
            "soft.edit odd/in=***!?",
            "soft.edit addon_5=2",
            "soft id=7",
            "soft hint=it is ***?",
            "soft elid=7?",
        ];
        assert_eq!(shown, wanted);
    }

    /// All fields of the table are known, except those that only answers of orders and renewals hold.
    #[test]
    fn whatever_the_table_of_fields_names_is_known() {
        let of_answers = ["number that an order answers", "end after a renewal"];
        let rows = fields::table().into_iter().filter(|row| !of_answers.contains(&row[0].as_str()));
        for [what, names, ..] in rows {
            for name in names.split(", ") {
                let (place, in_rows) = (name.trim_matches(['`', ' ', '*']), !name.ends_with('*'));
                let known = [Shape::Document, Shape::Row].map(|shape| fields::is_known(place, shape));
                assert_eq!(known, [true, in_rows], "{what}: {place}");
            }
        }
    }

    /// A list that shows the same page again and again ends the search for the row.
    #[test]
    fn a_license_without_a_row_has_its_form() {
        let page = "<doc><elem><id>6</id></elem></doc>";
        let seller = Seller::new(vec![Act::Answer("<doc><id>7</id></doc>"), Act::Answer(page), Act::Answer(page)]);
        let found = seller.upstream().raw_records(Family::Soft, LicenseId(7)).expect("a record");
        assert_eq!(found.len(), 1);
    }
}

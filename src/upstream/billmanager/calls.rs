//! The calls to the seller: whether each may be repeated, and what its answer means (docs/interface.md 5). `wire` has
//! the parameters of the calls that change something. Calls that are sent once can only be made through
//! [`Upstream::send_once`], which consumes a recorded intent.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::client::{Failure, HttpUpstream, Repeat, form_in};
use super::decode;
use super::fields::Shape;
use super::wire;
use crate::error::Text;
use crate::model::ids::{LicenseId, UpstreamPricelistId};
use crate::model::journal::{OnceAnswer, OnceRequest};
use crate::model::license::{Family, License, Money};
use crate::model::period::Period;
use crate::ports::{CallError, Form, Outcome, PAGE_ROWS, Page, Question, RawRecord, Repeatable, Upstream};
use crate::store::RecordedIntent;
use crate::text;
use crate::xml::Element;

/// What a clean answer says about a request that was sent once.
fn answer_to(request: &OnceRequest, func: &str, doc: &Element) -> Result<OnceAnswer, Failure> {
    Ok(match request {
        // Without a number, or with two, the answer does not show which license was bought. A look has to find it.
        OnceRequest::Order(_) => match decode::ordered(doc) {
            Some(id) => OnceAnswer::Ordered(Some(id)),
            None => return Err(Failure::Bad(no_number(func))),
        },
        OnceRequest::Prolong { .. } => OnceAnswer::Prolonged(decode::renewed(doc)),
        OnceRequest::NewKey { .. } => OnceAnswer::Key(decode::new_key(doc)),
        OnceRequest::ChangePricelist { .. } | OnceRequest::SetNodes { .. } | OnceRequest::Delete { .. } => {
            OnceAnswer::Changed
        }
        OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_) => {
            return Err(Failure::NotSent(format!("{func}: a BILLmanager has no hosting orders")));
        }
    })
}

/// The question whether an address is free.
const CHECK_IP: &str = "soft.checkip";

fn no_number(func: &str) -> Text {
    text!("{func}: the answer holds no license number", "{func}: в ответе нет номера лицензии")
}

fn no_balance() -> Text {
    text!(
        "subaccount: the answer shows no balance that can be read",
        "subaccount: в ответе нет баланса, который можно прочесть"
    )
}

impl HttpUpstream {
    /// **Once**: sends a recorded request. `wire` says for each request what a lost answer leaves open, and how the
    /// program finds out.
    fn send_request(&mut self, request: &OnceRequest) -> Result<OnceAnswer, Failure> {
        if matches!(request, OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_)) {
            return Err(Failure::NotSent("a BILLmanager has no hosting orders".to_owned()));
        }
        let form = wire::once(request, self.order_api);
        let doc = self.send_form(Repeat::Once, &form)?;
        answer_to(request, &form.func, &doc)
    }

    fn send_form(&mut self, repeat: Repeat, form: &Form) -> Result<Element, Failure> {
        let params: Vec<(&str, String)> = form.params.iter().map(|(name, value)| (&**name, value.clone())).collect();
        self.result(repeat, &form.func, &params)
    }
}

/// What is known after a call that was sent once. Only three cases are certain: a clean answer, a refusal, and a
/// connection that was never made. Everything else is unknown.
fn outcome(result: Result<OnceAnswer, Failure>) -> Outcome {
    match result {
        Ok(answer) => Outcome::Done(answer),
        Err(Failure::Refused(refusal)) => Outcome::Refused(refusal),
        Err(Failure::NotSent(text)) => Outcome::NotSent(text),
        Err(Failure::Lost(text)) => Outcome::Unknown(text),
        Err(Failure::Bad(text)) => Outcome::Unknown(text.en),
        Err(Failure::Form(name)) => Outcome::Unknown(format!("answered with the form {name:?}")),
    }
}

impl Upstream for HttpUpstream {
    fn send_once(&mut self, recorded: RecordedIntent) -> Outcome {
        self.last_look = recorded.last_look();
        outcome(self.send_request(recorded.request()))
    }

    fn change(&mut self, family: Family, license: LicenseId, change: &Repeatable) -> Result<(), CallError> {
        self.send_form(Repeat::Repeatable, &wire::change(family, license, change))?;
        Ok(())
    }

    /// `*.edit elid`. **Read**. An answer about another license counts as a bad answer.
    fn license(&mut self, family: Family, license: LicenseId) -> Result<License, CallError> {
        let func = wire::edit(family);
        self.pace.wait();
        let doc = self.document(Repeat::Read, &func, &[("elid", license.to_string())]);
        self.pace.read();
        let doc = doc?;
        match decode::license(&doc, Shape::Document) {
            Some(found) if found.id == license => Ok(found),
            Some(found) => {
                let about = found.id;
                Err(CallError::BadAnswer(text!(
                    "{func}: asked for license {license}, the answer is about {about}",
                    "{func}: запрошена лицензия {license}, ответ — о {about}"
                )))
            }
            None => Err(CallError::BadAnswer(no_number(&func))),
        }
    }

    /// `soft` or `softexternal` with `p_num p_cnt`. **Read**. A row without a number makes the whole page a bad answer,
    /// because an incomplete list must never be taken for a complete one.
    fn page(&mut self, family: Family, number: u32) -> Result<Page, CallError> {
        let func = family.func();
        let params = [("p_num", number.to_string()), ("p_cnt", PAGE_ROWS.to_string())];
        let (rows, frame) = self.list(func, &params, &["p_elems"], |row| decode::license(&row, Shape::Row))?;
        let rows: Option<Vec<License>> = rows.into_iter().collect();
        let rows = rows.ok_or_else(|| CallError::BadAnswer(no_number(func)))?;
        Ok(Page { rows, total: frame.value_of("p_elems").and_then(|text| text.parse().ok()) })
    }

    /// `soft.checkip pricelist period ip`. **Read**. A form as the answer is not a refusal: nobody has seen the answer
    /// for a free address, and the order decides anyway.
    fn check_ip(&mut self, pricelist: UpstreamPricelistId, period: Period, ip: IpAddr) -> Result<(), CallError> {
        let params =
            [("pricelist", pricelist.to_string()), ("period", period.number().to_string()), ("ip", ip.to_string())];
        let doc = self.document(Repeat::Read, CHECK_IP, &params)?;
        match form_in(&doc).filter(|name| name != CHECK_IP) {
            None => Ok(()),
            Some(name) => Err(CallError::Form(name)),
        }
    }

    /// `whoami`. **Read**. The user's name, or an empty text if the answer does not hold it.
    fn whoami(&mut self) -> Result<String, CallError> {
        let doc = self.result(Repeat::Read, "whoami", &[])?;
        Ok(decode::user(&doc).unwrap_or_default())
    }

    /// `subaccount`. **Read**. The first subaccount that shows a balance; the currency is empty when it shows none.
    fn balance(&mut self) -> Result<Money, CallError> {
        let (rows, frame) = self.list("subaccount", &[], &["balance", "currency"], |row| row)?;
        decode::balance(&rows, &frame).ok_or_else(|| CallError::BadAnswer(no_balance()))
    }

    /// `soft.order.param` or its newer form, without parameters. **Read**.
    fn check_order_function(&mut self) -> Result<(), CallError> {
        let func = wire::order_func(Family::Soft, self.order_api);
        self.document(Repeat::Read, &func, &[])?;
        Ok(())
    }

    /// Only the functions of [`Question`]. **Read**.
    fn answer(&mut self, question: &Question) -> Result<String, CallError> {
        let form = question.form();
        let params: Vec<(&str, String)> = form.params.iter().map(|(name, value)| (&**name, value.clone())).collect();
        Ok(self.bare_document(&form.func, &params)?.to_document())
    }

    /// `*.edit elid`, and the list until the row is found. **Read**.
    fn raw(&mut self, family: Family, license: LicenseId) -> Result<Vec<RawRecord>, CallError> {
        self.raw_records(family, license)
    }

    fn server_date(&self) -> Option<DateTime<Utc>> {
        self.last_date
    }
}

#[cfg(test)]
mod tests {
    use super::super::client_tests::{Act, Seller};
    use super::*;
    use crate::model::ids::{ItemId, LicenseKey, Mark, PanelId, UpstreamAddonId};
    use crate::model::journal::OrderRequest;
    use crate::model::period::MonthCount;
    use crate::ports::{Edit, RefusalKind};

    const LOGIN: &str = "&out=xml&lang=en&authinfo=me%3ASE%26CRET";

    fn order(family: Family) -> OrderRequest {
        OrderRequest {
            family,
            pricelist: UpstreamPricelistId(55230),
            period: Period::Trial,
            ip: "2001:db8::1".parse().ok(),
            licname: "Item #42 shop & co".to_owned(),
            remoteip: None,
            mark: Mark::Order { panel: PanelId::from_bytes([0; 8]), item: ItemId(42), number: 1 },
            nodes: (family == Family::Soft).then_some((UpstreamAddonId(55236), 3)),
            parent: (family == Family::Addition).then_some(LicenseId(7)),
            not_before: None,
        }
    }

    /// What each request looks like, and what its answer means.
    #[test]
    fn each_request_is_sent_as_recorded_and_its_answer_understood() {
        let license = LicenseId(1001);
        let day = "2026-12-01".parse().ok();
        for (request, sent, answer, want) in [
            (
                OnceRequest::Order(order(Family::Soft)),
                "soft.order.param|clicked_button=finish&sok=ok&skipbasket=on&pricelist=55230&period=-100&\
                 ip=2001%3Adb8%3A%3A1&licname=Item+%2342+shop+%26+co&remoteid=pml-aaaaaaaa-42-1&autoprolong=null&\
                 addon_55236=3",
                "<doc><id v='1001'/></doc>",
                OnceAnswer::Ordered(Some(license)),
            ),
            (
                OnceRequest::Order(order(Family::Addition)),
                "addition.order.param|clicked_button=finish&sok=ok&skipbasket=on&pricelist=55230&period=-100&item=7&\
                 remoteid=pml-aaaaaaaa-42-1&autoprolong=null",
                "<doc><id> 1001 </id><id>1001</id></doc>",
                OnceAnswer::Ordered(Some(license)),
            ),
            (
                OnceRequest::Prolong {
                    license,
                    period: MonthCount(12),
                    before: chrono::NaiveDate::MIN,
                    not_before: None,
                },
                "service.prolong|elid=1001&period=12&sok=ok",
                "<doc><doc><newexpiredate>2026-12-01</newexpiredate></doc></doc>",
                OnceAnswer::Prolonged(day),
            ),
            (
                OnceRequest::Prolong {
                    license,
                    period: MonthCount(1),
                    before: chrono::NaiveDate::MIN,
                    not_before: None,
                },
                "service.prolong|elid=1001&period=1&sok=ok",
                "<doc/>",
                OnceAnswer::Prolonged(None),
            ),
            (
                OnceRequest::ChangePricelist {
                    license,
                    pricelist: UpstreamPricelistId(55228),
                    period: Period::Months(MonthCount(1)),
                },
                "service.changepricelist|elid=1001&pricelist=55228&period=1&sok=ok",
                "<doc/>",
                OnceAnswer::Changed,
            ),
            (
                OnceRequest::SetNodes { family: Family::Soft, license, addon: UpstreamAddonId(55236), nodes: 4 },
                "soft.edit|elid=1001&sok=ok&addon_55236=4",
                "<doc/>",
                OnceAnswer::Changed,
            ),
            (
                OnceRequest::NewKey { family: Family::SoftExternal, license, before: "none".into() },
                "softexternal.edit|elid=1001&sok=ok&clicked_button=newkey",
                "<doc><lickey>NEW</lickey></doc>",
                OnceAnswer::Key(LicenseKey::parse("NEW")),
            ),
            (
                OnceRequest::NewKey { family: Family::Soft, license, before: "none".into() },
                "soft.edit|elid=1001&sok=ok&clicked_button=newkey",
                "<doc><lickey/></doc>",
                OnceAnswer::Key(None),
            ),
            (
                OnceRequest::Delete { family: Family::Soft, license },
                "soft.delete|elid=1001&sok=ok",
                "<doc/>",
                OnceAnswer::Changed,
            ),
        ] {
            let seller = Seller::new(vec![Act::Answer(answer)]);
            let found = outcome(seller.upstream().send_request(&request));
            let Outcome::Done(found) = found else { panic!("{sent}: {found:?}") };
            assert_eq!(found, want, "{sent}");
            let (func, params) = sent.split_once('|').expect("a func");
            assert_eq!(seller.seen().bodies, [format!("func={func}{LOGIN}&{params}")]);
        }
    }

    /// An order is done only with a license number; an error document is a refusal, whatever else it holds.
    #[test]
    fn an_order_is_done_only_with_one_number() {
        for answer in [
            "<doc/>",
            "<doc><id/></doc>",
            "<doc><id>0</id></doc>",
            "<doc><id>1,2</id></doc>",
            "<doc><id>1001</id><id>1002</id></doc>",
            "<doc><id>1001</id><item.id>1002</item.id></doc>",
            "<doc><item.id>1001</item.id><item><id>1002</id></item></doc>",
            "<doc><item id='1001'/><item id='1002'/></doc>",
            "<html/>",
        ] {
            let seller = Seller::new(vec![Act::Answer(answer)]);
            let request = OnceRequest::Order(order(Family::Soft));
            let found = outcome(seller.upstream().send_request(&request));
            assert!(matches!(found, Outcome::Unknown(_)), "{answer}: {found:?}");
        }
        for answer in [
            "<doc><item.id>5</item.id></doc>",
            "<doc><item.id v='5'/></doc>",
            "<doc><item><id>5</id></item></doc>",
            "<doc><item><id v=' 5 '/></item></doc>",
            "<doc><item id='5'/></doc>",
            "<doc><id/><item.id>5</item.id></doc>",
            "<doc><id>5</id><item.id>5</item.id></doc>",
        ] {
            let seller = Seller::new(vec![Act::Answer(answer)]);
            let found = outcome(seller.upstream().send_request(&OnceRequest::Order(order(Family::Soft))));
            let number = Some(LicenseId(5));
            assert!(matches!(&found, Outcome::Done(OnceAnswer::Ordered(id)) if *id == number), "{answer}: {found:?}");
        }
        let seller = Seller::new(vec![Act::Answer("<doc><id>5</id><error type='no_money'/></doc>")]);
        let found = outcome(seller.upstream().send_request(&OnceRequest::Order(order(Family::Soft))));
        assert!(matches!(&found, Outcome::Refused(refusal) if refusal.kind == RefusalKind::NoMoney), "{found:?}");
    }

    /// Repeatable changes name their target, and nothing that was not requested.
    #[test]
    fn a_change_names_its_target_and_nothing_that_was_not_asked() {
        let fields = Edit {
            ip: "0.0.0.0".parse().ok(),
            remoteip: Some(String::new()),
            licname: Some("free.lic".into()),
            remoteid: Some(String::new()),
            no_autoprolong: true,
        };
        for (family, change, sent) in [
            (Family::Soft, Repeatable::Suspend, "func=soft.suspend{}&elid=7"),
            (Family::Addition, Repeatable::Resume, "func=addition.resume{}&elid=7"),
            (
                Family::Soft,
                Repeatable::Edit(fields.clone()),
                "func=soft.edit{}&elid=7&sok=ok&ip=0.0.0.0&remoteip=&licname=free.lic&remoteid=&autoprolong=null",
            ),
            (
                Family::Addition,
                Repeatable::Edit(fields),
                "func=addition.edit{}&elid=7&sok=ok&remoteid=&autoprolong=null",
            ),
            (Family::Soft, Repeatable::Edit(Edit::default()), "func=soft.edit{}&elid=7&sok=ok"),
        ] {
            let seller = Seller::new(vec![Act::Answer("<doc/>")]);
            assert_eq!(seller.upstream().change(family, LicenseId(7), &change), Ok(()));
            assert_eq!(seller.seen().bodies, [sent.replace("{}", LOGIN)]);
        }
    }

    /// Reads: a license under its number only, pages with every row or not at all, who is logged in, the balance.
    #[test]
    fn a_read_is_about_what_was_asked_or_an_error() {
        let seller = Seller::new(vec![
            Act::Answer("<doc><elid>7</elid><licname>a</licname><remoteid/></doc>"),
            Act::Answer("<doc><id>8</id></doc>"),
            Act::Answer("<doc/>"),
            Act::Answer("<doc><error type='missed' object='elid'/></doc>"),
            Act::Answer("<doc><elem><id>1</id></elem><elem><id>2</id></elem><p_elems>2</p_elems></doc>"),
            Act::Answer("<doc><elem><id>1</id></elem><elem><id/></elem></doc>"),
            Act::Answer("<doc><elem><id>1</id></elem><error type='auth'/></doc>"),
            Act::Answer("<doc><error type='exists' object='ip'/></doc>"),
            Act::Answer("<doc><user name='me'/></doc>"),
            Act::Answer("<doc><elem><balance>12.50</balance><currency>EUR</currency></elem></doc>"),
            Act::Answer("<doc><elem><id>1</id></elem></doc>"),
        ]);
        let mut upstream = seller.upstream();
        let kind = |error: CallError| match error {
            CallError::Refused(refusal) => format!("{:?}", refusal.kind),
            CallError::Unreachable(_) => "unreachable".to_owned(),
            CallError::BadAnswer(_) => "bad answer".to_owned(),
            CallError::Form(name) => format!("form {name}"),
        };
        let mut license = || upstream.license(Family::Soft, LicenseId(7)).map(|l| l.id).map_err(kind);
        assert_eq!(license(), Ok(LicenseId(7)));
        assert_eq!(license(), Err("bad answer".to_owned()));
        assert_eq!(license(), Err("bad answer".to_owned()));
        assert_eq!(license(), Err("NotFound".to_owned()));
        let mut page = || upstream.page(Family::Soft, 3).map(|p| (p.rows.len(), p.total)).map_err(kind);
        assert_eq!(page(), Ok((2, Some(2))));
        assert_eq!(page(), Err("bad answer".to_owned()));
        assert_eq!(page(), Err("Auth".to_owned()));
        let ip = IpAddr::from([192, 0, 2, 7]);
        let busy = upstream.check_ip(UpstreamPricelistId(1), Period::Trial, ip).map_err(kind);
        assert_eq!(busy, Err("IpBusy".to_owned()));
        assert_eq!(upstream.whoami().as_deref(), Ok("me"));
        assert_eq!(upstream.balance().map(|money| money.to_string()).as_deref(), Ok("12.50 EUR"));
        assert_eq!(upstream.balance().map_err(kind), Err("bad answer".to_owned()));
        let seen = seller.seen();
        assert_eq!(seen.bodies[4], format!("func=soft{LOGIN}&p_num=3&p_cnt=500"));
        assert_eq!(seen.bodies[7], format!("func=soft.checkip{LOGIN}&pricelist=1&period=-100&ip=192.0.2.7"));
        assert!(upstream.server_date().is_some());
    }
}

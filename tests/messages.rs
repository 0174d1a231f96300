//! The exact words of errors, English and Russian, as the panel shows them (docs/interface.md 2): what was attempted,
//! what is certain, what to do next.
use crate::service::{HEAD, ends_in, opened};
use crate::support::{Fault, Test};

/// The document of an error, to the byte. A `|` parts what happened, what was changed, and the next step.
fn document(kind: &str, object: &str, value: &str, message: &str) -> String {
    let is_next = |part: &&str| part.starts_with(" Next: ") || part.starts_with(" Далее: ");
    let (next, changed): (Vec<&str>, Vec<&str>) = message.split('|').skip(1).partition(is_next);
    let changed = changed.iter().map(|part| format!("<changed>{}</changed>", part.trim().trim_end_matches('.')));
    let next = next.iter().filter_map(|part| part.split_once(": ")).map(|(_, step)| format!("<next>{step}</next>"));
    let parts: String = changed.chain(next).collect();
    let whole = message.replace('|', "");
    format!(
        "{HEAD}<doc><error type=\"{kind}\" object=\"{object}\" value=\"{value}\"><param name=\"value\">{value}</param>\
         <msg>{whole}</msg>{parts}</error></doc>\n"
    )
}

/// Runs a command in both languages and compares whole documents.
fn says(test: &Test, command: &str, item: u32, kind: &str, object: &str, value: &str, words: [&str; 2]) {
    for (lang, words) in ["en", "ru"].iter().zip(words) {
        let item = item.to_string();
        let output = test.run(["--command", command, "--item", &item, "--lang", lang]);
        assert_eq!((output.code, output.stdout), (Some(1), document(kind, object, value, words)), "{}", test.log());
    }
}

/// Faults of the service itself.
#[test]
fn errors_about_a_service_have_exact_words() {
    let test = Test::new();
    test.soft_item(1, "55227", 1).add();
    test.soft_item(2, "55227", 1).ip("192.0.2.1 192.0.2.2").add();
    test.soft_item(3, "55227", 1).ip("192.0.2.3").licname("pml-x").add();
    test.soft_item(4, "3541", 1).ip("192.0.2.4").add();
    test.soft_item(5, "55227", -50).ip("192.0.2.5").add();
    test.vds_item(6, "", 1).on_tariff().add();
    for (item, kind, object, value, words) in [
        (
            99,
            "missed",
            "item",
            "99",
            [
                "There is no service 99 in the panel.| Nothing was done.| Next: check the number",
                "В панели нет услуги 99.| Ничего не сделано.| Далее: проверьте номер",
            ],
        ),
        (
            1,
            "missed",
            "ip",
            "",
            [
                "Service 1 has no IP address.| Nothing was ordered.| Next: set the parameter ip of the service",
                "У услуги 1 нет IP-адреса.| Ничего не заказано.| Далее: задайте параметр ip услуги",
            ],
        ),
        (
            2,
            "bad_value",
            "ip",
            "192.0.2.1 192.0.2.2",
            [
                "The address &quot;192.0.2.1 192.0.2.2&quot; cannot have a license: it is more than one address.| Nothing was ordered or changed.| Next: enter exactly one address of the server",
                "Лицензия на адрес &quot;192.0.2.1 192.0.2.2&quot; невозможна: указано больше одного адреса.| Ничего не заказано и не изменено.| Далее: укажите ровно один адрес сервера",
            ],
        ),
        (
            3,
            "bad_value",
            "licname",
            "pml-x",
            [
                "A license cannot have the name &quot;pml-x&quot;: names that begin with pml- are for internal use.| Nothing was ordered or changed.| Next: enter another name, or none",
                "Лицензию нельзя назвать &quot;pml-x&quot;: имена, начинающиеся с pml-, служебные.| Ничего не заказано и не изменено.| Далее: укажите другое имя или никакого",
            ],
        ),
        (
            4,
            "sale_closed",
            "intname",
            "3541",
            [
                "ISPmanager 5 Lite (3541) is not sold or renewed since 2021-06-15.| Nothing was sent.| Next: order instead: 55227, 55228, 55229",
                "ISPmanager 5 Lite (3541) не продаётся и не продлевается с 2021-06-15.| Ничего не отправлено.| Далее: закажите вместо него: 55227, 55228, 55229",
            ],
        ),
        (
            5,
            "period_not_sold",
            "period",
            "-50",
            [
                "ISPmanager 6 Lite (55227) is not sold for the period -50.| Nothing was ordered.| Next: choose a period that is sold (months: 1, 12), or add a rule to the table Period alignment of the module",
                "ISPmanager 6 Lite (55227) не продаётся на период -50.| Ничего не заказано.| Далее: выберите продаваемый период (месяцы: 1, 12) или добавьте правило в таблицу «Выравнивание периодов» модуля",
            ],
        ),
        (
            6,
            "unsupported_module",
            "item",
            "6",
            [
                "Service 6 is handled by &quot;pmvmmanager&quot; and has no control-panel addon: it is not ours.| Nothing was done.| Next: for a bundled license give its tariff an enumeration with &quot;nopanel&quot; or a product&apos;s code",
                "Услугу 6 обслуживает &quot;pmvmmanager&quot;, дополнения с панелью управления у неё нет: она не наша.| Ничего не сделано.| Далее: для лицензии при сервере добавьте в тариф перечисление со значением &quot;nopanel&quot; или кодом продукта",
            ],
        ),
    ] {
        says(&test, "open", item, kind, object, value, words);
    }
}

/// Refusals of the seller, in its own words with ours around them.
#[test]
fn a_refusal_is_reported_in_the_sellers_words_and_ours() {
    let test = Test::new();
    test.soft_item(1, "55227", 1).ip("192.0.2.1").add();
    test.upstream.fault(Fault::on("soft.order.param").refused("odd").always());
    says(
        &test,
        "open",
        1,
        "upstream",
        "intname",
        "55227",
        [
            "order of 55227 for service 1, ordered for 1 month: period of the service 1: the seller refused: odd The operation was refused.| The request changed nothing.| Next: look for the cause in the seller&apos;s panel, remove it, then repeat",
            "заказ 55227 для услуги 1, заказ на 1 мес.: период услуги 1: продавец отказал: odd The operation was refused.| Ничего не изменено.| Далее: найдите причину в панели продавца, устраните её и повторите",
        ],
    );
    test.upstream.clear_faults();
    test.upstream.add_foreign(55227, 1, "192.0.2.1", "somebody's");
    says(
        &test,
        "open",
        1,
        "ip_busy",
        "ip",
        "192.0.2.1",
        [
            "order of 55227 for service 1, ordered for 1 month: period of the service 1: the seller refused: exists ip A license for this IP address already exists.| The request changed nothing.| Next: remove the license that this address already has, or use another address",
            "заказ 55227 для услуги 1, заказ на 1 мес.: период услуги 1: продавец отказал: exists ip A license for this IP address already exists.| Ничего не изменено.| Далее: снимите лицензию, которая на этом IP уже есть, или укажите другой IP",
        ],
    );
}

/// The fate of the license: gone, not paid, unreachable.
#[test]
fn errors_about_a_license_have_exact_words() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let shown = id.to_string();
    test.cmd("suspend", 42).ok();
    ends_in(&test, id, -2);
    let today = crate::service::day(0);
    test.set_item(42, "expiredate", &today);
    says(
        &test,
        "resume",
        42,
        "missed",
        "expiredate",
        &today,
        [
            &format!(
                "The license of service 42 ran out, and the service itself is paid until {today} only (today {today}).| Nothing was renewed.| Next: the run is repeated once the panel has moved the end"
            ),
            &format!(
                "Лицензия услуги 42 истекла, а сама услуга оплачена лишь до {today} (сегодня {today}).| Ничего не продлено.| Далее: запуск повторится, когда панель сдвинет срок"
            ),
        ],
    );
    test.upstream.stop_listening();
    says(
        &test,
        "resume",
        42,
        "client",
        "url",
        &shown,
        [
            &format!(
                "reading license {id}: the seller was not reached.| Nothing was bought by this step.| Next: nothing to do; the next run tries again"
            ),
            &format!(
                "чтение лицензии {id}: продавец недоступен.| Этим шагом ничего не куплено.| Далее: ничего делать не нужно; следующий запуск попробует снова"
            ),
        ],
    );
    test.upstream.listen_again();
    test.upstream.edit_license(id, |l| l.status = 4);
    says(
        &test,
        "gen_key",
        42,
        "license_gone",
        "licid",
        &shown,
        [
            &format!(
                "License {id} of service 42 is no longer there at the seller.| Nothing was changed.| Next: see what the service needs: pmisplicense reconcile. To get a new license for an active service: pmisplicense reconcile --apply"
            ),
            &format!(
                "Лицензии {id} услуги 42 у продавца больше нет.| Ничего не изменено.| Далее: посмотрите, что нужно услуге: pmisplicense reconcile. Получить новую лицензию активной услуге: pmisplicense reconcile --apply"
            ),
        ],
    );
}

/// A request in doubt says until when nothing is sent. One that waits for an operator names the command that ends it.
#[test]
fn the_words_of_a_request_in_doubt_name_the_moment_or_the_command() {
    let test = Test::new();
    test.settings("[upstream]\nresend = false\n");
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_before());
    let first = test.cmd("open", 42);
    let words = first.fails("client").message().to_owned();
    let (start, until) = words.split_once("It is not sent again before ").unwrap();
    assert_eq!(
        start,
        "order of 55227 for service 42: the request was sent, and it is not known yet whether it was carried out. "
    );
    assert!(until.contains(" UTC. Next: "), "{until}");
    crate::service::settle(&test);
    test.cmd("open", 42).fails("order_unknown");
    says(
        &test,
        "open",
        42,
        "order_unknown",
        "wish",
        "1",
        [
            "order of 55227 for service 42: it is not known whether it was carried out (an operator must look).| Nothing more is sent.| Next: look at the seller&apos;s panel. If it was carried out: pmisplicense resolve 42 --intent 1 --bought LICENSE. If not: pmisplicense resolve 42 --intent 1 --not-bought",
            "заказ 55227 для услуги 42: неизвестно, выполнено ли это (решить должен оператор).| Больше ничего не отправляется.| Далее: проверьте в панели продавца. Если выполнено: pmisplicense resolve 42 --intent 1 --bought ЛИЦЕНЗИЯ. Если нет: pmisplicense resolve 42 --intent 1 --not-bought",
        ],
    );
}

/// A module without an address, an HTML answer, a state that is not ours.
#[test]
fn errors_around_a_service_have_exact_words() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft").html().always());
    let answer = test.cmd("open", 42);
    assert_eq!((answer.fails("bad_answer").attribute("object"), answer.attribute("value")), ("url", "1"));
    assert_eq!(
        answer.message(),
        "reading the list of licenses, page 1: the seller&apos;s answer cannot be trusted (soft at 127.0.0.1: the answer has a DOCTYPE, like a page of HTML). Nothing was bought by this step. Next: nothing to do; the next run tries again"
    );
    test.upstream.clear_faults();
    test.module_param(7, "url", "");
    let output = test.cmd("open", 42);
    assert_eq!(output.fails("missed").attribute("object"), "url");
    let url = test.upstream.url();
    test.module_param(7, "url", &url);
    std::fs::write(test.state_path(), "not a database, but somebody's file").unwrap();
    assert!(test.cmd("open", 42).fails("state").message().contains("It was left as it is"));
    assert_eq!(std::fs::read_to_string(test.state_path()).unwrap(), "not a database, but somebody's file");
}

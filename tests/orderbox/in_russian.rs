//! What an administrator and the panel read about these licenses in Russian.
use super::*;
use crate::support::Fault;

/// A line of the program with `--lang ru`.
fn russian(test: &Test, line: &str) -> Output {
    operator(test, &format!("{line} --lang ru"))
}

#[test]
fn the_administrators_commands_speak_russian() {
    let test = opened();
    let end = end_of_order(&test);
    for (line, words) in [
        ("show 42", "4001"),
        ("explain 42", "ничего: лицензия действует, пока действует заказ хостинга 4001"),
        ("history 42", "лицензия для заказа хостинга 4001 услуги 42, оплата до"),
    ] {
        let said = russian(&test, line).ok().stdout.clone();
        assert!(said.contains(words) && said.contains(&end), "{line}: {said}");
        assert!(!said.contains("hosting") && !said.contains("license of"), "{line}: {said}");
    }
    // The problem of a close is in the history, in the reader's language, with the day.
    test.cmd("close", ITEM).ok();
    let said = russian(&test, "history 42").stdout;
    let problem = format!("Снимите лицензию в панели продавца до {end}, иначе будет списана оплата следующего срока");
    assert!(said.contains(&problem), "{said}");
    let said = russian(&test, "explain 42").stdout;
    assert!(said.contains("лицензия заказа хостинга 4001 ждёт, пока оператор снимет её в панели продавца"), "{said}");
    nothing_sent(&test);
}

#[test]
fn refusals_speak_russian() {
    type Spoil = fn(&Test);
    let cases: [(Spoil, &str, &str); 6] = [
        (|t| t.set_param(ITEM, "orderid", ""), "missed", "не называет заказ хостинга: её параметр orderid пуст"),
        (|t| t.set_param(ITEM, "orderid", "4999"), "bad_value", "Такого заказа в этой учётной записи нет: 4999"),
        (
            |t| t.orderbox().edit(ORDER, |o| o.status = "Suspended".into()),
            "bad_value",
            "Заказ хостинга 4001 в состоянии Suspended: добавить к нему лицензию нельзя",
        ),
        (
            |t| t.orderbox().edit(ORDER, |o| o.ends += 305 * 86_400),
            "period_not_sold",
            "лицензия оплачивается сразу за всё это время: 11 мес.",
        ),
        (
            |t| t.orderbox().edit(ORDER, |o| o.key = "Reseller-foreign".into()),
            "bad_value",
            "эта установка не покупала её для услуги 42",
        ),
        (
            |t| t.orderbox().fault(Fault::on("generate-license-key").drop_before()),
            "client",
            "запрос отправлен, выполнен ли он — пока неизвестно",
        ),
    ];
    for (spoil, kind, words) in cases {
        let test = shop();
        spoil(&test);
        let output = russian(&test, "--command open --item 42");
        let message = output.fails(kind).message();
        assert!(message.contains(words) && message.contains(" Далее: "), "{kind}: {message}");
    }
}

/// A dry run names what would be sent, with what it would cost, and sends nothing.
#[test]
fn dry_runs_speak_russian() {
    let test = shop();
    test.settings(REMOVING);
    let said = russian(&test, "--command open --item 42 --dry-run").stdout;
    assert!(said.starts_with("Пробный прогон open 42: заданы только вопросы"), "{said}");
    assert!(said.contains("отправил бы (стоит денег) на ") && said.contains("generate-license-key"), "{said}");
    nothing_sent(&test);
    test.cmd("open", ITEM).ok();
    forget(&test);
    let said = russian(&test, "--command close --item 42 --dry-run").stdout;
    assert!(said.contains("отправил бы на ") && said.contains("delete-license-key"), "{said}");
    assert!(said.contains("вызвал бы: service.postclose"), "{said}");
    nothing_sent(&test);
    assert_eq!((test.item(ITEM).status, test.panel_changes()), (2, Vec::new()));
}

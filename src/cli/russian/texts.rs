//! The table of the help's texts: English as declared, and Russian. A test demands a row for each text of the
//! declarations, and a text for each row.

/// English, Russian. A text of several lines has a row for each line; a line with a command, a row for its remark.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // The program.
    (
        "Resells ispmanager licenses through BILLmanager. The panel calls it with --command NAME; the commands below are for people.",
        "Перепродаёт лицензии ispmanager через BILLmanager. Панель вызывает программу с --command ИМЯ; команды ниже — для людей.",
    ),
    ("Something wrong?", "Что-то не так?"),
    ("what is wrong with the installation", "что не так с установкой"),
    ("what is wrong with licenses", "что не так с лицензиями"),
    ("put it right", "исправить"),
    (
        "what changed outside (client, number, account, machine), and what to run",
        "что изменилось снаружи (клиент, номер, учётная запись, машина) и что выполнить",
    ),
    (
        "What would the panel's call do? Any command of the protocol only shows it with --dry-run:",
        "Что сделал бы вызов панели? С --dry-run любая команда протокола только показывает это:",
    ),
    (
        "Exit codes: 0 done, 1 failed or problems found, 2 command line not understood.",
        "Коды выхода: 0 — сделано, 1 — ошибка или найдены проблемы, 2 — команда не понята.",
    ),
    ("Examples:", "Примеры:"),
    ("Example:", "Пример:"),
    // clap's own.
    ("Print help", "Показать справку"),
    ("Print help (see more with '--help')", "Показать справку (подробнее — с --help)"),
    ("Print help (see a summary with '-h')", "Показать справку (кратко — с -h)"),
    ("Print version", "Показать версию"),
    ("Print this message or the help of the given subcommand(s)", "Показать эту справку или справку о команде"),
    // Names of values.
    ("PATH", "ПУТЬ"),
    ("LANG", "ЯЗЫК"),
    ("ITEM", "УСЛУГА"),
    ("LICENSE", "ЛИЦЕНЗИЯ"),
    ("ITEM|LICENSE", "УСЛУГА|ЛИЦЕНЗИЯ"),
    ("ITEM|LICENSE|IP|KEY", "УСЛУГА|ЛИЦЕНЗИЯ|IP|КЛЮЧ"),
    ("ITEM|KIND", "УСЛУГА|ВИД"),
    ("FILE", "ФАЙЛ"),
    ("FILE|URL", "ФАЙЛ|URL"),
    ("DIR", "КАТАЛОГ"),
    ("MODULE", "МОДУЛЬ"),
    ("ID", "МОДУЛЬ"),
    ("NAME", "ИМЯ"),
    ("STATUS", "СОСТОЯНИЕ"),
    ("FIELD", "ПОЛЕ"),
    ("DAY", "ДЕНЬ"),
    ("DAYS", "ДНЕЙ"),
    ("MONTH", "МЕСЯЦ"),
    ("TYPE", "ТИП"),
    ("N", "N"),
    ("PANEL_ID", "PANEL_ID"),
    ("SHELL", "ОБОЛОЧКА"),
    // Options of all commands, and those that several have.
    (
        "Settings file (default: etc/pmisplicense.toml beneath the panel's folder)",
        "Файл настроек (по умолчанию etc/pmisplicense.toml в каталоге панели)",
    ),
    (
        "Language of messages: en or ru (default: the locale's; with --json: en)",
        "Язык сообщений: en или ru (по умолчанию — язык локали; с --json — en)",
    ),
    (
        "Show each request and answer on standard error, secrets masked",
        "Показывать в stderr каждый запрос и ответ; секреты скрыты",
    ),
    ("Answer as JSON, in the form that docs/json.md describes", "Ответ в JSON; форма описана в docs/json.md"),
    ("Do not ask", "Не спрашивать"),
    ("Only show what would change and cost", "Только показать, что изменится и сколько это стоит"),
    ("Only show what would change", "Только показать, что изменится"),
    (
        "It was bought, or the change was carried out: the license's number at the seller",
        "Куплено, или изменение выполнено: номер лицензии у продавца",
    ),
    (
        "It was not bought or not carried out: the next run may send it again",
        "Не куплено или не выполнено: следующий запуск может отправить это снова",
    ),
    (
        "Give a new state the id that this installation had before its state was lost; `reconcile` names it",
        "Дать новому состоянию номер, который был у этой установки до потери прежнего; его называет `reconcile`",
    ),
    ("The P of the marks pml-P-… on the licenses of our services", "P из меток pml-P-… на лицензиях наших услуг"),
    ("(then: pmisplicense reconcile --apply)", "(затем: pmisplicense reconcile --apply)"),
    ("The service", "Услуга"),
    ("The license's number at the seller", "Номер лицензии у продавца"),
    ("Only this processing module", "Только этот модуль обработки"),
    ("Only this processing module's account", "Только учётная запись этого модуля обработки"),
    ("Take a license that bears the mark of this other installation", "Взять лицензию с меткой этой другой установки"),
    (
        "Service or license; item:42 and license:42 tell numbers apart",
        "Услуга или лицензия; item:42 и license:42 различают номера",
    ),
    // list
    ("Licenses of ours, from the state", "Наши лицензии, по файлу состояния"),
    ("State: bound, claimed, to-free, pool, stopped, deleted", "Состояние лицензии"),
    ("It serves a service", "Занята: служит услуге"),
    ("It is being taken from the pool", "Готовится: берётся из пула"),
    ("It waits to be freed", "Ждёт освобождения"),
    ("It waits for the next client", "В пуле: ждёт следующего клиента"),
    ("It is left to run out", "Остановлена: больше не продлевается"),
    ("It is gone", "Удалена"),
    ("Internal name, for example 55227", "Внутреннее имя, например 55227"),
    ("Processing module", "Модуль обработки"),
    ("Runs out before this day, YYYY-MM-DD", "Истекает раньше этого дня, ГГГГ-ММ-ДД"),
    ("Only the pool: the same as --status pool", "Только пул: то же, что --status pool"),
    (
        "Only what needs an operator: requests in doubt, late keys, licenses to be freed or with a former account, services for which sync fails. Exit code 1 when there are any. With a filter: only problems of the licenses that it selects and of their services, and the number of the others",
        "Только то, что ждёт оператора: запросы под вопросом, опоздавшие ключи, лицензии к освобождению или на прежней учётной записи, услуги, для которых sync не удаётся. Код выхода 1, если такое есть. С отбором: только проблемы отобранных лицензий и их услуг и число остальных",
    ),
    ("Sort by", "Порядок"),
    ("Number of the license", "Номер лицензии"),
    ("Service", "Услуга"),
    ("Day on which it runs out", "День, когда истекает"),
    ("Product", "Продукт"),
    // show, history, explain, pool
    (
        "One service or license, as panel, state and seller have it",
        "Одна услуга или лицензия в панели, в состоянии и у продавца",
    ),
    ("(part of a key, 4 characters at least)", "(часть ключа, не меньше 4 знаков)"),
    (
        "Service, license, address, or part of a key; item:42 and license:42 tell numbers apart",
        "Услуга, лицензия, адрес или часть ключа; item:42 и license:42 различают номера",
    ),
    (
        "Every field as the seller sent it, secrets masked; fields that the program does not read are marked",
        "Все поля, как их прислал продавец; секреты скрыты, непрочитанные программой поля отмечены",
    ),
    (
        "What was done with a service or a license, when, and why",
        "Что делалось с услугой или лицензией, когда и почему",
    ),
    ("What the next sync would do with a service, and why", "Что следующий sync сделает с услугой и почему"),
    (
        "Freed licenses: from when each can be given out, why not now, paid days left",
        "Освобождённые лицензии: с какого дня их можно выдать, почему не сейчас, сколько дней оплачено",
    ),
    // doctor
    (
        "Look for what is wrong with the installation, and say what to do. Exit code 1: problems",
        "Проверить установку и сказать, что делать. Код выхода 1: есть проблемы",
    ),
    (
        "one line for Nagios, Icinga, Zabbix: exit 0, 1, 2 or 3",
        "одна строка для Nagios, Icinga, Zabbix: код 0, 1, 2 или 3",
    ),
    ("shows what the account is known by, and asks", "показывает, по чему узнаётся учётная запись, и спрашивает"),
    (
        "the seller renamed host or user: all goes along",
        "продавец переименовал хост или пользователя: всё переходит вместе",
    ),
    ("another account: what was bound stays behind", "другая учётная запись: привязанное остаётся на прежней"),
    ("what panel and seller answer, for a bug report", "ответы панели и продавца для сообщения об ошибке"),
    (
        "Write what panel and seller answer to questions that change nothing into a new file, for a bug report; names, addresses, keys, amounts and secrets are replaced",
        "Записать в новый файл ответы панели и продавца на безобидные вопросы, для сообщения об ошибке; имена, адреса, ключи, суммы и секреты заменены",
    ),
    (
        "Decide about the account that the settings of a module name now: the same as before, or another one",
        "Решить, какая учётная запись теперь указана в настройках модуля: та же, что раньше, или другая",
    ),
    (
        "It is the same account under another name: licenses, pool, open orders and costs go along",
        "Это та же учётная запись под другим именем: лицензии, пул, незавершённые заказы и расходы переходят вместе",
    ),
    (
        "It is another account: the licenses stay with the former one, and this module does not renew them",
        "Это другая учётная запись: лицензии остаются на прежней, и этот модуль их не продлевает",
    ),
    (
        "Decide so although the licenses in the account contradict it",
        "Решить так, хотя лицензии в учётной записи этому противоречат",
    ),
    (
        "One line for monitoring. Exit code 0: fine, 1: warnings, 2: problems, 3: the check was not possible",
        "Одна строка для мониторинга. Код выхода 0: всё в порядке, 1: предупреждения, 2: проблемы, 3: проверить не удалось",
    ),
    // reconcile
    (
        "Compare panel, state and seller; with --apply correct the differences. Exit code 1: something differs",
        "Сравнить панель, состояние и продавца; с --apply исправить отличия. Код выхода 1: отличия есть",
    ),
    ("name each difference and what would be done", "назвать каждое отличие и что было бы сделано"),
    ("do it, one after the other; may be repeated at any time", "сделать это по одному; можно повторять в любое время"),
    ("only what concerns service 42, and all keys", "только то, что касается услуги 42, и все ключи"),
    ("Correct the differences; on a terminal, ask about each", "Исправить отличия; в терминале — спрашивая о каждом"),
    (
        "Only what concerns this service, or only this kind of difference; several are separated by commas",
        "Только то, что касается этой услуги, или только этот вид отличий; несколько — через запятую",
    ),
    (
        "Go on even if far more than usual would be ordered or freed",
        "Продолжать, даже если заказать или освободить нужно намного больше обычного",
    ),
    // bind, unbind, move
    (
        "Bind a license to a service, also a foreign license: \"it belongs to this service\"",
        "Привязать к услуге лицензию, в том числе чужую: «она принадлежит этой услуге»",
    ),
    (
        "Shows the state before and after, and asks. Accepts a service whose client changed. If the service shows the license, takes it with its key from a closed service, from a former service of this number, or from a service that was copied. A license that another client had gets a new key first. `pmisplicense help doctor`, and the table \"What changed outside\" in docs/admin-guide.md, say when to use this.",
        "Показывает, как есть и как будет, и спрашивает. Принимает услугу, у которой сменился клиент. Если услуга показывает лицензию, забирает её вместе с ключом у закрытой услуги, у прежней услуги с этим номером или у скопированной услуги. Лицензия, которая была у другого клиента, сначала получает новый ключ. Когда это нужно, говорят `pmisplicense help doctor` и таблица «Что изменилось снаружи» в docs/admin-guide.ru.md.",
    ),
    ("(what it has is freed)", "(прежняя лицензия освобождается)"),
    ("Free the license that the service has", "Освободить лицензию, которая сейчас у услуги"),
    (
        "Take a license of another product; its tariff is changed afterwards",
        "Взять лицензию другого продукта; её тариф меняется потом",
    ),
    ("Take the license from a service: it goes to the pool", "Забрать лицензию у услуги: она уходит в пул"),
    (
        "Give a service that changed its processing module a license of the new module's account",
        "Дать услуге, которая сменила модуль обработки, лицензию с учётной записи нового модуля",
    ),
    // take-over
    (
        "Take over licenses that others ordered: the vendor's own module, WHMCS",
        "Принять лицензии, которые заказали другие: модуль производителя, WHMCS",
    ),
    (
        "Licenses that the vendor's own module ordered for services of this panel",
        "Лицензии, которые модуль производителя заказал для услуг этой панели",
    ),
    (
        "Licenses that the vendor's own module, or another one, ordered for services of this panel: known by the number that the service shows, by the service's number in the seller's remoteid, or by a name such as \"Item #42 shop\" at the service's address. Only the list is shown without --apply. Unclear cases are named and never touched. Move the services to our processing module first, or clear the license server of the servers' module: otherwise both modules renew each license. May be repeated at any time.",
        "Лицензии, которые для услуг этой панели заказал модуль производителя или другой модуль. Они узнаются по номеру, который показывает услуга, по номеру услуги в remoteid у продавца или по имени вида «Item #42 shop» вместе с адресом услуги. Без --apply показывается только список. Неясное называется, но никогда не меняется. Сначала переведите услуги на наш модуль обработки или очистите сервер лицензий в модуле серверов: два хозяина продлевают дважды. Можно повторять в любое время.",
    ),
    ("the list, nothing is done", "список, ничего не делается"),
    (
        "shows it, asks, binds; asks again before marking",
        "показывает, спрашивает, привязывает; перед метками спрашивает ещё раз",
    ),
    ("all of it, for scripts", "всё это, для скриптов"),
    ("Bind them, after asking", "Привязать, сначала спросив"),
    (
        "Give bound licenses our mark, and switch their automatic renewal off",
        "Дать привязанным лицензиям нашу метку и выключить их автопродление",
    ),
    ("Do not ask; do only what an option names", "Не спрашивать; делать только то, что названо параметрами"),
    (
        "Licenses of WHMCS's module billmanager_noc, from its table",
        "Лицензии модуля WHMCS billmanager_noc, из его таблицы",
    ),
    (
        "Licenses of ISPsystem's WHMCS module billmanager_noc, from its table ispsystem_noc: exported as CSV with a line of column names (licenseid, licensetype and serviceid at least), or read from WHMCS's database. This panel does not know the services of WHMCS, so each license goes to the service that a column `item` of the CSV or --map names, else to the one that shows its number, else, asked separately, to the only one at its address that wants its tariff and has none. The rest is listed for `import`. WHMCS is only read; its module goes on renewing every license of its table until it is switched off there. A password that the URL leaves out is taken from PMISPLICENSE_WHMCS_PASSWORD.",
        "Лицензии модуля ISPsystem для WHMCS billmanager_noc, из его таблицы ispsystem_noc: выгруженной в CSV со строкой имён столбцов (не меньше чем licenseid, licensetype и serviceid) или прочитанной из базы данных WHMCS. Услуги WHMCS — не услуги этой панели. Лицензия достаётся услуге, которую называет столбец `item` в CSV или --map. Иначе — услуге, которая показывает её номер. Иначе, по отдельному вопросу, — единственной услуге с её адресом, которой нужен её тариф и у которой лицензии нет. Остальные перечислены для `import`. WHMCS только читается; его модуль продлевает все лицензии своей таблицы, пока его там не выключат. Пароль, которого нет в URL, берётся из PMISPLICENSE_WHMCS_PASSWORD.",
    ),
    ("(map.csv: licenseid,item)", "(map.csv: licenseid,item)"),
    ("The table as CSV, or mysql://user@host/database", "Таблица в CSV или mysql://пользователь@хост/база"),
    (
        "CSV with the columns licenseid and item: which service of this panel gets which license",
        "CSV со столбцами licenseid и item: какой услуге этой панели достаётся какая лицензия",
    ),
    (
        "Also bind licenses whose only evidence is their address",
        "Привязать и те лицензии, на которые указывает только адрес",
    ),
    (
        "WHMCS's module is switched off, so it renews nothing any more",
        "Модуль WHMCS выключен и больше ничего не продлевает",
    ),
    // import
    (
        "List licenses at the seller that no service has, and make chosen ones services of the panel",
        "Показать лицензии у продавца, которых нет ни у одной услуги, и сделать выбранные услугами панели",
    ),
    ("the list, foreign ones marked", "список, чужие отмечены"),
    ("shows these, asks, imports", "показывает эти, спрашивает, импортирует"),
    ("all that are ours, for scripts", "все наши, для скриптов"),
    (
        "Licenses that become services, also foreign ones; without any, and without --all, licenses are only listed",
        "Лицензии, которые станут услугами, в том числе чужие; без них и без --all показывается только список",
    ),
    ("All licenses of the list that are ours", "Все наши лицензии из списка"),
    (
        "With --all: also foreign ones, which may belong to another panel",
        "Вместе с --all: и чужие, которые могут принадлежать другой панели",
    ),
    ("Only licenses of this kind", "Только лицензии этого вида"),
    ("The seller's own products", "Продукты самого продавца"),
    ("Third-party licenses", "Сторонние лицензии"),
    // retry
    (
        "Repeat what a service still lacks: open, suspend, close or sync, as its status says",
        "Повторить то, чего услуге не хватает: open, suspend, close или sync, по её статусу",
    ),
    ("one of several that wait", "один из нескольких ожидающих запросов"),
    ("list them, ask, then repeat", "показать, спросить, затем повторить"),
    (
        "Only this intent, if several of the service wait; their numbers are shown first",
        "Только этот запрос, если у услуги их несколько; сначала показываются их номера",
    ),
    (
        "All services whose last purchase was refused, or held back because of missing money",
        "Все услуги, последняя покупка которых отклонена или отложена из-за нехватки денег",
    ),
    ("Only refusals of this kind", "Только отказы этого вида"),
    ("Too little money", "Не хватает денег"),
    ("The account is blocked", "Учётная запись заблокирована"),
    // report, forecast, metrics
    (
        "A month: licenses by product, bought, renewed, reused; what the pool saved; what is sold below cost",
        "Месяц: лицензии по продуктам, куплено, продлено, взято из пула; сколько сэкономил пул; что продано в убыток",
    ),
    ("(a page with charts; alone, on standard output)", "(страница с графиками; без имени файла — в stdout)"),
    ("YYYY-MM (default: this month)", "ГГГГ-ММ (по умолчанию — этот месяц)"),
    ("Print CSV", "Печатать CSV"),
    ("Write a page with charts to a file, or to standard output", "Записать страницу с графиками в файл или в stdout"),
    (
        "Which licenses run out soon, what renewing them costs, whether the balance suffices. Exit code 1: it does not",
        "Какие лицензии скоро истекают, сколько стоит продление, хватит ли баланса. Код выхода 1: не хватит",
    ),
    ("Days to look ahead", "На сколько дней вперёд"),
    (
        "Figures for monitoring (Prometheus, OpenMetrics), from the state alone",
        "Показатели для мониторинга (Prometheus, OpenMetrics), только по файлу состояния",
    ),
    ("Write to this file, completely or not at all", "Записать в этот файл — целиком или никак"),
    // sync
    (
        "Refresh all licenses, renew what is due, finish what was left to do (cron, hourly)",
        "Просмотреть все лицензии, продлить нужное, завершить отложенное (cron, раз в час)",
    ),
    ("what the next run would do", "что сделает следующий запуск"),
    ("with each request and answer", "с каждым запросом и ответом"),
    (
        "Only show what would be sent and called; change nothing",
        "Только показать, что было бы отправлено и вызвано; ничего не менять",
    ),
    (
        "Go on even if far more than usual would be renewed or freed",
        "Продолжать, даже если продлить или освободить нужно намного больше обычного",
    ),
    (
        "Only compare the servers of the modules in `bundled` with their licenses, and correct the differences",
        "Только сравнить серверы модулей из `bundled` с их лицензиями и исправить отличия",
    ),
    (
        "Confirm the first sweep of these modules, which otherwise only reports",
        "Подтвердить первый обход этих модулей, который иначе только сообщает",
    ),
    (
        "Only the servers that events of the panel noted (cron, each minute); ends at once when there are none",
        "Только серверы, отмеченные событиями панели (cron, раз в минуту); если их нет, сразу завершается",
    ),
    // resolve
    (
        "Settle a request in doubt: say whether a purchase happened, when the program cannot find out",
        "Решить судьбу запроса под вопросом: сказать, состоялась ли покупка, когда программа не может узнать это сама",
    ),
    (
        "Compares the license with the order, shows the state before and after, and asks.",
        "Сравнивает лицензию с заказом, показывает, как есть и как будет, и спрашивает.",
    ),
    ("the seller's panel shows the license", "в панели продавца лицензия есть"),
    ("the seller's panel shows none", "в панели продавца её нет"),
    ("one of several in doubt", "один из нескольких запросов под вопросом"),
    ("Which intent, if the service has several in doubt", "Какой запрос, если у услуги их под вопросом несколько"),
    (
        "Take a license of another product than was ordered; its tariff is changed afterwards",
        "Взять лицензию не того продукта, который заказан; её тариф меняется потом",
    ),
    // backup, restore, prune
    (
        "Write a copy of the state to a new file; nothing has to be stopped",
        "Записать копию состояния в новый файл; останавливать ничего не нужно",
    ),
    ("for cron: the newest 14 stay", "для cron: остаются 14 новейших"),
    ("is it a whole copy that restore can use?", "целая ли это копия, пригодная для restore?"),
    ("The file; it must not exist", "Файл; его ещё не должно быть"),
    ("Check an existing copy; nothing is written", "Проверить готовую копию; ничего не записывается"),
    (
        "Write a new file, named by date and time, in this folder",
        "Записать в этот каталог новый файл с датой и временем в имени",
    ),
    (
        "Remove all but the newest copies from that folder, after the new one was checked",
        "Удалить из этого каталога все копии, кроме новейших, после проверки новой",
    ),
    (
        "Replace the state by a copy; the present state is kept beside it. Nothing has to be stopped",
        "Заменить состояние копией; нынешнее остаётся рядом. Останавливать ничего не нужно",
    ),
    ("The file", "Файл"),
    (
        "Remove old lines of the journal about closed services and licenses that are gone",
        "Удалить старые строки журнала о закрытых услугах и удалённых лицензиях",
    ),
    ("Days", "Сколько дней"),
    // cluster
    (
        "Several machines with one state, whose log is in a clustered database (docs/cluster.md)",
        "Несколько машин с общим состоянием, журнал которого лежит в кластере баз данных (docs/cluster.md)",
    ),
    ("Begin the log with the state of this machine", "Начать журнал кластера с состояния этой машины"),
    (
        "Take over the cluster's state on this machine, also when its state file was lost or fell behind",
        "Принять состояние кластера на этой машине, в том числе когда её файл состояния потерян или отстал",
    ),
    (
        "Show machines, servers of the log, and how far this machine is. Exit code 1: not part of a cluster, or no server answers",
        "Показать машины, серверы журнала и докуда дошла эта машина. Код выхода 1: машина не в кластере, или ни один сервер не отвечает",
    ),
    (
        "Leave the cluster: the last machine keeps the state, any other machine has none afterwards",
        "Покинуть кластер: у последней машины состояние остаётся, у любой другой его больше не будет",
    ),
    (
        "Write an image of the state to the log for machines that join, and remove older entries",
        "Записать в журнал кластера снимок состояния для новых машин и удалить более старые записи",
    ),
    // completions, man, state
    ("Completions for a shell, on standard output", "Дополнения для оболочки, в stdout"),
    ("bash, zsh, fish, elvish or powershell", "bash, zsh, fish, elvish или powershell"),
    ("The manual page, on standard output", "Страница man, в stdout"),
    (
        "The state file: the machine that it belongs to, and what to do when it is lost",
        "Файл состояния: какой машине он принадлежит и что делать, если он потерян",
    ),
    (
        "Confirm that the panel moved to this machine for good, and that the state file is this machine's from now on",
        "Подтвердить, что панель навсегда переехала на эту машину и что файл состояния отныне принадлежит ей",
    ),
    (
        "Leave a pooled license that somebody else uses to its user: it is not named any more (see `list --problems`)",
        "Оставить лицензию из пула, которую занял кто-то другой: больше она не называется (см. `list --problems`)",
    ),
    (
        "Go on with an empty state, when the present one cannot be used and there is no backup; the present one is kept",
        "Начать с пустого состояния, когда нынешним нельзя пользоваться и копии нет; нынешнее сохраняется",
    ),
];

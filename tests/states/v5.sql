-- The state of schema version 5: written by the program itself in the test
-- hurt::frozen::the_present_state_is_frozen_when_that_is_asked_for
-- (open 42; open and close 43; open 44 without an answer; sync), then dumped. PORT is the test seller's. Never edited.
PRAGMA application_id = 1886219313;
PRAGMA user_version = 5;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL,
    username TEXT NOT NULL,
    returns_remoteid INTEGER,
    highest_license INTEGER NOT NULL DEFAULT 0,
    refused_kind TEXT,
    refused_at INTEGER,
    refused_balance INTEGER,
    UNIQUE (url, username)
) STRICT;
CREATE TABLE module (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account (id)) STRICT;
CREATE TABLE item (
    id INTEGER NOT NULL,
    created TEXT NOT NULL,
    client INTEGER NOT NULL,
    closes INTEGER NOT NULL DEFAULT 0,
    choice TEXT,
    last_license INTEGER,
    settled_end TEXT,
    PRIMARY KEY (id, created)
) STRICT, WITHOUT ROWID;
CREATE TABLE license (
    account INTEGER NOT NULL REFERENCES account (id),
    id INTEGER NOT NULL,
    family TEXT NOT NULL,
    module INTEGER NOT NULL,
    state TEXT NOT NULL,
    life TEXT,
    item INTEGER,
    internal_name TEXT NOT NULL,
    mark TEXT,
    pricelist INTEGER NOT NULL,
    nodes INTEGER,
    changes INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL,
    ip TEXT,
    last_ip TEXT,
    status INTEGER NOT NULL,
    lickey TEXT,
    key_before TEXT,
    created TEXT,
    expires TEXT,
    ip_changed TEXT,
    key_changed TEXT,
    since INTEGER NOT NULL,
    not_before INTEGER,
    reason TEXT, name_asked TEXT, name_shown TEXT, domains INTEGER, remoteip TEXT,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE wish (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    item INTEGER,
    account INTEGER NOT NULL REFERENCES account (id),
    target INTEGER,
    request TEXT NOT NULL,
    highest_license INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    clean_look_at INTEGER,
    status TEXT NOT NULL,
    license INTEGER,
    operation INTEGER
) STRICT;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    wish INTEGER REFERENCES wish (id),
    item INTEGER,
    account INTEGER,
    license INTEGER,
    event TEXT NOT NULL,
    en TEXT NOT NULL,
    ru TEXT NOT NULL
) STRICT;
CREATE TABLE payment (
    life TEXT NOT NULL,
    paid_end TEXT NOT NULL,
    license INTEGER,
    expires_before TEXT,
    item_end_before TEXT,
    finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (life, paid_end)
) STRICT, WITHOUT ROWID;
CREATE TABLE payment_run (
    life TEXT NOT NULL,
    operation INTEGER NOT NULL,
    paid_end TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (life, operation)
) STRICT, WITHOUT ROWID;
CREATE TABLE addition (
    account INTEGER NOT NULL,
    license INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    PRIMARY KEY (account, license)
) STRICT, WITHOUT ROWID;
CREATE TABLE cost (
    wish INTEGER PRIMARY KEY REFERENCES wish (id),
    at INTEGER NOT NULL,
    account INTEGER NOT NULL,
    license INTEGER NOT NULL,
    pricelist INTEGER NOT NULL,
    minor INTEGER,
    currency TEXT,
    source TEXT NOT NULL
) STRICT;
CREATE TABLE foreseen (
    life TEXT PRIMARY KEY,
    license INTEGER NOT NULL,
    expires TEXT,
    status INTEGER,
    ends TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE trouble (
    item INTEGER PRIMARY KEY,
    module INTEGER NOT NULL,
    since INTEGER NOT NULL,
    times INTEGER NOT NULL,
    en TEXT NOT NULL,
    ru TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX license_life ON license (life) WHERE state IN ('bound', 'claimed');
CREATE INDEX license_item ON license (item) WHERE item IS NOT NULL;
CREATE INDEX license_free ON license (account, pricelist, expires) WHERE state IN ('pool', 'to_free');
CREATE INDEX wish_target ON wish (account, target);
CREATE INDEX journal_item ON journal (item) WHERE item IS NOT NULL;
CREATE INDEX journal_license ON journal (account, license) WHERE license IS NOT NULL;
CREATE INDEX journal_wish ON journal (wish) WHERE wish IS NOT NULL;
CREATE INDEX addition_parent ON addition (account, parent);
CREATE UNIQUE INDEX wish_key ON wish (key)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over' OR status = 'done';
CREATE INDEX wish_open ON wish (item)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over';
INSERT INTO meta VALUES ('last_number', '3');
INSERT INTO meta VALUES ('machine', '');
INSERT INTO meta VALUES ('panel_id', 'abcdefgh');
INSERT INTO account VALUES (1, 'http://127.0.0.1:PORT/manager/billmgr', 'reseller', 1, 5002, NULL, NULL, NULL);
INSERT INTO module VALUES (7, 1);
INSERT INTO item VALUES (42, '2026-11-28 09:30:00', 501, 0, '55227', 5001, '2026-12-28');
INSERT INTO item VALUES (43, '2026-11-28 09:30:00', 501, 1, NULL, NULL, NULL);
INSERT INTO item VALUES (44, '2026-11-28 09:30:00', 501, 0, '55228', NULL, NULL);
INSERT INTO license VALUES (1, 5001, 'soft', 7, 'bound', '42/2026-11-28 09:30:00/0', 42, '55227', 'pml-abcdefgh-42-1', 55227, NULL, 0, 'Item #42 Service 42', '192.0.2.12', '192.0.2.12', 2, 'ISPKEY-0001-F372FE94F82B3C6E', NULL, '2026-11-28', '2026-12-28', NULL, NULL, 1795875583, NULL, NULL, NULL, NULL, NULL, '');
INSERT INTO license VALUES (1, 5002, 'soft', 7, 'pool', NULL, 43, '55227', 'pml-abcdefgh-43-2', 55227, NULL, 0, 'free.lic', '0.0.0.0', '192.0.2.13', 3, 'ISPKEY-0002-E6E5FD29F05478DD', NULL, '2026-11-28', '2026-12-28', '2026-11-28', NULL, 1795875583, NULL, 'freed into the pool', NULL, NULL, NULL, '');
INSERT INTO wish VALUES (1, 'order:42/2026-11-28 09:30:00/0:-', 'order', 42, 1, NULL, '{"Order":{"family":"soft","pricelist":55227,"period":1,"ip":"192.0.2.12","licname":"Item #42 Service 42","mark":"pml-abcdefgh-42-1","nodes":null,"parent":null,"not_before":"2026-11-27"}}', 0, 1795875583, NULL, 'done', 5001, 1);
INSERT INTO wish VALUES (2, 'order:43/2026-11-28 09:30:00/0:-', 'order', 43, 1, NULL, '{"Order":{"family":"soft","pricelist":55227,"period":1,"ip":"192.0.2.13","licname":"Item #43 Service 43","mark":"pml-abcdefgh-43-2","nodes":null,"parent":null,"not_before":"2026-11-28"}}', 5001, 1795875583, NULL, 'done', 5002, 2);
INSERT INTO wish VALUES (3, 'order:44/2026-11-28 09:30:00/0:-', 'order', 44, 1, NULL, '{"Order":{"family":"soft","pricelist":55228,"period":1,"ip":"192.0.2.14","licname":"Item #44 Service 44","mark":"pml-abcdefgh-44-3","nodes":null,"parent":null,"not_before":"2026-11-28"}}', 5002, 1795875583, NULL, 'in_doubt', NULL, 4);
INSERT INTO journal VALUES (1, 1795875583, 1, 42, NULL, NULL, '"recorded"', 'order of 55227 for service 42, ordered for 1 month: period of the service 1', 'заказ 55227 для услуги 42, заказ на 1 мес.: период услуги 1');
INSERT INTO journal VALUES (2, 1795875583, 1, 42, 1, 5001, '{"done":{"license":5001}}', 'order of 55227 for service 42, ordered for 1 month: period of the service 1; cost 5.00 EUR', 'заказ 55227 для услуги 42, заказ на 1 мес.: период услуги 1; стоимость 5.00 EUR');
INSERT INTO journal VALUES (3, 1795875583, NULL, 42, 1, 5001, 'bound', 'license 5001 bound, good until 2026-12-28', 'лицензия 5001 привязана, срок до 2026-12-28');
INSERT INTO journal VALUES (4, 1795875583, 2, 43, NULL, NULL, '"recorded"', 'order of 55227 for service 43, ordered for 1 month: period of the service 1', 'заказ 55227 для услуги 43, заказ на 1 мес.: период услуги 1');
INSERT INTO journal VALUES (5, 1795875583, 2, 43, 1, 5002, '{"done":{"license":5002}}', 'order of 55227 for service 43, ordered for 1 month: period of the service 1; cost 5.00 EUR', 'заказ 55227 для услуги 43, заказ на 1 мес.: период услуги 1; стоимость 5.00 EUR');
INSERT INTO journal VALUES (6, 1795875583, NULL, 43, 1, 5002, 'bound', 'license 5002 bound, good until 2026-12-28', 'лицензия 5002 привязана, срок до 2026-12-28');
INSERT INTO journal VALUES (7, 1795875583, NULL, 43, 1, 5002, 'to_free', 'service 43 gave license 5002 back', 'услуга 43 вернула лицензию 5002');
INSERT INTO journal VALUES (8, 1795875583, NULL, 43, 1, 5002, 'seen', 'seen at the seller: the license changed', 'видно у продавца: лицензия изменилась');
INSERT INTO journal VALUES (9, 1795875583, NULL, 43, 1, 5002, 'pool', 'license 5002: freed into the pool', 'лицензия 5002: освобождена в пул');
INSERT INTO journal VALUES (10, 1795875583, 3, 44, NULL, NULL, '"recorded"', 'order of 55228 for service 44, ordered for 1 month: period of the service 1', 'заказ 55228 для услуги 44, заказ на 1 мес.: период услуги 1');
INSERT INTO journal VALUES (11, 1795875583, 3, 44, NULL, NULL, '{"unknown":{"reason":"soft.order.param at 127.0.0.1: connection closed before message completed"}}', 'order of 55228 for service 44, ordered for 1 month: period of the service 1', 'заказ 55228 для услуги 44, заказ на 1 мес.: период услуги 1');
INSERT INTO cost VALUES (1, 1795875583, 1, 5001, 55227, 500, 'EUR', 'seller');
INSERT INTO cost VALUES (2, 1795875583, 1, 5002, 55227, 500, 'EUR', 'seller');
INSERT INTO foreseen VALUES ('42/2026-11-28 09:30:00/0', 5001, '2026-12-28', 2, '2026-12-28');
INSERT INTO trouble VALUES (44, 7, 1795875583, 1, 'order of 55228 for service 44: the request was sent, and it is not known yet whether it was carried out. It is not sent again before 2026-11-28 14:34:43 UTC. Next: nothing to do. Each run looks for the result. No run buys until the result is known', 'заказ 55228 для услуги 44: запрос отправлен, выполнен ли он — пока неизвестно. До 2026-11-28 14:34:43 UTC он не повторяется. Далее: ничего делать не нужно. Каждый запуск ищет результат. Пока он неизвестен, ничего не покупается', 0);

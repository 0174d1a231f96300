-- The state as this program's version has it. Days are texts YYYY-MM-DD. Moments are seconds since 1970 (UTC).
-- Idempotency keys and incarnations are the texts of model::journal.

-- Single values: panel_id, machine, last_number (of orders), restored, taken_in, adopted:MODULE.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Accounts at the seller that this state has met. returns_remoteid: 1 seen, 0 seen that it does not, NULL not known.
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

-- The account that a processing module of the panel was first seen with.
CREATE TABLE module (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account (id)) STRICT;

-- Items by number and day of creation. choice: the internal name last carried out (nopanel included).
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

-- Licenses that are ours. state: bound, claimed, to_free, pool, stopped, deleted. incarnation: of bound and claimed
-- ones. name_asked: the name that was sent last; name_shown: what the seller shows instead, if it stores names in a
-- form of its own. domains: those in use at the last look (NULL: not known). remoteip: the outward address that we
-- sent last (empty: none; NULL: not known, as for licenses that others ordered).
CREATE TABLE license (
    account INTEGER NOT NULL REFERENCES account (id),
    id INTEGER NOT NULL,
    family TEXT NOT NULL,
    module INTEGER NOT NULL,
    state TEXT NOT NULL,
    incarnation TEXT,
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
    reason TEXT,
    name_asked TEXT,
    name_shown TEXT,
    domains INTEGER,
    remoteip TEXT,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX license_item ON license (item) WHERE item IS NOT NULL;
CREATE INDEX license_free ON license (account, pricelist, expires) WHERE state IN ('pool', 'to_free');
CREATE UNIQUE INDEX license_incarnation ON license (incarnation) WHERE state IN ('bound', 'claimed');

-- Intents: a row for each request that is sent once. status: what the journal's events come to.
CREATE TABLE intent (
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
-- A key is sent once: while its intent is in doubt, handed over or done, there is no second row. The conditions use
-- OR, because for IN with more than two values SQLite builds a temporary table, at every write of an intent and every
-- search for open ones. SQLite uses these indexes only for queries with the same words: journal::is_open and
-- journal::IS_KEY_TAKEN.
CREATE UNIQUE INDEX intent_key ON intent (key)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over' OR status = 'done';
CREATE INDEX intent_open ON intent (item)
    WHERE status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over';
CREATE INDEX intent_target ON intent (account, target);

-- Rows are only added. event: an IntentEvent as JSON for rows with an intent, else a word. en, ru: the reason in words.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    intent INTEGER REFERENCES intent (id),
    item INTEGER,
    account INTEGER,
    license INTEGER,
    event TEXT NOT NULL,
    en TEXT NOT NULL,
    ru TEXT NOT NULL
) STRICT;
CREATE INDEX journal_item ON journal (item) WHERE item IS NOT NULL;
CREATE INDEX journal_license ON journal (account, license) WHERE license IS NOT NULL;
CREATE INDEX journal_intent ON journal (intent) WHERE intent IS NOT NULL;

-- Payments of the panel: what the license and the item had at the first run for a paid end (docs/licensing-rules.md 5).
CREATE TABLE payment (
    incarnation TEXT NOT NULL,
    paid_end TEXT NOT NULL,
    license INTEGER,
    expires_before TEXT,
    item_end_before TEXT,
    finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (incarnation, paid_end)
) STRICT, WITHOUT ROWID;

-- Which paid end a running operation belongs to; kept 20 days. operation 0: a run without one.
CREATE TABLE payment_run (
    incarnation TEXT NOT NULL,
    operation INTEGER NOT NULL,
    paid_end TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (incarnation, operation)
) STRICT, WITHOUT ROWID;

-- Which license a module (family addition) belongs to: it lives and dies with it.
CREATE TABLE addition (
    account INTEGER NOT NULL,
    license INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    PRIMARY KEY (account, license)
) STRICT, WITHOUT ROWID;
CREATE INDEX addition_parent ON addition (account, parent);

-- What purchases cost, in minor units. source: seller (what the seller shows), list (our list price), unknown (no
-- amount).
CREATE TABLE cost (
    intent INTEGER PRIMARY KEY REFERENCES intent (id),
    at INTEGER NOT NULL,
    account INTEGER NOT NULL,
    license INTEGER NOT NULL,
    pricelist INTEGER NOT NULL,
    minor INTEGER,
    currency TEXT,
    source TEXT NOT NULL
) STRICT;

-- What the last pass knew of a bound license and its service, by incarnation. status NULL: nothing of the service.
CREATE TABLE foreseen (
    incarnation TEXT PRIMARY KEY,
    license INTEGER NOT NULL,
    expires TEXT,
    status INTEGER,
    ends TEXT
) STRICT, WITHOUT ROWID;

-- Services for which passes fail: how often in a row, since when, and why at last. told: the panel shows a problem.
CREATE TABLE trouble (
    item INTEGER PRIMARY KEY,
    module INTEGER NOT NULL,
    since INTEGER NOT NULL,
    times INTEGER NOT NULL,
    en TEXT NOT NULL,
    ru TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The panel's tables as far as docs/interface.md 4 names them, column for column; runningoperation.errorxml is mgrctl's own;
-- cost and currency of an item are read by reports only.
CREATE TABLE item (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(255), account INT, parent INT, pricelist INT, processingmodule INT,
  period INT, status INT, expiredate DATE, opendate DATE, createdate DATETIME, remoteid VARCHAR(64), lastpricelist INT,
  enumerationitem INT, intvalue INT, boolvalue VARCHAR(3), addonlimit INT,
  cost DECIMAL(20, 4), currency INT, KEY (parent), KEY (processingmodule));
CREATE TABLE account (id INT PRIMARY KEY, name VARCHAR(255));
CREATE TABLE user (id INT PRIMARY KEY AUTO_INCREMENT, account INT, name VARCHAR(255), realname VARCHAR(255), email VARCHAR(255));
CREATE TABLE profile (id INT PRIMARY KEY AUTO_INCREMENT, account INT, name VARCHAR(255), email VARCHAR(255));
INSERT INTO account VALUES (501, 'Client'), (502, 'Another client');
INSERT INTO user (account, name, email) VALUES (501, 'client', 'Client@example.com'), (502, 'another', 'another@example.com');
CREATE TABLE currency (id INT PRIMARY KEY, iso VARCHAR(3), name VARCHAR(64), active VARCHAR(3));
INSERT INTO currency VALUES (126, 'RUB', 'Russian ruble', 'on'), (153, 'EUR', 'Euro', 'on');
CREATE TABLE itemparam (item INT NOT NULL, intname VARCHAR(64) NOT NULL, value TEXT, PRIMARY KEY (item, intname));
CREATE TABLE itemcryptedparam (item INT NOT NULL, intname VARCHAR(64) NOT NULL, value TEXT, PRIMARY KEY (item, intname));
CREATE TABLE pricelist (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(255), intname VARCHAR(64), itemtype INT, parent INT,
  active VARCHAR(3), billtype INT, addontype INT, enumerationitem INT, compound INT, addonlimit INT, addonmax INT,
  addonbool VARCHAR(3), measure INT, KEY (parent));
CREATE TABLE pricelistparam (pricelist INT NOT NULL, intname VARCHAR(64) NOT NULL, value TEXT);
CREATE TABLE itemtype (id INT PRIMARY KEY, intname VARCHAR(64), name VARCHAR(255));
CREATE TABLE enumerationitem (id INT PRIMARY KEY AUTO_INCREMENT, enumeration INT, intname VARCHAR(64), name VARCHAR(255));
CREATE TABLE processingmodule (id INT PRIMARY KEY, name VARCHAR(255), module VARCHAR(64), active VARCHAR(3));
CREATE TABLE processingparam (id INT PRIMARY KEY AUTO_INCREMENT, processingmodule INT, intname VARCHAR(64), value TEXT);
CREATE TABLE processingcryptedparam (id INT PRIMARY KEY AUTO_INCREMENT, processingmodule INT, intname VARCHAR(64), value TEXT);
CREATE TABLE runningoperation (id INT PRIMARY KEY AUTO_INCREMENT, item INT, intname VARCHAR(64), trycount INT NOT NULL DEFAULT 0,
  errorxml MEDIUMTEXT);
CREATE TABLE task (id INT PRIMARY KEY AUTO_INCREMENT, runningoperation INT, item INT, status INT);
CREATE TABLE ip (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(64), item INT);
INSERT INTO itemtype VALUES (1, 'soft', 'Licenses'), (2, 'softexternal', 'Other software'), (3, 'vds', 'Virtual server'),
  (4, 'dedic', 'Dedicated server'), (5, 'ip', 'IP addresses'), (6, 'panel', 'Control panel'), (7, 'ostempl', 'Operating system'),
  (8, 'nodes', 'Nodes'), (9, 'privateip', 'Private IP addresses');
INSERT INTO enumerationitem (enumeration, intname, name) VALUES (1, 'nopanel', 'Without a control panel'),
  (1, '55227', 'ISPmanager 6 Lite'), (1, '55228', 'ISPmanager 6 Pro'), (1, '55229', 'ISPmanager 6 Host'),
  (1, '55230', 'ISPmanager 6 Business'), (1, '55239', 'ISPmanager 6 trial'), (1, '3541', 'ISPmanager 5 Lite'),
  (1, '4601', 'ISPmanager 5 Business'), (2, 'Debian-12', 'Debian 12'), (2, 'Ubuntu-24.04', 'Ubuntu 24.04');

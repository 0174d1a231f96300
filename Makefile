# pmisplicense: thin wrappers around cargo, and the installation beneath the panel's folder.

MGR_ROOT ?= /usr/local/mgr5
DESTDIR ?=
CARGO ?= cargo
PROGRAM ?= target/release/pmisplicense
TARGET ?= x86_64-unknown-linux-gnu
SIM_MINUTES ?= 1
HURT_KILLS ?= 500
FUZZ_SECONDS ?= 60

to = $(DESTDIR)$(MGR_ROOT)
logo = skins/common/plugin-logo/billmanager-plugin-pmisplicense.png

.PHONY: build test check demo sandbox sim hurt fuzz bench dist install install-files uninstall clean mariadb reload

build:
	$(CARGO) build --release --locked

# A private MariaDB is part of the tests; on Debian it is installed when it is missing and we may.
mariadb:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	command -v mariadbd >/dev/null || command -v mysqld >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server; \
	else \
		echo "MariaDB is missing: install the package mariadb-server, then repeat" >&2; exit 1; \
	fi

test: mariadb
	$(CARGO) test --locked

check: mariadb
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked
	HISTORIES=40000 $(MAKE) sim SIM_MINUTES=1
	$(MAKE) demo

# The whole life of some licenses against a stand-in seller and panel, step by step.
demo: mariadb
	$(CARGO) build --locked
	$(CARGO) run --locked --quiet --example sandbox -- demo

# The same stand-ins, left running for commands by hand.
sandbox: mariadb
	$(CARGO) build --locked
	$(CARGO) run --locked --quiet --example sandbox -- up

# The real binary, hurt at length: many kills, each fault of the sandbox on each call of each command.
hurt: mariadb
	HURT_KILLS=$(HURT_KILLS) HURT_ALL=1 $(CARGO) test --locked --test lib -- hurt:: --nocapture

# Fuzzing of everything that parses foreign bytes, FUZZ_SECONDS for each target; wants a nightly compiler and cargo-fuzz.
fuzz:
	for target in upstream_answer list_page stdin_document settings argv mgrctl_output; do \
		mkdir -p fuzz/work/$$target && \
		$(CARGO) +nightly fuzz run $$target fuzz/work/$$target tests/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# Random histories with faults, SIM_MINUTES long.
sim:
	$(CARGO) test --locked --profile sim --test sim -- --minutes $(if $(MINUTES),$(MINUTES),$(SIM_MINUTES))

# The budgets: start, one service, many licenses. SIZES="1000 1000000" for other sizes.
bench: build mariadb
	@command -v hyperfine >/dev/null || { echo "hyperfine is missing: install the package hyperfine, then repeat" >&2; exit 1; }
	PMISPLICENSE_BIN=$(PROGRAM) $(CARGO) run --locked --quiet --profile sim --example sandbox -- bench $(SIZES)

install: build install-files reload

# Copies only: packages are made of it too.
install-files:
	install -d $(to)/processing $(to)/addon $(to)/etc/xml $(dir $(to)/$(logo)) $(DESTDIR)/etc/cron.d $(DESTDIR)/etc/logrotate.d
	install -m 0755 $(PROGRAM) $(to)/processing/pmisplicense
	ln -sfn ../processing/pmisplicense $(to)/addon/pmisplicense-event
	install -m 0644 xml/billmgr_mod_pmisplicense.xml xml/billmgr_mod_pmisplicense_event.xml $(to)/etc/xml/
	[ -e $(to)/etc/pmisplicense.toml ] || { \
		sed 's,"/usr/local/mgr5","$(MGR_ROOT)",' etc/pmisplicense.toml > $(to)/etc/pmisplicense.toml && \
		chmod 0600 $(to)/etc/pmisplicense.toml; }
	install -m 0644 dist/billmanager-plugin-pmisplicense.png $(to)/$(logo)
	sed 's,@MGR_ROOT@,$(MGR_ROOT),' dist/pmisplicense.cron > $(DESTDIR)/etc/cron.d/pmisplicense
	sed 's,@MGR_ROOT@,$(MGR_ROOT),' dist/pmisplicense.logrotate > $(DESTDIR)/etc/logrotate.d/pmisplicense
	chmod 0644 $(DESTDIR)/etc/cron.d/pmisplicense $(DESTDIR)/etc/logrotate.d/pmisplicense

# Tarball, .deb and .rpm in target/dist, for glibc 2.17 and later.
dist:
	dist/build.sh $(TARGET)

# Settings, state and log stay: they say what was bought.
uninstall:
	rm -f $(to)/processing/pmisplicense $(to)/addon/pmisplicense-event $(to)/$(logo)
	rm -f $(to)/etc/xml/billmgr_mod_pmisplicense.xml $(to)/etc/xml/billmgr_mod_pmisplicense_event.xml
	rm -f $(DESTDIR)/etc/cron.d/pmisplicense $(DESTDIR)/etc/logrotate.d/pmisplicense
	$(MAKE) --no-print-directory reload

# The panel reads descriptions and features at its start. A panel that is down reads them when it comes up.
reload:
	@if [ -n "$(DESTDIR)" ] || [ ! -x $(MGR_ROOT)/sbin/mgrctl ]; then \
		echo "no panel to reload here"; \
	else \
		[ ! -x $(MGR_ROOT)/sbin/xmlinstall ] || { \
			$(MGR_ROOT)/sbin/xmlinstall -m billmgr --meta-cache --apply || true; \
			$(MGR_ROOT)/sbin/xmlinstall -m billmgr --lang-cache ru --base en --apply || true; }; \
		$(MGR_ROOT)/sbin/mgrctl -m billmgr exit || echo "the panel did not answer: it reads the new files at its next start"; \
	fi

clean:
	$(CARGO) clean

# pmisplicense: thin wrappers around cargo, and the installation beneath the panel's folder.

MGR_ROOT ?= /usr/local/mgr5
DESTDIR ?=
CARGO ?= cargo
PREFIX ?= /usr/local
PROGRAM ?= target/release/pmisplicense
# What prints completions and manual: the program, unless it was built for another machine.
PAGES ?= $(PROGRAM)
TARGET ?= x86_64-unknown-linux-gnu
SIM_MINUTES ?= 1
HURT_KILLS ?= 500
GALERA_KILLS ?= 500
GALERA_FAULTS ?= 60
GALERA_CRON_MINUTES ?= 2
FUZZ_SECONDS ?= 60

to = $(DESTDIR)$(MGR_ROOT)
logo = skins/common/plugin-logo/billmanager-plugin-pmisplicense.png

share = $(DESTDIR)$(PREFIX)/share
bash = $(share)/bash-completion/completions/pmisplicense
zsh = $(share)/zsh/site-functions/_pmisplicense
fish = $(share)/fish/vendor_completions.d/pmisplicense.fish
man = $(share)/man/man8/pmisplicense.8.gz
cron = $(DESTDIR)/etc/cron.d/pmisplicense
logrotate = $(DESTDIR)/etc/logrotate.d/pmisplicense

.PHONY: build test check thorough galera galera-brief demo sandbox screenshots replay sim planted hurt fuzz mutants mutants-each bench dist dist-test reproducible licenses install install-files uninstall clean mariadb reload

# The build script gets the commit in a variable. If it looked for itself, it would run at every new commit.
build:
	PMISPLICENSE_COMMIT="$$(dist/commit.sh)" $(CARGO) build --release --locked

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

# Everything that CI asks. The simulator is built once, with the planted mistakes; they are off while it plays histories.
check: mariadb
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --lib --quiet
	$(CARGO) build --locked --examples
	$(CARGO) test --locked --lib --bins --test lib
	$(MAKE) thorough
	$(MAKE) planted FIRST=1 HISTORIES=20000
	$(MAKE) demo
	$(MAKE) galera-brief

# The long lists of cases that `cargo test` plays a part of: the tests that are marked so, and none that needs a Galera.
thorough: mariadb
	$(CARGO) test --locked --test lib -- --ignored --skip cluster_nodes:: --skip cluster_pauses::

# A real Galera of three nodes, some of which fall: needs Debian's galera-4 and rsync beside mariadb-server, and root.
galera: mariadb
	GALERA_KILLS=$(GALERA_KILLS) GALERA_FAULTS=$(GALERA_FAULTS) GALERA_CRON_MINUTES=$(GALERA_CRON_MINUTES) \
	$(CARGO) test --locked --test lib -- --ignored --test-threads 1 --skip a_node_of_a_real_galera cluster_nodes:: cluster_pauses::

# Two of its faults; left out where galera-4 is not installed.
galera-brief: mariadb
	$(CARGO) test --locked --test lib -- --ignored --nocapture cluster_nodes::a_node_of_a_real_galera

# The program and the stand-ins, in one go: most of the time is compiling, and neither waits for the other.
sandbox_build = $(CARGO) build --locked --bin pmisplicense --example sandbox

# The whole life of some licenses against a stand-in seller and panel, step by step. MODE=a,b lets them answer and ask as
# other sellers and panels do; `cargo run --example sandbox -- --help` lists the modes.
demo: mariadb
	$(sandbox_build)
	$(CARGO) run --locked --quiet --example sandbox -- demo $(MODE)

# The same stand-ins, left running for commands by hand.
sandbox: mariadb
	$(sandbox_build)
	$(CARGO) run --locked --quiet --example sandbox -- up $(MODE)

# The pictures of the pages in the administrator's guide: of a stand-in for the panel's web interface, which says so.
screenshots: mariadb
	@command -v chromium >/dev/null || { echo "chromium is missing: install the package chromium, then repeat" >&2; exit 1; }
	$(sandbox_build)
	mkdir -p docs/images
	$(CARGO) run --locked --quiet --example sandbox -- screenshots docs/images

# The stand-ins answer from FILE, which `pmisplicense doctor --record` wrote at a real panel.
replay: mariadb
	$(sandbox_build)
	$(CARGO) run --locked --quiet --example sandbox -- replay $(FILE)

# The real binary, hurt at length: many kills, each fault of the sandbox on each call of each command, the
# walkthrough of tests/modes in each pair of modes. ONLY=modes is one chapter of it (tests/hurt), PART=3/10 a tenth of
# its long lists.
hurt: mariadb
	HURT_KILLS=$(HURT_KILLS) HURT_ALL=1 $(if $(PART),HURT_PART=$(PART)) \
		$(CARGO) test --locked --test lib -- hurt::$(if $(ONLY),$(ONLY)::) --nocapture

# Fuzzing of everything that parses foreign bytes, FUZZ_SECONDS for each target; wants cargo-fuzz. RUSTC_BOOTSTRAP lets a
# stable compiler take the flags that it sets.
fuzz:
	for target in upstream_answer list_page stdin_document settings argv mgrctl_output; do \
		mkdir -p fuzz/work/$$target && \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target fuzz/work/$$target tests/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# Each change that cargo-mutants can think of where money moves (plan, journal, engine), against the test from outside
# that tests/mutants.md names for it, the tables, the simulator, and with MUTANTS_OUTSIDE=N up to N more tests from
# outside: all in one build, a switch for each. FILES="src/plan/in_doubt.rs" keeps it to some. One that lives and has no
# reason in tests/mutants.md fails this. Wants cargo-mutants.
mutants: mariadb
	$(CARGO) run --release --locked --quiet --manifest-path tests/mutants/Cargo.toml -- $(FILES)

# The same by cargo-mutants alone: a build for each change, a minute or more of it, so name few FILES.
mutants-each:
	HISTORIES=3000 HASTY=1 $(CARGO) mutants $(foreach file,$(FILES),-f '$(file)') --cargo-arg=--config=tests/sim/build.toml \
		--timeout 120 -- --lib --test sim

# Cargo for the simulator: it takes the other crates as the tests have them, and leaves the tests' own program alone.
optimized = CARGO_BUILD_BUILD_DIR="$(CURDIR)/target" CARGO_TARGET_DIR="$(CURDIR)/target/optimized" \
	$(CARGO) --config "$(CURDIR)/tests/sim/build.toml"

# Every history that ever failed, then random ones with faults: HISTORIES of them or MINUTES long, whichever ends first,
# or SIM_MINUTES. They begin at a fresh seed, which is printed; FIRST=seed begins there instead, SEED=seed plays one.
# `check` always begins at the same seed: whether a change passes must not depend on luck.
sim:
	$(optimized) test --locked --test sim -- \
		$(if $(MINUTES),--minutes $(MINUTES),$(if $(HISTORIES),,--minutes $(SIM_MINUTES)))

# Plants each mistake of tests/planted in a copy of this tree: the simulator must find it, or this fails. HISTORIES=n
# plays that many before, in the same build, as `sim` does: every mistake is switched off then.
in_copy = cd target/planted && $(1) $(optimized) test --locked --features planted-bugs --test sim

planted:
	tests/planted/plant "$(CURDIR)/target/planted"
	$(if $(HISTORIES),$(call in_copy))
	$(call in_copy,PLANTED=1)

# The budgets: start, one service, many licenses; some minutes. SIZES="1000 10000" for fewer.
bench: build mariadb
	@command -v hyperfine >/dev/null || { echo "hyperfine is missing: install the package hyperfine, then repeat" >&2; exit 1; }
	PMISPLICENSE_BIN=$(PROGRAM) $(optimized) run --locked --quiet --example sandbox -- bench $(SIZES)

install: build install-files
	@root=$(to) sh dist/scripts/settings
	@root=$(to) sh dist/scripts/pages
	@$(MAKE) --no-print-directory reload

# Copies only: packages are made of it too.
install-files:
	install -d $(to)/processing $(to)/addon $(to)/etc/xml $(dir $(to)/$(logo)) $(dir $(cron) $(logrotate))
	install -d $(DESTDIR)$(PREFIX)/sbin $(dir $(bash) $(zsh) $(fish) $(man))
	install -m 0755 $(PROGRAM) $(to)/processing/pmisplicense
	ln -sfn ../processing/pmisplicense $(to)/addon/pmisplicense-event
	ln -sfn ../processing/pmisplicense $(to)/addon/pmisplicense-pages
	ln -srfn $(to)/processing/pmisplicense $(DESTDIR)$(PREFIX)/sbin/pmisplicense
	install -m 0644 xml/billmgr_mod_pmisplicense.xml xml/billmgr_mod_pmisplicense_event.xml xml/billmgr_mod_pmisplicense_pages.xml $(to)/etc/xml/
	install -m 0644 dist/billmanager-plugin-pmisplicense.png $(to)/$(logo)
	sed 's,"/usr/local/mgr5","$(MGR_ROOT)",' etc/pmisplicense.toml > $(to)/etc/pmisplicense.toml.sample
	sed 's,@MGR_ROOT@,$(MGR_ROOT),g' dist/pmisplicense.cron > $(cron).rpmnew
	sed 's,@MGR_ROOT@,$(MGR_ROOT),g' dist/pmisplicense.logrotate > $(logrotate).rpmnew
	@# Lines that were changed here stay; no cron and no logrotate reads a file whose name ends so.
	@for file in $(cron) $(logrotate); do \
		chmod 0644 $$file.rpmnew; \
		if [ ! -e $$file ] || cmp -s $$file $$file.rpmnew; then mv -f $$file.rpmnew $$file; \
		else echo "kept $$file, which is not as it comes: the new one is $$file.rpmnew"; fi; \
	done
	$(PAGES) completions bash > $(bash)
	$(PAGES) completions zsh > $(zsh)
	$(PAGES) completions fish > $(fish)
	$(PAGES) man > $(man:.gz=) && gzip -9 -n -f $(man:.gz=)
	chmod 0644 $(to)/etc/pmisplicense.toml.sample $(bash) $(zsh) $(fish) $(man)

# Tarball, .deb and .rpm in target/dist, for glibc 2.17 and later.
dist:
	dist/build.sh $(TARGET)

# What `make dist` made, installed, upgraded and removed in a root of its own, beside a stand-in panel. Wants root.
dist-test: mariadb
	DIST=$(CURDIR)/target/dist $(CARGO) test --locked --test lib -- packages:: --nocapture

# Builds it all twice, in two folders, and compares: minutes of all cores, too long for CI, which compares the packing.
reproducible:
	dist/reproducible.sh $(TARGET)

# Settings, state and log stay: they say what was bought.
uninstall:
	rm -f $(to)/processing/pmisplicense $(to)/addon/pmisplicense-event $(to)/addon/pmisplicense-pages $(to)/$(logo) $(to)/etc/pmisplicense.toml.sample
	rm -f $(to)/etc/xml/billmgr_mod_pmisplicense.xml $(to)/etc/xml/billmgr_mod_pmisplicense_event.xml
	rm -f $(to)/etc/xml/billmgr_mod_pmisplicense_pages.xml
	rm -f $(cron) $(logrotate) $(cron).rpmnew $(logrotate).rpmnew
	rm -f $(DESTDIR)$(PREFIX)/sbin/pmisplicense $(bash) $(zsh) $(fish) $(man)
	@$(MAKE) --no-print-directory reload

reload:
	@if [ -n "$(DESTDIR)" ]; then echo "not at its place yet: no panel to reload"; else root=$(MGR_ROOT) sh dist/scripts/reload; fi

# Licenses and sources of all crates against deny.toml. The list itself is also a test.
licenses:
	@command -v cargo-deny >/dev/null || \
		{ echo "cargo-deny is missing: run cargo install --locked cargo-deny, then repeat" >&2; exit 1; }
	@# It wants to see the crates of all platforms, those that are never built here too.
	$(CARGO) fetch --locked --quiet
	$(CARGO) deny --offline check licenses bans sources

clean:
	$(CARGO) clean

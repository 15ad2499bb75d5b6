# make run     build and start it: the test picture, or the first H.264 camera; ARGS="-c my.conf" gives it arguments
# make test    all checks, as CI runs them
# make check   the first minutes of that: format, lints, rooms, unit tests
# make bench   what it costs, as ratios
# make fuzz    60 s of fuzzing for each target (needs a nightly Rust)
# make browsers   how late the picture is in each browser, by each path; MINUTES=20: does that grow?
# make soak    clients coming and going and cameras unplugged: does anything grow? MINUTES=20
# make dist    the static binaries for every board, tried out, in dist/
# make install, make uninstall   PREFIX=/usr/local DESTDIR=

PREFIX  ?= /usr/local
# rustup's place, for shells that were open when Rust came
export PATH := $(PATH):$(HOME)/.cargo/bin

BIN    = $(DESTDIR)$(PREFIX)/bin/fmp4streamer
UNIT   = $(DESTDIR)/etc/systemd/system/fmp4streamer.service
CONFIG = $(DESTDIR)/etc/fmp4streamer.conf

.PHONY: run build test check bench browsers fuzz soak dist install uninstall

run: build
	target/release/fmp4streamer $(ARGS)

build:
	@tests/need run
	cargo build --release --locked

test:
	@tests/need test
	@tests/run all

check:
	@tests/need check
	@tests/run quick

bench:
	@tests/need run
	cargo bench --locked

browsers: build
	@tests/need test
	@python3 tests/browsers target/release/fmp4streamer --table $(MINUTES)

fuzz:
	@tests/need run
	@fuzz/run

soak: build
	@tests/soak $(MINUTES)

dist:
	@tests/need dist
	@packaging/dist
	@tests/dist

# Builds as the user, then `sudo make install` only copies.
install:
	@test -x target/release/fmp4streamer || $(MAKE) build
	install -D -m 755 target/release/fmp4streamer $(BIN)
	install -d $(dir $(UNIT))
	sed 's|/usr/local|$(PREFIX)|' systemd/fmp4streamer.service >$(UNIT)
	test -e $(CONFIG) || install -D -m 644 fmp4streamer.conf.dist $(CONFIG)
	@echo "Next: systemctl enable --now fmp4streamer   (its config: $(CONFIG))"

uninstall:
	rm -f $(BIN) $(UNIT)
	@echo "Your config stays: $(CONFIG)"

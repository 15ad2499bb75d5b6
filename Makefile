# make run     build and start it: the test picture, or the first H.264 camera; ARGS="-c my.conf" gives it arguments
# make test    all checks, as CI runs them
# make check   the first minutes of that: format, lints, rooms, unit tests
# make bench   what it costs, as ratios
# make zero    what recording, motion, sound and a viewer take of a Raspberry Pi Zero, in instructions of the ARMv6 program
# make fuzz    60 s of fuzzing for each target (needs a nightly Rust)
# make browsers   how late the picture is in each browser, by each path; MINUTES=20: does that grow?
# make programs   OctoPrint, Home Assistant, motion, rclone, proxies, players and RTSP clients as they come, with this as their camera;
#              MINUTES=10; CHECK=rtsp: those checks alone whose name has it
# make audio-quality   our AAC encoder beside others: speech by PESQ, claps by what is heard before them
# make sync    tests of minutes: does the sound stay with the picture, recorded by each way, from a microphone, in browsers? MINUTES=20
# make soak    clients coming and going and cameras unplugged: does anything grow? MINUTES=20
# make faults  what is left of recordings where the power is cut, or their disk fails; VM_CUTS=20
# make scale   a crowd of viewers behind two tiers of caches; VIEWERS=2000 SECONDS=60; as root in a network of its own
# make dist    the static binaries for every board, tried out, in dist/
# make deb     Debian packages of them, in dist/
# make install, make uninstall   PREFIX=/usr/local DESTDIR=

PREFIX ?= /usr/local
# rustup's place, for shells that were open when Rust came
export PATH := $(PATH):$(HOME)/.cargo/bin

VIEWERS ?= 2000
SECONDS ?= 60
PROGRAM ?= target/release/fmp4streamer
BIN      = $(DESTDIR)$(PREFIX)/bin/fmp4streamer
MAN1     = $(DESTDIR)$(PREFIX)/share/man/man1/fmp4streamer.1
MAN5     = $(DESTDIR)$(PREFIX)/share/man/man5/fmp4streamer.conf.5
SYSTEMD  = $(DESTDIR)$(PREFIX)/lib/systemd
UNITS    = $(patsubst systemd/%,$(SYSTEMD)/system/%,$(wildcard systemd/*.*)) \
           $(patsubst systemd/%,$(SYSTEMD)/%,$(wildcard systemd/user/*))
CONFIG   = $(DESTDIR)/etc/fmp4streamer.conf
AVAHI    = $(DESTDIR)/etc/avahi/services/fmp4streamer.service

.PHONY: run build test check bench zero browsers programs audio-quality fuzz sync sync-recorded sync-machine sync-browsers soak faults scale dist deb install uninstall

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

zero:
	@tests/need zero
	packaging/cargo build arm-unknown-linux-musleabihf -- --bins --examples
	cargo bench --locked -- zero
	cargo bench --locked -- share

browsers: build
	@tests/need test
	@python3 tests/browsers target/release/fmp4streamer --table $(MINUTES)

programs: build
	@tests/need test
	@tests/need programs
	@python3 tests/programs target/release/fmp4streamer --all $(MINUTES) $(CHECK)

audio-quality:
	@tests/need run
	@tests/audio/run

fuzz:
	@tests/need run
	@fuzz/run

sync: export MINUTES := $(or $(MINUTES),20)
sync: build
	@tests/need test
	cargo test --locked --test sound --no-run
	cargo test --locked --release --test vm --no-run
	@$(MAKE) --no-print-directory -k -j3 -O sync-recorded sync-machine sync-browsers

# Side by side, as each mostly waits; what is heard in a browser is to stumble for none of the others.
sync-recorded:
	nice cargo test --locked --test sound -- --show-output each_way
sync-machine:
	@nice tests/vm/run sound
sync-browsers:
	@python3 tests/browsers target/release/fmp4streamer --sync $(MINUTES)

soak: build
	@tests/soak $(MINUTES)

faults: export VM_CUTS := $(or $(VM_CUTS),20)
faults: build
	@tests/need test
	@tests/vm/run recorded
	@python3 tests/browsers target/release/fmp4streamer what_faults_left_plays

scale: build
	@tests/need scale
	@python3 tests/scale $(PROGRAM) $(VIEWERS) $(SECONDS)

dist:
	@tests/need dist
	@packaging/dist
	@tests/dist

deb:
	@tests/need deb
	@packaging/dist
	@packaging/deb
	@tests/deb

# Builds as the user, then `sudo make install` only copies.
install:
	@test -x $(PROGRAM) || $(MAKE) build
	install -D -m 755 $(PROGRAM) $(BIN)
	install -d $(SYSTEMD)/system $(SYSTEMD)/user
	install -m 644 $(wildcard systemd/*.*) $(SYSTEMD)/system
	install -m 644 $(wildcard systemd/user/*) $(SYSTEMD)/user
	sed -i 's|/usr/local/bin|$(PREFIX)/bin|' $(UNITS)
	install -D -m 644 docs/fmp4streamer.1 $(MAN1)
	install -d $(dir $(MAN5))
	awk -f docs/fmp4streamer.conf.5.awk fmp4streamer.conf.dist >$(MAN5)
	chmod 644 $(MAN5)
	test -e $(CONFIG) || install -D -m 644 fmp4streamer.conf.dist $(CONFIG)
	test -e $(AVAHI) || install -D -m 644 packaging/avahi/fmp4streamer.service $(AVAHI)
	@echo "Next: systemctl enable --now fmp4streamer   (its config: $(CONFIG))"

uninstall:
	rm -f $(BIN) $(UNITS) $(MAN1) $(MAN5) $(AVAHI)
	@echo "Your config stays: $(CONFIG)"

# The front door. Each target does its own set-up on a Debian machine that has git, curl, a C compiler and rustup's cargo.

PREFIX ?= /usr/local
DESTDIR ?=
DIST ?= dist

# One per line, in alphabetical order.
PLUGINS := \
	bandwidth \
	bridge \
	dhcp \
	dummy \
	firewall \
	flannel \
	host-device \
	host-local \
	ipvlan \
	loopback \
	macvlan \
	portmap \
	ptp \
	sbr \
	static \
	tap \
	tuning \
	vlan \
	vrf \
	weir-debug \

# Statically linked with musl: starts 0.7 ms sooner than glibc's dynamic programs on a virtual machine, of which 0.5 ms
# are what glibc asks the processor at each start, and runs on any distribution. Our few C and assembler files need no
# C library, so any compiler for this processor does.
export CARGO_BUILD_TARGET := $(shell rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')-unknown-linux-musl
export CC_$(subst -,_,$(CARGO_BUILD_TARGET)) ?= cc
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET_DIR)/$(CARGO_BUILD_TARGET)/release
WASM := $(TARGET_DIR)/wasm32-unknown-unknown/plugin
# What the tests wrote down of what they ran.
RECORDS := $(abspath $(TARGET_DIR))/tests
# Plugins that only the tests use, built for wasm32-wasip2.
GUESTS := wasi-probe unruly hostile careless
WASI := $(TARGET_DIR)/wasm32-wasip2/plugin

.DEFAULT_GOAL := help
.PHONY: help build build-guests demo test sweep test-vm verified build-embedding install lint bench fuzz fuzz-smoke clean setup-rust setup-test setup-vm

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# `weir` with thin link-time optimisation: that takes two minutes less, and its own speed matters little.
build: setup-rust ## Build dist/bin/weir, dist/bin/weir-cni and dist/plugins/*.wasm
	@echo "[1/4] weir-cni (the host, without a compiler)"
	cargo build --release --locked --package weir --bin weir-cni
	@mkdir -p $(DIST)/bin $(DIST)/plugins
	@rm -rf $(DIST)/installed # what tests of an earlier build installed
	install -m 0755 $(RELEASE)/weir-cni $(DIST)/bin/weir-cni
	@echo "[2/4] weir (the operator's command, with the compiler: some minutes the first time)"
	cargo build --release --locked --config 'profile.release.lto="thin"' --package weir --bin weir --features compiler
	install -m 0755 $(RELEASE)/weir $(DIST)/bin/weir
	@echo "[3/4] plugins"
	cargo build --profile plugin --locked --target wasm32-unknown-unknown $(PLUGINS:%=--package weir-plugin-%)
	@echo "[4/4] components"
	@set -e; for plugin in $(PLUGINS); do \
		$(DIST)/bin/weir pack $(WASM)/$$(echo $$plugin | tr - _).wasm --output $(DIST)/plugins/$$plugin.wasm; \
	done
	@ls -l $(DIST)/bin $(DIST)/plugins

build-guests: build
	cargo build --profile plugin --locked --target wasm32-wasip2 $(GUESTS:%=--package weir-guest-%)
	@mkdir -p $(DIST)/guests
	@set -e; for guest in $(GUESTS); do \
		install -m 0644 $(WASI)/$$(echo $$guest | tr - _).wasm $(DIST)/guests/$$guest.wasm; \
	done

build-embedding: build
	cargo build --release --locked --package weir-embedding
	@mkdir -p $(DIST)/embedding
	install -m 0755 $(RELEASE)/weir-embedding $(DIST)/embedding/weir-embedding

demo: build ## Two containers, a network, packets, and nothing left at the end
	@tests/setup.sh demo
	DIST=$(DIST) tests/demo.sh

test: build-guests build-embedding ## All tests that this user and this kernel can run; the others say why they are skipped
	@tests/setup.sh test
	cargo test --locked --workspace --exclude weir-tests --features weir/compiler
	@mkdir -p $(RECORDS) && rm -f $(RECORDS)/native.jsonl
	WEIR_DIST=$(abspath $(DIST)) WEIR_TESTS_RECORD=$(RECORDS)/native.jsonl cargo test --locked --package weir-tests

sweep: build-guests ## Every case of the fault sweep: each kind of fault at each host call of each plugin
	@tests/setup.sh test
	WEIR_SWEEP=all WEIR_DIST=$(abspath $(DIST)) cargo test --locked --package weir-tests --test fault_sweep

test-vm: build-guests build-embedding ## The tests that need what this kernel lacks, in a virtual machine
	@tests/setup.sh vm
	@mkdir -p $(RECORDS)
	WEIR_DIST=$(abspath $(DIST)) WEIR_TESTS_RECORDS=$(RECORDS) tests/vm/run.sh

verified: ## Write docs/reference/verified.md from what `make test` and `make test-vm` have found
	cargo run --quiet --locked --package weir-tests --bin evidence -- page $(RECORDS)/native.jsonl $(RECORDS)/vm.jsonl \
		>$(RECORDS)/verified.md
	mv $(RECORDS)/verified.md docs/reference/verified.md

install: ## Install below DESTDIR and PREFIX (after `make build`)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/weir $(DESTDIR)$(PREFIX)/share/weir/plugins
	install -m 0755 $(DIST)/bin/weir $(DESTDIR)$(PREFIX)/bin/weir
	install -m 0755 $(DIST)/bin/weir-cni $(DESTDIR)$(PREFIX)/lib/weir/weir-cni
	install -m 0644 $(DIST)/plugins/*.wasm $(DESTDIR)$(PREFIX)/share/weir/plugins/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 0644 host/dhcp-daemon/systemd/weir-dhcp.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/
	sed 's|@PREFIX@|$(PREFIX)|' host/dhcp-daemon/systemd/weir-dhcp.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/weir-dhcp.service

lint: setup-rust ## Formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features weir/compiler -- -D warnings
	cargo clippy --locked --package weir-native-plugins --features native -- -D warnings

bench: build-embedding ## weir-cni against the native plugins, side by side
	@tests/setup.sh bench
	cargo build --release --locked --package weir-native-plugins --features native
	@mkdir -p $(DIST)/native-plugins
	@set -e; for plugin in bridge host-local loopback; do \
		install -m 0755 $(RELEASE)/native-plugins $(DIST)/native-plugins/$$plugin; \
	done
	WEIR_DIST=$(abspath $(DIST)) cargo run --release --locked --package weir-tests --bin bench -- $(BENCH)

# Coverage instrumentation as libFuzzer wants it, of the stable compiler. Sanitizers would need another one; what the
# targets look for are panics, overflows, hangs and broken promises.
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
FUZZ_HOST := $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_BUILD := $(abspath $(TARGET_DIR))/fuzz
# The targets, and how long each of them runs.
FUZZ ?= $(notdir $(wildcard tests/fuzz/corpus/*))
SECONDS ?= 600

fuzz: setup-rust ## Fuzz each target for SECONDS (600); FUZZ names some of them. What is found is in target/fuzz/found
	cd tests/fuzz/libfuzzer && RUSTFLAGS="$(FUZZ_FLAGS)" CARGO_TARGET_DIR=$(FUZZ_BUILD) \
		cargo build --release --locked --target $(FUZZ_HOST)
	@mkdir -p $(FUZZ_BUILD)/found
	@set -e; for target in $(FUZZ); do \
		echo "### $$target ($(SECONDS) s)"; \
		mkdir -p $(FUZZ_BUILD)/corpus/$$target; \
		WEIR_LOG=error WEIR_FUZZ_TARGET=$$target $(FUZZ_BUILD)/$(FUZZ_HOST)/release/weir-libfuzzer -max_total_time=$(SECONDS) \
			-timeout=10 -print_final_stats=1 -verbosity=0 -artifact_prefix=$(FUZZ_BUILD)/found/$$target- \
			$(FUZZ_BUILD)/corpus/$$target tests/fuzz/corpus/$$target; \
	done

fuzz-smoke: setup-rust ## Try every input of the fuzz corpus
	cargo test --locked --package weir-fuzz

setup-rust:
	@for target in wasm32-unknown-unknown wasm32-wasip2 $(CARGO_BUILD_TARGET); do \
		test -d "$$(rustc --print sysroot)/lib/rustlib/$$target" || rustup target add $$target || exit 1; \
	done

clean: ## Remove what was built
	rm -rf target $(DIST)

# Everything a person or a script needs; the build itself is CMake and Ninja. `make` prints this list.
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 600
ROUNDS ?= 10000
LISTEN ?= 127.0.0.1:4450
CTEST ?=
SANITIZERS ?=
MUTANTS ?=
BENCH ?=
PERF ?=
DESTDIR ?=
prefix ?= /usr/local
sysconfdir ?= /etc
mandir ?= $(prefix)/share/man
unitdir ?= $(prefix)/lib/systemd/system

PACKAGES := tools/install-packages.sh
CONFIGURE := cmake --preset
PYTHON := /usr/bin/python3
# Two that build at once would write the same files.
ALONE := flock build/.lock

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
	  awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

# Said before the first build, so that nobody wonders whether it hangs.
define announce
@test -e build/$(1)/braidd || echo "The first build takes $(2) on two cores; later ones only what changed."
endef

.PHONY: deps
deps: ## Install the packages for building and testing that are missing
	@$(PACKAGES) build test

.PHONY: deps-build deps-vm
deps-build:
	@$(PACKAGES) build
deps-vm:
	@$(PACKAGES) build test vm

.PHONY: build
build: deps-build ## Build braidd and braidctl into build/release
	@mkdir -p build
	@$(ALONE) $(CONFIGURE) release >/dev/null
	$(call announce,release,about five minutes)
	@$(ALONE) ninja -C build/release -j$(JOBS) programs

.PHONY: run
run: build ## Serve a demo folder on 127.0.0.1:4450 (LISTEN=ADDRESS:PORT)
	@$(PACKAGES) run
	@tools/demo.sh build/release build/demo $(LISTEN)

.PHONY: test
test: deps ## Build everything and pass every test (CTEST='-R NAME' for some; SANITIZERS=1: with them too)
	@$(CONFIGURE) release >/dev/null
	$(call announce,release,about eight minutes)
	@ninja -C build/release -j$(JOBS)
	@$(PYTHON) tools/run_tests.py --jobs $(JOBS) $(if $(CTEST),--fuzz-seconds 0) \
	  $(if $(SANITIZERS),--sanitizers) -- $(CTEST)

.PHONY: asan tsan
asan: ## The tests under AddressSanitizer and UndefinedBehaviorSanitizer
tsan: ## The tests under ThreadSanitizer
asan tsan: deps
	@$(CONFIGURE) $@ >/dev/null
	$(call announce,$@,about ten minutes)
	@ninja -C build/$@ -j$(JOBS)
	@$(PYTHON) tools/run_tests.py --build build/$@ --jobs $(JOBS) --fuzz-seconds 0 -- $(CTEST)

.PHONY: fuzz
fuzz: deps-build ## Run every fuzzer for FUZZ_SECONDS (600)
	@$(PYTHON) tools/fuzz.py --seconds $(FUZZ_SECONDS) --jobs $(JOBS)

.PHONY: round-trips
round-trips: build ## 10 million seeded round trips of each compression algorithm (some ten minutes)
	@ninja -C build/release -j$(JOBS) codec_test
	@BRAID_ROUND_TRIPS=10000000 build/release/codec_test --gtest_filter='*SeededRoundTrips*'

.PHONY: simulator
simulator: build ## 10 million seeded events of opens, leases, oplocks and locks against a plain model
	@ninja -C build/release -j$(JOBS) filestate_test
	@BRAID_SIMULATOR_EVENTS=10000000 build/release/filestate_test --gtest_filter='Simulator.*'

.PHONY: compression-bench
compression-bench: deps build ## What compression brings and costs, on links of several speeds (root)
	@$(PYTHON) tests/compression/measure.py --braidd build/release/braidd \
	  --bench build/release/braid-bench

.PHONY: local-exercise
local-exercise: deps build ## Local programs and a client that caches against a model, for ten minutes
	@$(PYTHON) tests/notify/local_programs_test.py --braidd build/release/braidd --seconds 300 \
	  --verbose-steps

.PHONY: local-bench
local-bench: deps build ## What each local_access costs, and how long clients are behind with "notify"
	@$(PYTHON) tests/notify/measure.py --braidd build/release/braidd

.PHONY: mutants
mutants: deps ## Plant single-line mutations and name those that no test finds (MUTANTS='--help')
	@$(PYTHON) tools/mutants.py --jobs $(JOBS) $(MUTANTS)

.PHONY: conformance
conformance: deps build ## smbtorture against its ledger, with one worker and with four
	@$(PYTHON) tests/conformance/run.py --braidd build/release/braidd
	@$(PYTHON) tests/conformance/run.py --braidd build/release/braidd --workers 4

.PHONY: conformance-filesystems
conformance-filesystems: deps build ## the same on XFS and btrfs images
	@for fs in xfs btrfs; do tests/conformance/on_filesystem.sh $$fs \
	  --braidd build/release/braidd --jobs 8 || exit 1; done

.PHONY: conformance-local-access
conformance-local-access: deps build ## the same with local_access = "strict" and "none", half an hour
	@$(PYTHON) tests/conformance/run.py --braidd build/release/braidd --local-access none
	@$(PYTHON) tests/conformance/run.py --braidd build/release/braidd --local-access strict \
	  --base-ledger tests/conformance/ledger.tsv --ledger tests/conformance/ledger_strict.tsv

.PHONY: hostile
hostile: deps build ## 10,000 damaged messages; attacks beside another user's work, with figures
	@$(PYTHON) tests/hostile/proxy_test.py --braidd build/release/braidd --messages 10000
	@ninja -C build/release -j$(JOBS) hostile_victim
	@$(PYTHON) tests/hostile/measure.py --braidd build/release/braidd \
	  --victim build/release/hostile_victim --bench build/release/braid-bench

.PHONY: cluster-test
cluster-test: deps build ## Nodes with real ctdbds: the client of them, addresses too, and serving one folder (root; a few minutes)
	@ninja -C build/release -j$(JOBS) ctdb_probe
	@$(PYTHON) tests/cluster/cluster_test.py --braidd build/release/braidd \
	  --program build/release/ctdb_probe --full --times 2000
	@$(PYTHON) tests/cluster/serving_test.py --braidd build/release/braidd
	@$(PYTHON) tests/cluster/operating_test.py --braidd build/release/braidd

.PHONY: worker-kills
worker-kills: deps build ## Ten minutes of killed workers under clients of all of them
	@BRAID_KILLS=20000 build/release/store_test --gtest_filter='*Killed*'
	@$(PYTHON) tests/workers/workers_test.py --braidd build/release/braidd --seconds 600 \
	  KillsUnderLoad

.PHONY: fault
fault: deps build ## Failing links under a client with four channels, 20 minutes
	@ninja -C build/release -j$(JOBS) fault_client
	@$(PYTHON) tests/fault/fault_test.py --braidd build/release/braidd \
	  --program build/release/fault_client --seconds 600
	@$(PYTHON) tests/fault/mixed_test.py --braidd build/release/braidd \
	  --program build/release/fault_client --seconds 600

.PHONY: power-cuts
power-cuts: deps build ## A thousand kills under a client with persistent handles, ten minutes
	@$(PYTHON) tests/persistent/power_cut_test.py --braidd build/release/braidd --kills 1000

.PHONY: upgrades
upgrades: deps build ## Twenty upgrades under 100 clients with 1,000 open files, and how long each pause was
	@$(PYTHON) tests/upgrade/upgrade_load_test.py --braidd build/release/braidd --upgrades 20 --clients 100 --files 10 --measured

.PHONY: bench
bench: deps build ## Every load beside Samba: docs/benchmarks.md (an hour; BENCH=--short: whether it runs)
	@$(PYTHON) tools/bench.py --braidd build/release/braidd --program build/release/braid-bench $(BENCH)

.PHONY: perf
perf: deps build ## A flame graph of each load, in build/perf (PERF='--modes ECHO' for some)
	@$(PACKAGES) perf
	@$(PYTHON) tools/perf.py --braidd build/release/braidd --program build/release/braid-bench $(PERF)

.PHONY: bench-names
bench-names: deps build ## What a file costs among 100,000 others
	@$(PYTHON) tools/bench_names.py --braidd build/release/braidd \
	  --program build/release/braid-bench --ratio-max 1.5

.PHONY: bench-handle-log
bench-handle-log: deps build ## What it costs to have a record on the disk, and to find all
	@folder=$$(mktemp -d build/handle-log-XXXXXX) && trap 'rmdir $$folder' EXIT && \
	  build/release/braid-bench handle-log --folder $$folder --recovery-max 1

.PHONY: bench-opens
bench-opens: deps build ## What persistent handles cost: CREATE and CLOSE beside an ordinary share
	@$(PYTHON) tools/bench_opens.py --braidd build/release/braidd \
	  --program build/release/braid-bench --opens 20000 --ratio-min 0.6

.PHONY: bench-recovery
bench-recovery: deps build ## What it costs to begin with 100,000 persistent opens
	@folder=$$(mktemp -d build/recovery-XXXXXX) && trap 'rm -r $$folder' EXIT && \
	  build/release/braid-bench recovery --folder $$(realpath $$folder) --recovery-max 2 \
	    --bytes-max 2048

.PHONY: bench-channels
bench-channels: deps build ## Throughput over one, two and four links, beside Samba
	@$(PYTHON) tools/bench_channels.py --braidd build/release/braidd \
	  --program build/release/braid-bench

.PHONY: vm-test
vm-test: deps-vm build ## The Linux kernel client in a virtual machine
	@$(PYTHON) tests/vm/vm_test.py --braidd build/release/braidd
	@$(PYTHON) tests/vm/multichannel_test.py --braidd build/release/braidd
	@$(PYTHON) tests/vm/quota_test.py --braidd build/release/braidd
	@$(PYTHON) tests/vm/persistent_test.py --braidd build/release/braidd
	@$(PYTHON) tests/vm/posix_test.py --braidd build/release/braidd
	@$(PYTHON) tests/vm/posix_test.py --braidd build/release/braidd --options vers=3.1.1,actimeo=0,nolease
	@$(PYTHON) tests/vm/git_test.py --braidd build/release/braidd
	@$(PYTHON) tests/vm/nfs_test.py --braidd build/release/braidd --rounds 300 --turns 1000 --locks 300
	@$(PYTHON) tests/vm/rdma_test.py --build build/release

.PHONY: nfs-test
nfs-test: deps build ## NFS (nfs-ganesha) and SMB on one folder: 10,000 records each way, locks (root, some minutes)
	@$(PACKAGES) nfs
	@$(PYTHON) tests/nfs/nfs_test.py --braidd build/release/braidd -v

.PHONY: vm-nfs-test
vm-nfs-test: deps-vm build ## The same with the kernel's NFS server, both in a virtual machine (ROUNDS=10000)
	@$(PYTHON) tests/vm/nfs_test.py --braidd build/release/braidd -v --rounds $(ROUNDS) --turns $(ROUNDS) \
	  --locks $(ROUNDS) --limit 14400

.PHONY: rdma-test
rdma-test: deps-vm build ## SMB Direct over soft-RoCE: our client, the kernel's on a kernel built here, how fast (an hour)
	@$(PACKAGES) kernel
	@ninja -C build/release -j$(JOBS) verbs_test rdma_test direct_test
	@$(PYTHON) tests/vm/rdma_suite.py --build build/release

.PHONY: vm-test-own
vm-test-own: deps-vm build ## the same on a kernel built here: compression, witness (ten minutes for the kernel)
	@$(PACKAGES) kernel
	@$(PYTHON) tests/vm/compression_test.py --braidd build/release/braidd
	@$(PYTHON) tests/vm/witness_test.py --braidd build/release/braidd

.PHONY: soak
soak: deps-vm build ## Two kernel clients and smbclient at work on one share, half an hour
	@$(PYTHON) tests/vm/soak_test.py --braidd build/release/braidd --rounds 3

.PHONY: man
man: build ## Rewrite the key lists of the man page from the tables
	@$(PYTHON) tools/config_man.py --braidctl build/release/braidctl --write

.PHONY: install
install: ## Install what is built (DESTDIR, prefix, sysconfdir, mandir, unitdir)
	install -D -m 755 build/release/braidd $(DESTDIR)$(prefix)/sbin/braidd
	install -D -m 755 build/release/braidctl $(DESTDIR)$(prefix)/bin/braidctl
	install -D -m 755 build/release/braid-bench $(DESTDIR)$(prefix)/bin/braid-bench
	install -D -m 644 docs/man/braidd.8 $(DESTDIR)$(mandir)/man8/braidd.8
	install -D -m 644 docs/man/braidctl.8 $(DESTDIR)$(mandir)/man8/braidctl.8
	install -D -m 644 docs/man/braid-bench.1 $(DESTDIR)$(mandir)/man1/braid-bench.1
	install -D -m 644 docs/man/braid.toml.5 $(DESTDIR)$(mandir)/man5/braid.toml.5
	install -d $(DESTDIR)$(unitdir) $(DESTDIR)$(sysconfdir)/braid
	sed -e 's|@sbindir@|$(prefix)/sbin|' -e 's|@sysconfdir@|$(sysconfdir)|' \
	  packaging/braidd.service >$(DESTDIR)$(unitdir)/braidd.service
	for unit in braid-web braid-announce; do \
	  sed -e 's|@bindir@|$(prefix)/bin|' -e 's|@sysconfdir@|$(sysconfdir)|' \
	    packaging/$$unit.service >$(DESTDIR)$(unitdir)/$$unit.service; done
	for file in ctdb.tunables ctdb.conf etcd; do \
	  install -D -m 644 packaging/ctdb/$$file $(DESTDIR)$(prefix)/share/braid/ctdb/$$file; done
	install -m 755 packaging/ctdb/50.braidd.script $(DESTDIR)$(prefix)/share/braid/ctdb/50.braidd.script
	test -e $(DESTDIR)$(sysconfdir)/braid/braid.toml || \
	  install -m 644 packaging/braid.toml $(DESTDIR)$(sysconfdir)/braid/braid.toml

.PHONY: deb deb-test
deb: build ## Make a Debian package of braid, in build/
	@$(PACKAGES) package
	@tools/make_deb.sh build/release build

deb-test: deb ## lintian; install, use, upgrade and purge it in a Debian of its own (root)
	@$(PACKAGES) build test package
	@$(PYTHON) tests/packaging/deb_test.py --braidd build/release/braidd

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf build

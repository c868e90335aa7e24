# SPDX-License-Identifier: GPL-2.0-only
KERNELDIR ?= /lib/modules/$(shell uname -r)/build
DESTDIR ?=
PREFIX ?= /usr
# The modules go below it, too, unless they are told where to.
INSTALL_MOD_PATH ?= $(DESTDIR)

modules-load = $(DESTDIR)/etc/modules-load.d/kvm_tdp.conf

# As DKMS does it: with the compiler, and linker, that built the kernel, if no other is named.
built-by = $(shell sed -n 's/^CONFIG_CC_IS_CLANG=y/CC=clang/p; s/^CONFIG_LD_IS_LLD=y/LD=ld.lld/p' \
	$(KERNELDIR)/include/config/auto.conf 2>/dev/null)
kbuild = $(MAKE) -C $(KERNELDIR) M=$(CURDIR) \
	$(if $(LLVM)$(filter command,$(firstword $(origin CC))),,$(built-by))
# Of the kernel that the headers are for, if their path tells.
release = $(patsubst /lib/modules/%/build,%,$(filter /lib/modules/%/build,$(KERNELDIR)))

all: headers json-c fuse3 modules cli lib

# What is missing, by its package on Debian: compilers say it in other words.
headers:
	@test -e $(KERNELDIR)/Makefile || { \
		echo "no kernel headers in $(KERNELDIR)$(release:%=: apt install linux-headers-%)" >&2; \
		false; }

have = @echo '\#include <$(1)>' | $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 || \
	{ echo "$(2): apt install $(3)" >&2; false; }
compiler:
	$(call have,stdlib.h,no C compiler ($(CC)) or no C library,build-essential)
json-c: compiler
	$(call have,json-c/json.h,no headers of json-c,libjson-c-dev)

fuse3: compiler
	$(call have,fuse3/fuse_opt.h,no headers of libfuse 3,libfuse3-dev)

modules: headers
	+@$(kbuild) modules || { \
		! test -e src/facts.h || { \
			what="which is newer than those it is made for"; \
			! grep -q KNOWN src/facts.h || \
				what="which differs in what the first error names from those it is made for"; \
			echo "kvm_tdp cannot be built for this kernel, $$what" >&2; }; \
		false; }

# The command line tool, and the library that it uses.
cli: json-c fuse3 lib
lib: compiler
cli lib:
	$(MAKE) -C src/$@

# Headers of a distribution want modules signed, and have no key to do it with.
no-sign = $(if $(CONFIG_MODULE_SIG_KEY)$(wildcard $(KERNELDIR)/certs/signing_key.x509),,CONFIG_MODULE_SIG_ALL=)

# What is loaded survives until the modules are loaded again.
install: all install-cli install-lib install-python
	+$(kbuild) modules_install INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) $(no-sign)

# kvm-tdp, and what belongs to the device.
install-cli: cli
	$(MAKE) -C src/cli install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	install -D -m 644 src/udev/60-kvm_tdp.rules \
		$(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-kvm_tdp.rules
	test -e $(modules-load) || \
		install -D -m 644 src/modules-load/kvm_tdp.conf $(modules-load)

# libkvm_tdp, with what programs are built with.
install-lib: lib
	$(MAKE) -C src/lib install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

# The same for Python.
install-python:
	$(MAKE) -C src/python install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

# One that was edited stays. The headers may be gone by now.
uninstall:
	@release=$$(sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KERNELDIR)/include/generated/utsrelease.h 2>/dev/null); \
	release=$${release:-$(release)}; \
	test "$$release" || { echo "of which kernel? KERNELDIR=/lib/modules/RELEASE/build tells" >&2; false; } && \
	$(RM) \
		$(INSTALL_MOD_PATH)/lib/modules/$$release/*/src/kvm_tdp.ko* \
		$(INSTALL_MOD_PATH)/lib/modules/$$release/*/src/*/kvm_tdp_*.ko*
	$(MAKE) -C src/cli uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	$(MAKE) -C src/lib uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	$(MAKE) -C src/python uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	$(RM) $(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-kvm_tdp.rules
	! cmp -s src/modules-load/kvm_tdp.conf $(modules-load) || $(RM) $(modules-load)

# What .gitignore has, and what tests build; the kernel's headers may be gone by now.
products := *.o *.d *.ko *.mod *.mod.c *.cmd *.symvers *.dwo modules.order facts.h \
	.checkpatch-camelcase*
clean:
	for dir in $(wildcard src/cli src/lib src/python examples/nvme); do $(MAKE) -C $$dir clean || exit; done
	$(RM) -r build tests/*/build
	find . -path ./.git -prune -o -type f \( $(foreach name,$(products),-name '$(name)' -o) -false \) \
		-exec $(RM) {} +

# KERNELVER="RELEASE...": instead of all kernels whose headers are there. With
# DESTDIR the sources alone are put into place.
dkms-install dkms-uninstall: dkms-%:
	DESTDIR=$(DESTDIR) scripts/dkms $* $(KERNELVER)

deb:
	scripts/deps deb
	scripts/deb

# All there is to read, as build/kvm_tdp.html.
docs:
	@scripts/docs

# The table, src/iommu with the bugs that are seeded in it, the models as far as they are quick.
unit:
	$(MAKE) -C tests/unit run
	$(MAKE) -C tests/iommu run mutants
	scripts/deps model
	tests/model/run quick

# All of the models, with SPIN.
model:
	scripts/deps model
	tests/model/run

uapi:
	$(MAKE) -C tests/uapi run

static:
	scripts/check-static

test:
	scripts/deps test kernels
	tests/run

# On this machine, as root, beside what runs on it: docs/HARDWARE.md. REPORT=FILE,
# MINUTES of storm, ROUNDS of bench.
test-host:
	scripts/test-host $(REPORT:%=--report %) $(MINUTES:%=--minutes %) $(ROUNDS:%=--rounds %)

test-debug test-debug-kcsan: test-%:
	scripts/deps debug
	tests/run --kernel $*

test-ept:
	scripts/deps test
	tests/run ept

# KERNELS="6.1 7.3/rt-amd64": of tests/kernels; GROUPS="...": of tests/vm/groups.
test-vm:
	scripts/deps test kernels
	tests/matrix $(if $(GROUPS),--groups "$(GROUPS)") $(KERNELS)

# All of them; goes on where it was interrupted.
matrix:
	scripts/deps test kernels
	tests/matrix --resume

# SUITES="bookworm trixie"
test-dkms:
	scripts/deps test dkms
	tests/run $(addprefix dkms:,$(or $(SUITES),bookworm trixie))

demo:
	scripts/demo

# A disk behind an IOMMU reads into a guest's memory.
demo-iommu:
	scripts/demo iommu

# A shell beside a running guest; MODULES="FILE.ko...": with a driver's own modules loaded.
demo-shell:
	scripts/demo shell $(addprefix --module ,$(MODULES))

bench:
	scripts/deps test kernels
	scripts/bench

# NAMES="cost vcpu": parts of the bench.
profile:
	scripts/deps test kernels
	scripts/bench --profile $(NAMES)

# MINUTES, and the SEED of a run to repeat.
stress:
	scripts/deps test
	scripts/stress $(or $(MINUTES),2) $(SEED)

stress-debug:
	scripts/deps debug
	scripts/stress --kernel debug $(or $(MINUTES),10) $(SEED)

# CALLS, and the SEED of a run to repeat.
fuzz:
	scripts/deps test
	scripts/fuzz $(or $(CALLS),1000000) $(SEED)

.PHONY: all headers compiler json-c fuse3 modules cli lib install install-cli install-lib \
	install-python uninstall dkms-install dkms-uninstall deb docs clean unit model uapi static \
	test test-host test-debug test-debug-kcsan test-ept test-vm \
	matrix test-dkms demo demo-iommu demo-shell bench profile stress stress-debug fuzz

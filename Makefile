# SPDX-License-Identifier: MIT
#
# gsched and libgrt, for people. The module's build proper is in Kbuild, for the kernel's.
#
#   make                 libgrt, the examples and, where the kernel's headers are, the module
#   make kmod KDIR=DIR   the module, for the kernel whose build folder is DIR
#   make install         DESTDIR= PREFIX=/usr/local
#   make clean           remove what was built here
#   make deps            install what is missing (Debian packages)
#   make demo            what this is for, shown: natively and in a virtual machine
#   make check           the tests, on this machine and in virtual machines
#   make check-full      and what takes long: the debug kernel, long runs (two hours)
#   make coverage        how much of the module the tests execute
#   make mutants         break the library and the module in many small ways; tests must notice
#   make lint            what tools say about the sources, a part of make check
#   make debugkernel     the kernel that finds faults, for run.sh --kernel debug
#   make vm              a shell in a virtual machine with everything in it
#   make bench-vm        what a block costs, beside Go and raw threads

PREFIX ?= /usr/local
KDIR ?= /lib/modules/$(shell uname -r)/build
HAVE_KDIR := $(wildcard $(KDIR)/Makefile)

# For the libraries and rules of the system itself; DESTDIR is put in front of all.
UDEVDIR ?= /usr/lib/udev/rules.d
SYSUSERSDIR ?= /usr/lib/sysusers.d
MODULESLOADDIR ?= /usr/lib/modules-load.d

INSTALL ?= install
export PREFIX

all: libgrt examples $(if $(HAVE_KDIR),kmod)

libgrt:
	+$(MAKE) -C libgrt

examples: libgrt
	+$(MAKE) -C libgrt/examples

# Only kmod/ is given to the kernel's build: its clean removes objects wherever it looks.
kmod:
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/kmod modules

install: install-libgrt install-config $(if $(wildcard kmod/gsched.ko),install-kmod)

install-libgrt: libgrt
	+$(MAKE) -C libgrt install

install-config:
	$(INSTALL) -D -m 644 kmod/gsched.rules $(DESTDIR)$(UDEVDIR)/60-gsched.rules
	$(INSTALL) -D -m 644 kmod/gsched.sysusers $(DESTDIR)$(SYSUSERSDIR)/gsched.conf
	$(INSTALL) -D -m 644 kmod/gsched.modules-load $(DESTDIR)$(MODULESLOADDIR)/gsched.conf
	$(INSTALL) -D -m 644 uapi/linux/gsched.h $(DESTDIR)$(PREFIX)/include/linux/gsched.h

# The tables of modules are made anew only where the module is really going to be loaded.
install-kmod:
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/kmod INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates \
		$(if $(DESTDIR),DEPMOD=true) modules_install

clean:
	+$(MAKE) -C libgrt clean
	+$(MAKE) -C libgrt/examples clean
	+$(MAKE) -C libgrt/bench clean
	+$(MAKE) -C selftests clean
	$(if $(HAVE_KDIR),+$(MAKE) -C $(KDIR) M=$(CURDIR)/kmod clean)
	rm -rf build

deps:
	selftests/lib/deps.sh

demo:
	selftests/lib/deps.sh demo
	+$(MAKE) libgrt examples
	libgrt/examples/demo.sh

check:
	selftests/lib/deps.sh check
	selftests/lib/check.sh

check-full:
	selftests/lib/deps.sh full
	selftests/lib/check.sh --full

coverage:
	selftests/lib/deps.sh full
	selftests/lib/check.sh build_gcc device_debug file_debug fuzz_debug failnth_debug \
		failnth_file_debug trace_debug coverage

lint:
	selftests/lib/deps.sh check
	selftests/lib/lint.sh

mutants:
	selftests/lib/deps.sh check
	selftests/lib/check.sh build_gcc mutants_library mutants_kernel

debugkernel:
	selftests/lib/deps.sh full
	selftests/vm/debugkernel.sh

vm:
	selftests/lib/deps.sh check
	selftests/vm/shell.sh

bench-vm:
	selftests/lib/deps.sh bench
	libgrt/bench/bench-vm.sh

.PHONY: all libgrt examples kmod install install-libgrt install-config install-kmod clean deps demo check check-full coverage lint mutants debugkernel vm bench-vm
